"""The last step of a record, `record_stats`: what became of it, and what may go of its bytes."""

from collections.abc import Collection
from pathlib import Path

from ferry.chain import FAILURE, mark_again
from ferry.deposit.review_state import ask_again
from ferry.errors import IntegrityError
from ferry.receipts import write_receipt
from ferry.report.evidence import is_through, read_evidence
from ferry.report.proof import PROOF, proof_of
from ferry.report.stats import record_stats
from ferry.report.stats_log import STATS_LOG, tell_row
from ferry.steps.drop import drop


def finish_record(
    *, recid: int, record_dir: Path, data_dir: Path, journal: Path, publish: bool, remove: Collection[str], path: Path
) -> dict[str, int]:
    """Write the receipts `proof` and `stats` of a record that is through, and remove of its bytes what is named.

    A record is through that is ok, or left out as the configuration says.

    Args:
        recid: of the record.
        record_dir, data_dir: results/<recid> and data/<recid>.
        journal: of the record.
        publish: whether it goes on from a draft.
        remove: of its bytes: `bundles`, `files` or both.
        path: where the receipt `stats` goes; `proof` goes beside it.

    Returns:
        What was measured: bytes_freed.

    Raises:
        IntegrityError: a receipt is lost, torn or of another state of the record than the others. The next run makes
            it anew, with all that was made of it.
    """
    evidence = read_evidence(recid=recid, record_dir=record_dir, journal=journal)
    row = record_stats(evidence, publish=publish)
    if not is_through(row):
        mark_again(row["step"], record_dir)
        raise IntegrityError(
            f"record {recid}: expected receipts of each step, found {row['step']} not done: {row['error']}"
        )
    write_receipt(path.with_name(PROOF), "proof", proof_of(evidence.receipts))
    # after its proof is written; before the stats, which tell that it was done
    freed = drop(recid=recid, record_dir=record_dir, data_dir=data_dir, remove=remove)
    if row["state"] == "in_review":
        ask_again(recid, record_dir)
    write_receipt(path, "stats", row)
    (record_dir / FAILURE).unlink(missing_ok=True)
    tell_row(row, record_dir.parent / STATS_LOG.name)
    return {"bytes_freed": freed}
