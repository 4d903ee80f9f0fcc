"""What an audit was told so far, results/audit.jsonl: one that is broken off goes on and asks nothing twice."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from ferry.deposit.audit import Finding
from ferry.jsonl import append, cut_torn_end, read_lines

CHECKPOINT = "audit.jsonl"
"""In results/, as long as an audit is not through."""
LONGEST_S = 86_400.0
"""One that has been told nothing for a day is begun anew: what it was told is old."""


@dataclass(frozen=True)
class Audited:
    """What was found of one record."""

    recid: int
    proof_sha256: str
    """Of its proof: one that was made anew since is asked again."""
    record_id: str
    record_url: str
    asked_at: str
    findings: Sequence[Finding] = ()
    read_back: int = 0
    """Files that were read back and are right."""


@dataclass
class Checkpoint:
    """What is known of the audit that goes on."""

    path: Path
    seed: int
    records: dict[int, Audited] = field(default_factory=dict)
    pages: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """What pages of one's own records told, by how they were asked for."""

    @classmethod
    def begin(cls, path: Path, *, of: Mapping[str, Any], seed: int) -> Self:
        """Go on with the audit that was broken off, or begin one.

        Args:
            path: of the file.
            of: what decides what an audit asks: one of something else is begun anew.
            seed: of the sample that is read back; one that goes on keeps its own.
        """
        cut_torn_end(path)
        lines = list(read_lines(path))
        is_recent = bool(lines) and time.time() - path.stat().st_mtime < LONGEST_S
        if not is_recent or lines[0].get("of") != of or not isinstance(lines[0].get("seed"), int):
            written = sorted(announced_proofs(path))
            path.unlink(missing_ok=True)
            append(path, {"of": of, "seed": seed}, *({"proof": digest} for digest in written))
            return cls(path, seed)
        going_on = cls(path, lines[0]["seed"])
        for line in lines[1:]:
            if "recid" in line:
                line["findings"] = [Finding(**finding) for finding in line["findings"]]
                going_on.records[line["recid"]] = Audited(**line)
            elif "page" in line:
                going_on.pages[line["page"]] = line["told"]
        return going_on

    def told_record(self, audited: Audited) -> None:
        """Note what was told of a record."""
        self.records[audited.recid] = audited
        append(self.path, asdict(audited))

    def announce(self, proof_sha256: str) -> None:
        """Note the digest of a proof that is about to be written: the manifest has it once the audit is through."""
        append(self.path, {"proof": proof_sha256})

    def told_page(self, page: str, told: Mapping[str, Any]) -> None:
        """Note what a page told."""
        self.pages[page] = told
        append(self.path, {"page": page, "told": told})

    def end(self) -> None:
        """The audit is through."""
        self.path.unlink(missing_ok=True)


def announced_proofs(path: Path) -> set[str]:
    """Return the digests of all proofs that an audit which is not through has written."""
    return {str(line["proof"]) for line in read_lines(path) if "proof" in line}
