"""What an upload has left of itself, for the steps that go on with it: in data/<recid>, and where data/ may go away."""

from datetime import UTC, datetime
from pathlib import Path

from ferry.chain import UPLOAD_STEP
from ferry.deposit.given import GivenMetadata
from ferry.deposit.state import DepositState
from ferry.journal import tried_before
from ferry.receipts import GIVEN, UNANSWERED
from ferry.run.disk_budget import DEPOSIT


def load_state(*, recid: int, repository: str, data_dir: Path, record_dir: Path, journal: Path | None) -> DepositState:
    """Return it; where it is lost, whatever tells of an earlier attempt says that something may come of that yet.

    Args:
        recid, repository: that it is of.
        data_dir, record_dir: of the record.
        journal: of it too; None: all that the upload has asked has had its time.
    """
    given = GivenMetadata.load(record_dir / GIVEN, recid=recid, repository=repository)
    told = (_written(record_dir / name) for name in (GIVEN, "upload.json"))
    tried_at = (tried_before(journal, UPLOAD_STEP) or next((at for at in told if at), None)) if journal else None
    return DepositState.load(
        path=data_dir / DEPOSIT,
        beside=record_dir / UNANSWERED,
        recid=recid,
        repository=repository,
        arrived=given.files,
        tried_at=tried_at,
    )


def _written(path: Path) -> str | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="milliseconds")
    except OSError:
        return None
