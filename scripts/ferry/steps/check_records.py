"""What of the wanted records does not fit: receipts, proofs, their manifest and the bytes at hand."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ferry.chain import BY_NAME, FAILURE, LAST_STEP, PUBLISH_STEP, steps_of
from ferry.journal import Attempt
from ferry.receipts import file_digest
from ferry.report.evidence import Evidence, is_through, read_evidence, record_status
from ferry.report.misfits import is_further_than_receipts
from ferry.report.proof import MANIFEST, PROOF, manifest_text, read_manifest
from ferry.report.stats import STATS_DONE
from ferry.report.stats_row import stats_row
from ferry.report.table_digests import changed_tables
from ferry.run.settings_files import is_outdated
from ferry.steps.audit_checkpoint import CHECKPOINT, announced_proofs
from ferry.steps.check_bytes import check_bytes


@dataclass(frozen=True)
class Misfit:
    """A receipt, another file of a record, or a table of all of them, that does not fit."""

    recid: int | None
    """None: a table of all records."""
    step: str
    """The rule that makes it."""
    path: str
    problem: str


@dataclass(frozen=True)
class Scope:
    """What is looked at, and where it lies."""

    recids: Sequence[int]
    publish: bool
    """Whether records go on from a draft."""
    settings: Mapping[str, str]
    """Name of the present settings by part, as in results/settings."""
    reads_bytes: bool
    """The bytes at hand are read too (check.bytes)."""
    threads: int
    """That read."""
    logs_dir: Path
    results_dir: Path = Path("results")
    data_dir: Path = Path("data")


@dataclass
class Found:
    """What was found of all wanted records."""

    misfits: list[Misfit] = field(default_factory=list)
    wrong_files: list[Misfit] = field(default_factory=list)
    """Files that are no receipts: below data/, or the manifest."""
    tables: list[Misfit] = field(default_factory=list)
    """Tables, figures and pages of all records that are not as a run has left them."""
    unfinished: list[int] = field(default_factory=list)
    """Records that a plain run goes on with."""
    finished: list[int] = field(default_factory=list)
    """Records that have all their receipts."""
    outdated: int = 0
    """Records that were made with other settings than the present ones."""
    made_since: int = 0
    """Proofs that were made after the manifest."""
    failed: dict[int, str] = field(default_factory=dict)
    """Of the unfinished those whose last attempt failed: step and error."""
    strangers: list[Path] = field(default_factory=list)
    """Files below data/ of which no receipt knows."""
    counts: Counter[str] = field(default_factory=Counter)
    """Of source files and uploads: `files_read`, `bytes_read`, `files_away`, `undeclared`."""


def find_misfits(scope: Scope) -> Found:
    """Look at all of these records; nothing is changed and nobody is asked."""
    found = Found()
    manifest = _Manifest(scope.results_dir)
    with ThreadPoolExecutor(max_workers=scope.threads) as pool:
        for recid in scope.recids:
            record_dir, journal = scope.results_dir / str(recid), scope.logs_dir / str(recid) / "journal.jsonl"
            evidence = read_evidence(recid=recid, record_dir=record_dir, journal=journal)
            if misfits := list(_misfits(evidence, record_dir=record_dir, publish=scope.publish)):
                found.misfits += misfits
                continue
            if "stats" not in evidence.receipts:
                found.unfinished.append(recid)
                if (failure := _failure(record_dir)) is not None:
                    found.failed[recid] = failure
                continue
            found.finished.append(recid)
            found.outdated += is_outdated(evidence.receipts, scope.settings)
            proof = evidence.receipts["proof"]
            found.counts["undeclared"] += sum(file["verified"] in ("size", "none") for file in proof["files"])
            manifest.compare(recid, evidence.attempts, found)
            if scope.reads_bytes:
                uploads = evidence.receipts["package"]["uploads"]
                at_hand = check_bytes(proof, uploads, data_dir=scope.data_dir / str(recid), pool=pool)
                found.wrong_files += [
                    Misfit(recid, wrong.step, str(wrong.path), wrong.problem) for wrong in at_hand.wrong
                ]
                found.counts.update(
                    files_read=at_hand.files_read,
                    bytes_read=at_hand.bytes_read,
                    files_away=at_hand.files_away,
                )
                found.strangers += at_hand.strangers
    manifest.compare_others(scope.recids, found)
    found.tables = [Misfit(None, rule, str(path), problem) for rule, path, problem in changed_tables(scope.results_dir)]
    return found


def _failure(record_dir: Path) -> str | None:
    """Return in which step a record failed, and why; None if it did not, or nobody can tell."""
    try:
        row = json.loads((record_dir / FAILURE).read_bytes())
        return f"{row['step']}: {row['error']}"
    except (OSError, ValueError, KeyError, TypeError):
        return None


class _Manifest:
    """The manifest of all proofs, held against each."""

    def __init__(self, results_dir: Path) -> None:
        self._results_dir = results_dir
        self._path = results_dir / MANIFEST
        self._digests, text = read_manifest(self._path)
        self._is_there = self._path.exists()
        self._is_whole = manifest_text(self._digests) == text
        self._made_s = self._path.stat().st_mtime if self._is_there else 0.0
        self._announced = announced_proofs(results_dir / CHECKPOINT)

    def compare(self, recid: int, attempts: Sequence[Attempt], found: Found) -> None:
        """Note what does not fit of the proof of a record that is through."""
        name = f"{recid}/{PROOF}"
        digest = file_digest(self._results_dir / name)
        listed = self._digests.get(name)
        problem = None
        if not self._is_there:
            # only once the tables were made it must be there
            problem = "expected it beside the other tables, found no file"
            problem = problem if (self._results_dir / STATS_DONE).exists() else None
        elif listed == digest:
            problem = None if self._is_whole else "holds other lines than those of proofs"
        elif digest in self._announced or _made_after(self._made_s, digest, attempts):
            found.made_since += 1
        else:
            said = "no line" if listed is None else "another digest"
            problem = f"{said} of {name}, which was not made after it: one of the two was changed"
        # a line of its own that is wrong is told of each record, what is wrong with all of the manifest once
        is_of_all = not self._is_there or listed == digest
        if problem and not (is_of_all and any(each.path == str(self._path) for each in found.wrong_files)):
            found.wrong_files.append(Misfit(recid, LAST_STEP, str(self._path), problem))

    def compare_others(self, recids: Sequence[int], found: Found) -> None:
        """Note lines that are none of these records: each has to be of a proof that is there, as of a longer list."""
        compared = {f"{recid}/{PROOF}" for recid in recids}
        for name, listed in self._digests.items():
            if name in compared or (name and file_digest(self._results_dir / name) == listed):
                continue
            problem = f"has a line of {name!r}, of which there is no such proof: one of the two was changed"
            found.wrong_files.append(Misfit(recids[0] if recids else None, LAST_STEP, str(self._path), problem))


def _made_after(moment_s: float, digest: str, attempts: Sequence[Attempt]) -> bool:
    """Tell whether the journal says that the proof with this digest was made after a moment (seconds since 1970)."""
    last = next((attempt for attempt in reversed(attempts) if attempt.step == LAST_STEP), None)
    if last is None or last.made.get("proof") != digest or not last.ended_at:
        return False
    return datetime.fromisoformat(last.ended_at).timestamp() > moment_s


def _misfits(evidence: Evidence, *, record_dir: Path, publish: bool) -> Iterator[Misfit]:
    """Yield each receipt of a record that does not fit, in the order of the chain."""
    wanted = steps_of(publish=publish)
    names = [(step, name) for step in wanted for name in BY_NAME[step].receipts if name in evidence.wrong]
    for step, name in names:
        yield Misfit(evidence.recid, step, str(record_dir / f"{name}.json"), f"found {evidence.wrong[name].found}")
    last = BY_NAME[wanted[-1]].receipt
    if not names and "proof" in evidence.receipts and is_further_than_receipts(evidence.receipts):
        path = record_dir / f"{BY_NAME[PUBLISH_STEP].receipt}.json"
        yield Misfit(evidence.recid, PUBLISH_STEP, str(path), "no file, though the proof was made of it")
    elif not names and last in evidence.receipts:
        row, _ = stats_row(evidence, record_status(evidence, wanted))
        if not is_through(row):  # by its journal
            yield Misfit(evidence.recid, row["step"], str(record_dir / f"{last}.json"), row["error"])
