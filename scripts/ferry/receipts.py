"""Receipts: small, deterministic JSON files, each saying that one step of one record is done."""

from pathlib import Path
from typing import Any

import orjson

from ferry.errors import IntegrityError, disk_error
from ferry.files import write_whole
from ferry.safe_text import redact_bytes
from ferry.schemas import problems

REVIEW = "review.json"
"""Lies beside the receipts of a record that reviewers have to decide about, and is none: where to ask, and what for."""

GIVEN = "given.json"
"""Lies beside the receipts of a record, and is none: what its draft was given."""


def write_json(path: Path, document: Any) -> None:
    """Write the document so that `path` never holds half of it; the same document always gives the same bytes.

    Raises:
        OSError: disk full, or the folder cannot be written; `path` is as it was before.
    """
    text = redact_bytes(
        orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )
    write_whole(path, text)


def write_receipt(path: Path, kind: str, document: dict[str, Any]) -> None:
    """Write a receipt of the given kind (a schema of schemas/receipts).

    Raises:
        IntegrityError: the document is not what its own schema promises; nothing was written.
        DiskError: the disk did not take it; `path` is as it was before.
    """
    _check(path, kind, document)
    try:
        write_json(path, document)
    except OSError as error:
        raise disk_error(path, "be written", error) from error


def read_receipt(path: Path, kind: str) -> dict[str, Any]:
    """Read a receipt and check it: a torn or foreign one is an error, never trusted.

    Raises:
        IntegrityError: the file is not a receipt of this kind.
    """
    try:
        document = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise IntegrityError(
            f"{path}: expected a receipt ({kind}), found no JSON: {error}; delete it and run again"
        ) from error
    _check(path, kind, document)
    receipt: dict[str, Any] = document
    return receipt


def _check(path: Path, kind: str, document: Any) -> None:
    found = problems(document, f"receipts/{kind}")
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise IntegrityError(f"{path}: not a receipt of the kind {kind}: {found[0]}{more}; delete it and run again")
