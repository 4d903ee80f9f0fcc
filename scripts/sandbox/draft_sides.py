"""What a draft holds of what a client gives, and what is wrong with that."""

from typing import Any

from sandbox.answers import field_error
from sandbox.flavours import Flavour
from sandbox.metadata_rules import check_metadata
from sandbox.store import Document, Store, now

NO_FILES = "Missing uploaded files. To disable files for this record please mark it as metadata-only."
NOT_WITHOUT_FILES = "You don't have permissions to manage files options."


def side_of(
    given: Document, bucket: str | None, *, store: Store, flavour: Flavour, metadata_only: bool
) -> tuple[Document, list[Any]]:
    """Return a draft of what is given, and what is wrong with it; `metadata_only`: it may do without files."""
    checked = check_metadata(given.get("metadata"), flavour)
    errors = checked.errors
    access = given.get("access")
    levels = access if isinstance(access, dict) else {}
    for name in ("record", "files"):
        if access is not None and levels.get(name) not in ("public", "restricted"):
            errors.append(field_error(f"access.{name}", f"'{name}' must be either 'public' or 'restricted'"))
    pids = given.get("pids")
    if isinstance(pids, dict) and "doi" in pids:
        errors = errors + doi_taken(pids["doi"], store=store)
        if flavour.is_nrp:
            errors = [*errors, field_error("pids.doi", "The prefix '' is managed by the sandbox.")]
    files = given.get("files")
    enabled = files.get("enabled", True) if isinstance(files, dict) else True
    may_be_without = bool(enabled) or metadata_only
    if not may_be_without:
        errors = [*errors, field_error("files.enabled", NOT_WITHOUT_FILES)]
    moment = now()
    side = {
        "metadata": checked.metadata,
        "access": {
            name: levels[name] if levels.get(name) == "restricted" else "public" for name in ("record", "files")
        },
        "files_enabled": bool(enabled) or not may_be_without,
        "pids": pids if isinstance(pids, dict) else {},
        "created": moment,
        "updated": moment,
        "revision": 4,
        "locked": False,
        "review": None,
    }
    if bucket is not None and may_be_without:
        errors = errors + _wrong_files(side, store.entries(bucket))
    return side, errors


def _wrong_files(side: Document, entries: dict[str, Document]) -> list[Any]:
    if side["files_enabled"] and not entries:
        return [field_error("files.enabled", NO_FILES)]
    if not side["files_enabled"] and entries:
        side["files_enabled"] = True
        message = "You must first delete all files to set the record to be metadata-only."
        return [field_error("files.enabled", message)]
    return []


def doi_taken(doi: Any, *, store: Store, by_other_than: str | None = None) -> list[Any]:
    """Return the error that a DOI is published already by another record, if it is."""
    identifier = doi.get("identifier") if isinstance(doi, dict) else None
    taken = identifier is not None and any(
        record["id"] != by_other_than
        and record["published"] is not None
        and record["published"]["pids"].get("doi", {}).get("identifier") == identifier
        for record in store.records.values()
    )
    return [field_error("pids.doi", f"doi:{identifier} already exists.")] if taken else []
