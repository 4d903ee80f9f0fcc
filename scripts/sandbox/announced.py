"""The list of files that a client announces, as strict as InvenioRDM is about it."""

from typing import Any

from sandbox.answers import Refusal, field_error, invalid
from sandbox.store import Document

_ENTRY_FIELDS = frozenset(["key", "metadata", "size", "checksum", "transfer", "access"])


def read_announced(given: Any, *, multipart: bool) -> list[Document]:
    """Return the entries of the list.

    Raises:
        Refusal: 400, names each place that is wrong.
    """
    if given == []:
        raise invalid(field_error("_schema", "No files to upload."))
    errors = []
    items: list[Any] = given if isinstance(given, list) else [None]
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            errors.append(field_error(f"{number}._schema", "Invalid input type."))
            continue
        if not isinstance(item.get("key"), str):
            errors.append(field_error(f"{number}.key", "Missing data for required field."))
        errors += [field_error(f"{number}.{name}", "Unknown field.") for name in item if name not in _ENTRY_FIELDS]
        errors += _transfer_errors(f"{number}.transfer", item.get("transfer") or {}, multipart=multipart)
    if errors:
        raise invalid(*errors)
    if any((item.get("transfer") or {}).get("type") == "M" and not item.get("size") for item in items):
        raise Refusal(400, "Multipart file transfer requires file size.")
    return items


def _transfer_errors(place: str, transfer: Document, *, multipart: bool) -> list[Document]:
    kind = transfer.get("type", "L")
    if kind not in (("L", "M") if multipart else ("L",)):
        return [field_error(f"{place}.type", f"Unsupported value: {kind}")]
    names = ("parts", "part_size") if kind == "M" else ()
    return [
        field_error(f"{place}.{name}", "Missing data for required field.")
        for name in names
        if transfer.get(name) is None
    ]
