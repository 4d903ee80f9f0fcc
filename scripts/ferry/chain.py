"""The chain of a record: its steps, what each needs and leaves, and what counts as done. All else asks this table."""

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One step of a record, which is one rule."""

    name: str
    """Of the rule, without a prefix that an importing workflow gives it."""
    receipt: str
    """results/<recid>/<receipt>.json says that the step is done."""
    needs: tuple[str, ...] = ()
    """The steps whose receipts it reads."""
    beside: tuple[str, ...] = ()
    """What else it leaves in results/<recid>, by the same kind of name."""
    noted: tuple[str, ...] = ()
    """What is noted of that later, by the same kind of name; it goes with the receipts, and no rule makes it."""
    seconds: str | None = None
    """Column of the stats that tells how long it took."""
    slots: str | None = None
    """Resource of the profile that bounds how many of it run at once."""
    asks_repository: bool = False

    @property
    def receipts(self) -> tuple[str, ...]:
        """All that it leaves in results/<recid>."""
        return (self.receipt, *self.beside)


CHAIN = (
    Step("read_record", "source", seconds="read_s"),
    Step("download_files", "download", ("read_record",), seconds="download_s", slots="download_slots"),
    Step("transform_record", "record", ("read_record",), beside=("mapping",), seconds="transform_s"),
    Step("package_files", "package", ("read_record", "download_files"), seconds="package_s", slots="zip_slots"),
    Step(
        "upload_record",
        "upload",
        ("transform_record", "package_files"),
        seconds="upload_s",
        slots="upload_slots",
        asks_repository=True,
    ),
    Step("publish_record", "published", ("upload_record",), seconds="publish_s", asks_repository=True),
    Step("record_stats", "stats", ("upload_record", "publish_record"), beside=("proof",), noted=("read_back",)),
)
"""In the order in which steps are told; transforming and downloading may overlap."""

BY_NAME = {step.name: step for step in CHAIN}
STEPS = tuple(BY_NAME)
LAST_STEP = CHAIN[-1].name
"""A record through this step is finished."""
READ_STEP, DOWNLOAD_STEP, PACKAGE_STEP, UPLOAD_STEP, PUBLISH_STEP = (
    "read_record",
    "download_files",
    "package_files",
    "upload_record",
    "publish_record",
)
FAILURE = "failure.json"
"""What became of a record that failed, in results/<recid>; no rule declares it. Gone once the record is ok."""

_AGAIN = "again"
"""Holds the names of the steps from which the next run has to do a record, a line each, in results/<recid>."""


def steps_of(*, publish: bool) -> list[str]:
    """Return the steps that a record goes through, publishing only where the configuration asks for it."""
    return [step for step in STEPS if publish or step != PUBLISH_STEP]


def steps_after(name: str) -> Iterator[Step]:
    """Yield each step that needs this one, by itself or by those between, in order."""
    reached = {name}
    for step in CHAIN:
        if not reached.isdisjoint(step.needs):
            reached.add(step.name)
            yield step


def step_that_makes(receipt: str) -> str | None:
    """Return the step that leaves this receipt, None if no step does."""
    return next((step.name for step in CHAIN if receipt in step.receipts), None)


def take_away_after(name: str, record_dir: Path) -> None:
    """Remove the receipts of the steps after one that begins: they tell of what is about to change.

    Snakemake makes them anew after it, if it gets that far. Otherwise they would stand for a state of the record that
    is gone, and as Snakemake looks at the last receipts only, it would find nothing to do.
    """
    for step in steps_after(name):
        _take_away(step, record_dir)


def take_away_from(name: str, record_dir: Path) -> None:
    """Remove the receipts of a step and of all that come after it."""
    take_away_after(name, record_dir)
    _take_away(BY_NAME[name], record_dir)


def _take_away(step: Step, record_dir: Path) -> None:
    for name in (*step.receipts, *step.noted):
        Path(record_dir, f"{name}.json").unlink(missing_ok=True)


def mark_again(name: str, record_dir: Path) -> None:
    """Note that the next run has to do this step of a record again: a later one has found that it needs it.

    Its receipts stay until the run ends: Snakemake gives up the whole run where an input is gone of a job that it tries
    once more.
    """
    with Path(record_dir, _AGAIN).open("a", encoding="ascii") as stream:
        stream.write(f"{name}\n")


def unmark(name: str, record_dir: Path) -> None:
    """Forget the mark of a step that begins: it is done again. A run that was killed may have left one."""
    marked = _marked(record_dir)
    if name in marked:
        left = (f"{other}\n" for other in marked if other != name)
        Path(record_dir, _AGAIN).write_text("".join(left), encoding="ascii")


def heed_marks(recids: Iterable[int], results_dir: Path, *, since_s: float = 0.0) -> None:
    """When a run ends, have the next one do again what a step has found that it needs.

    Args:
        recids: of the run.
        results_dir: where receipts lie.
        since_s: when the run began, by the clock of the disk. Marks of before are of a run that was killed: what is
            still wrong was marked again since.
    """
    for recid in recids:
        path = results_dir / str(recid) / _AGAIN
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < since_s:
                path.unlink()
            else:
                take_away_marked(path.parent)


def take_away_marked(record_dir: Path) -> list[str]:
    """Remove the receipts of the steps that are marked, and of what comes after each; return the steps in order."""
    marked = _marked(record_dir)
    for name in marked:
        take_away_from(name, record_dir)
    Path(record_dir, _AGAIN).unlink(missing_ok=True)
    return marked


def _marked(record_dir: Path) -> list[str]:
    try:
        noted = Path(record_dir, _AGAIN).read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [name for name in STEPS if name in noted]


def has_arrived(record_dir: Path, *, publish: bool) -> bool:
    """Tell whether a record is through: its stats say so, and with `publish` it went on from a draft."""
    try:
        stats = json.loads((record_dir / "stats.json").read_bytes())
        is_ok = stats["status"] == "ok" and str(stats.get("recid", record_dir.name)) == record_dir.name
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(is_ok) and (not publish or (record_dir / "published.json").exists())


def upload_slots(size_bytes: int, *, bytes_per_slot: int, max_slots: int) -> int:
    """Return the weight of an upload: one slot per `bytes_per_slot` begun, from 1 to `max_slots`."""
    return max(1, min(max_slots, -(-size_bytes // bytes_per_slot)))
