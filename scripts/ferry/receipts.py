"""Receipts: small, deterministic JSON files, each saying that one step of one record is done."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from ferry.errors import IntegrityError, disk_error
from ferry.files import write_whole
from ferry.identity import source_identifier
from ferry.schemas import problems
from ferry.text.safe_text import redact_bytes

REVIEW = "review.json"
"""Lies beside the receipts of a record that reviewers have to decide about, and is none: where to ask, and what for."""

REPOSITORY = "repository.json"
"""In results/: of which repository this folder is."""
GIVEN = "given.json"
"""Lies beside the receipts of a record, and is none: what its draft was given."""

UNANSWERED = "unanswered.json"
"""Lies beside the receipts of a record, and is none: what was asked of the repository for it and answered by nobody."""

_SEAL = "sha256"
"""Holds the digest of all the rest of a document."""
_SEALED = frozenset(
    {"source", "download", "mapping", "package", "upload", "published", "stats", "proof", "read_back", "given"}
)
"""Those that steps go by. The target metadata are sent as they are: the receipt `mapping` has their digest."""
_TARGET = "record"


class ReceiptError(IntegrityError):
    """A receipt is not what it must be: the step that makes it has to make it anew."""

    def __init__(self, path: Path, kind: str, *, recid: int, found: str) -> None:
        """Say what was found in place of the receipt."""
        super().__init__(
            f"{path}: expected the receipt {kind} of record {recid}, found {found}; run "
            "again, it is made anew (if that finds nothing to do, after `snakemake --cores 1 mend`)"
        )
        self.kind = kind
        self.found = found


class LostReceiptError(ReceiptError):
    """There is none."""


def digest(document: Any) -> str:
    """Return what tells one document from another: two that are equal have the same."""
    return hashlib.sha256(redact_bytes(orjson.dumps(document, option=orjson.OPT_SORT_KEYS))).hexdigest()


def file_digest(path: Path) -> str:
    """Return what tells one state of a file from another; "" if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with a digest of itself, so that it shows if somebody edits it."""
    return {**document, _SEAL: digest(document)}


def take_seal(document: dict[str, Any]) -> bool:
    """Take the digest off a document that was read, and tell whether it is there and that of all the rest."""
    seal = document.pop(_SEAL, None)
    return bool(seal == digest(document))


def write_json(path: Path, document: Any) -> None:
    """Write the document so that `path` never holds half of it; the same document always gives the same bytes.

    Raises:
        OSError: disk full, or the folder cannot be written; `path` is as it was before.
    """
    write_whole(path, _text(document))


def _text(document: Any) -> bytes:
    return redact_bytes(
        orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )


def receipt_digest(kind: str, document: dict[str, Any]) -> str:
    """Return the digest of the file (see `file_digest`) that `write_receipt` would leave."""
    return hashlib.sha256(_text(sealed(document) if kind in _SEALED else document)).hexdigest()


def write_receipt(path: Path, kind: str, document: dict[str, Any]) -> None:
    """Write a receipt of the given kind (a schema of schemas/receipts).

    Raises:
        IntegrityError: the document is not what its own schema promises; nothing was written.
        DiskError: the disk did not take it; `path` is as it was before.
    """
    if kind in _SEALED:
        document = sealed(document)
    if found := _broken(kind, document):
        raise IntegrityError(f"{path}: not a receipt of the kind {kind}: {found}; nothing was written")
    try:
        write_json(path, document)
    except OSError as error:
        raise disk_error(path, "be written", error) from error


def read_receipt(path: Path, kind: str, *, recid: int) -> dict[str, Any]:
    """Read the receipt of a record: one that is torn, edited or of another record is an error, never trusted.

    Returns:
        What `write_receipt` was given.

    Raises:
        ReceiptError: the file is not the receipt of this kind and record.
        LostReceiptError: there is no file.
        OSError: the disk refuses.
    """
    document, found = _read(path, kind, recid)
    if found is None and kind == _TARGET:
        # told as the record's own fault: both are made by one step, and a mapping that is wrong proves nothing
        mapping, wrong = _read(path.with_name("mapping.json"), "mapping", recid)
        if wrong is not None:
            found = f"none that the receipt mapping beside it vouches for, which is {wrong}"
        elif (found := _other_record(document, recid, identifier_of(mapping, recid))) is None:
            is_as_made = mapping.get("record_sha256") == digest(document)
            found = None if is_as_made else "another one than was made (the receipt mapping beside it has its digest)"
    if found is not None:
        kind_of_error = ReceiptError if path.exists() else LostReceiptError
        raise kind_of_error(path, kind, recid=recid, found=found)
    return document


def read_identifier(record_path: Path, *, recid: int) -> str:
    """Return the identifier by which the repository has the record of these target metadata.

    Raises:
        ReceiptError: the receipt `mapping` beside them, which tells, is not that of this record.
    """
    return identifier_of(read_receipt(record_path.with_name("mapping.json"), "mapping", recid=recid), recid)


def identifier_of(mapping: Mapping[str, Any], recid: int) -> str:
    """Return the same of the receipt `mapping` itself."""
    return str(mapping.get("identifier") or source_identifier(recid)["identifier"])


def _read(path: Path, kind: str, recid: int) -> tuple[dict[str, Any], str | None]:
    """Return what a receipt says, and what is wrong with it."""
    try:
        document = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}, "no file"
    except orjson.JSONDecodeError as error:
        return {}, f"no JSON: {error}"
    if found := _broken(kind, document):
        return {}, f"something else: {found}"
    if kind == _TARGET:
        return document, None
    is_whole = kind not in _SEALED or take_seal(document)
    if document["recid"] != recid:
        return {}, f"that of record {document['recid']}"
    if not is_whole:
        return {}, "one that was changed after it was written (its sha256 is missing or not that of the rest)"
    return document, None


def _other_record(target: dict[str, Any], recid: int, own: str) -> str | None:
    """Say of which record target metadata are, if not of the one that carries this identifier."""
    entries = [entry for entry in target["metadata"]["identifiers"] if isinstance(entry, dict)]
    named = [str(entry.get("identifier")) for entry in entries if entry.get("scheme") == "url"]
    if own not in named:
        return f"one of {' and '.join(named) or 'no record'}"
    # a model may hold the number of the record too, by which its copy is found
    other = str(target["metadata"].get("recid", recid))
    return f"one of record {other}" if other != str(recid) else None


def _broken(kind: str, document: Any) -> str | None:
    found = problems(document, f"receipts/{kind}")
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else None
