"""What an upload remembers of itself between two attempts: never proof that a step is done, only where to look."""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ferry.receipts import write_json
from ferry.repository.traffic import RequestStats

Asked = Literal["creation", "files", "upload"]
"""What was asked for: a new draft, a change of a draft's files, or all of an upload that has left nothing here."""


@dataclass(frozen=True)
class SentFile:
    """What was sent under a key, as computed while it was sent."""

    size_bytes: int
    adler32: str
    md5: str
    member_md5s: Mapping[str, str] = field(default_factory=dict)
    """Of a bundle: key -> MD5."""


@dataclass
class SentParts:
    """Which parts of a file have arrived."""

    size_bytes: int
    adler32: str
    part_bytes: int
    created: str | None
    """When the repository made the entry: one that was made anew has no parts."""
    done: list[int] = field(default_factory=list)
    """Numbers of the parts that were answered as received."""


@dataclass
class DepositState:
    """Lies in data/<recid>/deposit.json, written before and after everything that changes the repository."""

    path: Path
    recid: int
    repository: str
    record_id: str | None = None
    unknown: dict[str, str] = field(default_factory=dict)
    """What was asked for -> when it was last, of what may be done though nobody has said so, or may be done yet. A
    creation stays here when a draft has been found or made: it may make one more."""
    failed_creations: int = 0
    """How often a draft was asked for and the answer was 500: the repository may hold one that no search shows."""
    sent: dict[str, SentFile] = field(default_factory=dict)
    parts: dict[str, SentParts] = field(default_factory=dict)
    """Of files that are on their way, by key."""
    _unsaved: int = field(default=0, init=False, compare=False)

    @classmethod
    def load(cls, *, path: Path, recid: int, repository: str, tried_at: str | None = None) -> "DepositState":
        """Return what an earlier attempt left; nothing if it is torn, or of another record or repository.

        Args:
            path: where it lies.
            recid, repository: that it is of.
            tried_at: when an upload of the record was last tried: with nothing left of it, there may be a draft.
        """
        state = cls(path=path, recid=recid, repository=repository, unknown={"upload": tried_at} if tried_at else {})
        try:
            found = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return state
        if not isinstance(found, dict) or (found.get("recid"), found.get("repository")) != (recid, repository):
            return state
        try:
            sent = {key: SentFile(**entry) for key, entry in found.pop("sent").items()}
            parts = {key: SentParts(**entry) for key, entry in found.pop("parts", {}).items()}
            found.pop("document_sha256", None)  # earlier releases kept it here
            left = cls(path=path, sent=sent, parts=parts, **found)
            left.may_come_until(0.0)
        except (TypeError, KeyError, ValueError, AttributeError):
            return state
        return left

    def save(self) -> None:
        """Write it to disk before going on."""
        document = asdict(self)
        del document["path"], document["_unsaved"]
        write_json(self.path, document)
        self._unsaved = 0

    def remember_sent(self, key: str, sent: SentFile) -> None:
        """Take down what was sent; written to disk now and then, because what is lost of it is only computed again."""
        self.sent[key] = sent
        self._unsaved += 1
        if self._unsaved > len(self.sent) // 8:
            self.save()

    def flush(self) -> None:
        """Write what is not on disk yet."""
        if self._unsaved:
            self.save()

    @contextlib.contextmanager
    def asking(self, what: Asked, traffic: RequestStats) -> Iterator[None]:
        """Ask the repository for a change: that stays written down as long as nobody has said what came of it."""
        before, asked = self.unknown.get(what), traffic.unknown
        self._note(what, _now())
        try:
            yield
        finally:
            self._note(what, before if traffic.unknown == asked else _now())

    def may_come_until(self, settle_s: float, *what: Asked) -> float:
        """Return until when, in seconds since 1970, something may come of what was asked; 0 if nothing can.

        Args:
            settle_s: how late it may be, at most.
            what: of what was asked for; by default of all of it.
        """
        asked = [at for name, at in self.unknown.items() if name in (what or self.unknown)]
        return max((datetime.fromisoformat(at).timestamp() + settle_s for at in asked), default=0.0)

    def forget_unknown(self, what: Asked) -> None:
        """What was asked for has had its time, and what came of it was read."""
        if what in self.unknown:
            self._note(what, None)

    def _note(self, what: Asked, at: str | None) -> None:
        if at is None:
            self.unknown.pop(what, None)
        else:
            self.unknown[what] = at
        self.save()

    def found_record(self, record_id: str) -> None:
        """There is a record: none has to be made."""
        self.record_id, self.failed_creations = record_id, 0
        self.unknown.pop("upload", None)
        self.save()

    def forget_record(self) -> None:
        """The record is gone, and all that was sent with it."""
        self.record_id = None
        self.sent, self.parts = {}, {}

    def begin_record(self, record_id: str) -> None:
        """Go on with another record, for the same files."""
        self.record_id, self.parts = record_id, {}
        self.save()


def told_unanswered(path: Path) -> str:
    """Return what of an upload was asked for and answered by nobody, and when, as its state has it; "" if nothing."""
    try:
        unknown = json.loads(path.read_bytes())["unknown"].items()
        return " and ".join(f"{what}, last at {at}" for what, at in sorted(unknown))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
