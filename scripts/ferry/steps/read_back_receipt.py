"""What audits have read back of a record, results/<recid>/read_back.json; proof and stats are brought up to that."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from ferry.receipts import ReceiptError, file_digest, read_receipt, receipt_digest, write_receipt
from ferry.report.evidence import is_through, read_evidence
from ferry.report.proof import PROOF, proof_of
from ferry.report.stats import record_stats
from ferry.steps.read_back import Content


def note_read_back(
    proof: Mapping[str, Any],
    contents: Mapping[str, Content],
    keys: Collection[str],
    *,
    announce: Callable[[str], object],
    record_dir: Path,
    logs_dir: Path,
    publish: bool,
) -> str:
    """Write down what an audit has read back of a record; return the digest of its proof.

    Args:
        proof: of the record.
        contents: what was read, by uploaded key.
        keys: source files that were read.
        announce: told the digest of a new proof before it is written.
        record_dir, logs_dir: results/<recid>, and logs/.
        publish: whether the record goes on from a draft.
    """
    recid, path = proof["recid"], record_dir / "read_back.json"
    try:
        before = read_receipt(path, "read_back", recid=recid)
    except ReceiptError:
        before = None
    write_receipt(path, "read_back", _noted(before, proof, contents, keys))
    journal = logs_dir / str(recid) / "journal.jsonl"
    evidence = read_evidence(recid=recid, record_dir=record_dir, journal=journal)
    row = record_stats(evidence, publish=publish)
    if is_through(row):  # else a receipt is wrong, which the check and the next run tell of
        renewed = proof_of(evidence.receipts)
        announce(receipt_digest("proof", renewed))
        write_receipt(record_dir / PROOF, "proof", renewed)
        write_receipt(record_dir / "stats.json", "stats", row)
    return file_digest(record_dir / PROOF)


def _noted(
    before: Mapping[str, Any] | None,
    proof: Mapping[str, Any],
    contents: Mapping[str, Content],
    keys: Collection[str],
) -> dict[str, Any]:
    """Return the receipt `read_back` of a record, with what is known of earlier audits.

    Args:
        before: the receipt as it was, None without one.
        proof: of the record.
        contents: what was read now, by uploaded key.
        keys: source files that were read now: of those that are not right it says nothing any more.
    """
    names = ("repository", "record_id")
    is_same = before is not None and all(before[name] == proof[name] for name in names)
    files = {each["key"]: each for each in (before or {}).get("files", ()) if is_same and each["key"] not in keys}
    uploads = {each["key"]: each for each in (before or {}).get("uploads", ()) if is_same}
    wrong = {each["key"]: each for each in (before or {}).get("wrong", ()) if is_same}
    md5s = {upload["key"]: upload["md5"] for upload in proof["uploads"]}
    places = {file["key"]: file["uploaded_key"] for file in proof["files"]}
    for uploaded_key, content in contents.items():
        whole = {"key": uploaded_key, "md5": md5s[uploaded_key]}
        for key in content.right:
            files[key] = {"key": key, "uploaded_key": places[key], "md5": md5s[places[key]]}
        if content.is_whole:
            uploads[uploaded_key] = whole
            wrong.pop(uploaded_key, None)
        elif content.findings:
            uploads.pop(uploaded_key, None)
        if any(finding.kind in ("changed", "lost") for finding in content.findings):
            wrong[uploaded_key] = whole
    return {
        "recid": proof["recid"],
        **{name: proof[name] for name in names},
        "files": [files[key] for key in sorted(files)],
        "uploads": [uploads[key] for key in sorted(uploads)],
        **({"wrong": [wrong[key] for key in sorted(wrong)]} if wrong else {}),
    }
