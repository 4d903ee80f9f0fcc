"""What an upload remembers of itself between two attempts: never proof that a step is done, only where to look."""

import contextlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ferry.receipts import digest, sealed, take_seal, write_json
from ferry.repository.traffic import RequestStats

Asked = Literal["creation", "edit", "files", "upload"]
"""What was asked for: a new draft, a draft of what is public (an edit, a next version), a change of a draft's files, or
all of an upload that has left nothing here."""

_SAVED_EVERY_S = 1.0
"""How much of what only has to be computed again a kill may cost: each time it is written, all requests wait."""
_BEGUN_TOGETHER = 16
"""So many entries are written down as begun at once, or an eighth of all: one by one would cost more than a kill."""
_KEPT = (
    "recid",
    "repository",
    "record_id",
    "unknown",
    "failed_creations",
    "sent",
    "parts",
    "announced",
    "begun",
    "doubted",
    "made_at",
    "proved",
)


@dataclass(frozen=True)
class SentFile:
    """What was sent under a key, as computed while it was sent."""

    size_bytes: int
    adler32: str
    md5: str
    member_md5s: Mapping[str, str] = field(default_factory=dict)
    """Of a bundle: key -> MD5."""
    content: str = ""
    """What tells its bytes from others (`LocalFile.content`); "" of another release, which is like no other's."""


@dataclass
class SentParts:
    """Which parts of a file have arrived."""

    content: str
    """What tells the bytes of the file from others (`LocalFile.content`)."""
    part_bytes: int
    created: str | None
    """When the repository made the entry: one that was made anew has no parts."""
    done: list[int] = field(default_factory=list)
    """Numbers of the parts that were answered as received."""


@dataclass
class DepositState:
    """Lies in data/<recid>/deposit.json, written before and after everything that changes the repository.

    What nobody has answered lies in results/<recid>/unanswered.json too, as data/ may go away. Each has a digest of
    itself.
    """

    path: Path
    recid: int
    repository: str
    record_id: str | None = None
    unknown: dict[str, str] = field(default_factory=dict)
    """What was asked for -> when it was last, of what may be done though nobody has said so, or may be done yet. What
    makes drafts stays here when one has been found or made: it may make one more."""
    failed_creations: int = 0
    """How often a draft was asked for and the answer was 500: the repository may hold one that no search shows."""
    sent: dict[str, SentFile] = field(default_factory=dict)
    parts: dict[str, SentParts] = field(default_factory=dict)
    """Of files that are on their way, by key."""
    announced: dict[str, str] = field(default_factory=dict)
    """Key -> when the repository made the entry, of entries to which nothing was sent since they were announced."""
    begun: list[str] = field(default_factory=list)
    """Keys that were announced from here, to this draft or one before it, and are not in `sent`: what lies under them
    is ours."""
    doubted: list[str] = field(default_factory=list)
    """Keys under which wrong bytes were read back, whatever the repository tells of them, until they are deleted."""
    made_at: str | None = None
    """When the draft was made from here; None if it was found."""
    proved: dict[str, str] = field(default_factory=dict)
    """Which upload read the draft back last, and when: `run`, `at`, and the digest of its receipt, `sha256`."""
    beside: Path | None = None
    """Where `unknown` is written too; None: nowhere."""
    _written: dict[str, str] = field(default_factory=dict, init=False, compare=False)
    """What of `unknown` lies beside."""
    _unsaved: int = field(default=0, init=False, compare=False)
    _saved_at: float = field(default=0.0, init=False, compare=False)

    @classmethod
    def load(
        cls,
        *,
        path: Path,
        recid: int,
        repository: str,
        tried_at: str | None = None,
        arrived: Iterable[Mapping[str, Any]] = (),
        beside: Path | None = None,
    ) -> "DepositState":
        """Return what an earlier attempt left; nothing if it is torn, edited, or of another record or repository.

        Args:
            path: where it lies.
            recid, repository: that it is of.
            tried_at: when an upload of the record was last tried: with nothing left of it, there may be a draft, and
                something may come of it yet.
            arrived: files that the record held when it was uploaded last, for where nothing is left of that.
            beside: where what nobody has answered lies too.
        """
        state = cls._left(path, recid, repository)
        if state is None:
            state = cls(path=path, recid=recid, repository=repository, unknown={"upload": tried_at} if tried_at else {})
            state.sent = {file["key"]: SentFile(**{n: v for n, v in file.items() if n != "key"}) for file in arrived}
        state.beside = beside
        written = _sealed(beside, recid, repository) if beside else None
        if written is not None:
            state._written = written["unknown"]
            for what, at in state._written.items():
                state._note_later(what, at)
        return state

    @classmethod
    def _left(cls, path: Path, recid: int, repository: str) -> "DepositState | None":
        found = _sealed(path, recid, repository)
        if found is None:
            return None
        try:
            sent = {key: SentFile(**entry) for key, entry in found.pop("sent").items()}
            parts = {key: SentParts(**entry) for key, entry in found.pop("parts").items()}
            return cls(path=path, sent=sent, parts=parts, **found)
        except (TypeError, KeyError, AttributeError):
            return None  # of another release

    def save(self) -> None:
        """Write it to disk before going on."""
        self._save_beside()
        document = {name: getattr(self, name) for name in _KEPT}
        document["sent"] = {key: vars(sent) for key, sent in self.sent.items()}
        document["parts"] = {key: vars(parts) for key, parts in self.parts.items()}
        _write_sealed(self.path, document)
        self._unsaved, self._saved_at = 0, time.monotonic()

    def _save_beside(self) -> None:
        if self.beside is None or self.unknown == self._written:
            return
        if self.unknown:
            _write_sealed(
                self.beside, {"recid": self.recid, "repository": self.repository, "unknown": dict(self.unknown)}
            )
        else:
            self.beside.unlink(missing_ok=True)
        self._written = dict(self.unknown)

    @property
    def own_keys(self) -> frozenset[str]:
        """Keys under which nothing lies that is not from here."""
        return frozenset([*self.sent, *self.parts, *self.begun])

    def begin_keys(self, keys: Iterable[str]) -> None:
        """Take down which keys are about to be announced; written to disk with what is asked for next."""
        self.begun = sorted({*self.begun, *keys}.difference(self.sent))

    def remember_sent(self, key: str, sent: SentFile) -> None:
        """Take down what was sent; written to disk now and then, because what is lost of it is only computed again."""
        self.sent[key] = sent
        self._unsaved += 1
        if time.monotonic() - self._saved_at >= _SAVED_EVERY_S:
            self.save()

    def note_announced(self, created: Mapping[str, str | None]) -> None:
        """Take down which entries were made, and when: nothing is sent to them before `begin_sending`."""
        self.announced |= {key: at for key, at in created.items() if at is not None}

    def doubt(self, keys: Iterable[str]) -> None:
        """Write down that wrong bytes were read back under these keys: they are to be deleted and sent again."""
        self.doubted = sorted({*self.doubted, *keys})
        self.save()

    def deleted(self, key: str) -> None:
        """Nothing lies under this key any more."""
        self.parts.pop(key, None)
        self.announced.pop(key, None)
        if key in self.doubted:
            self.doubted.remove(key)
            self.save()

    def begin_sending(self, keys: Sequence[str]) -> None:
        """Write down that something may be sent to the first of these entries, and soon to those after it."""
        if keys[0] not in self.announced:
            return
        for key in keys[: max(_BEGUN_TOGETHER, len(self.announced) // 8)]:
            self.announced.pop(key, None)
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

    def _note_later(self, what: str, at: str) -> None:
        self.unknown[what] = max(at, self.unknown.get(what, at), key=datetime.fromisoformat)

    def _note(self, what: Asked, at: str | None) -> None:
        if at is None:
            self.unknown.pop(what, None)
        else:
            self.unknown[what] = at
        self.save()

    def found_record(self, record_id: str) -> None:
        """There is a record: none has to be made."""
        self.record_id, self.failed_creations = record_id, 0
        at = self.unknown.pop("upload", None)
        if at is not None:  # what was asked for then is lost: it may make one more, or take a file away
            for what in ("creation", "edit", "files"):
                self._note_later(what, at)
        self.save()

    def made_record(self, record_id: str) -> None:
        """A draft was made."""
        self.made_at = _now()
        self.found_record(record_id)

    def made_s_ago(self, record_id: str) -> float | None:
        """Return how many seconds ago the draft of this id was made from here; None if it was not."""
        if self.made_at is None or record_id != self.record_id:
            return None
        return time.time() - datetime.fromisoformat(self.made_at).timestamp()

    def note_proved(self, receipt: Mapping[str, Any], *, run_id: str) -> None:
        """Take down that the draft was read back, and holds what the receipt says."""
        self.proved = {"run": run_id, "at": _now(), "sha256": digest(receipt)}
        self._unsaved += 1

    def is_just_proved(self, receipt: Mapping[str, Any], *, run_id: str, within_s: float) -> bool:
        """Tell whether the draft was read back as the receipt says, in this run and so many seconds ago at most."""
        if self.unknown or (self.proved.get("run"), self.proved.get("sha256")) != (run_id, digest(receipt)):
            return False
        return 0 <= time.time() - datetime.fromisoformat(self.proved["at"]).timestamp() <= within_s

    def forget_record(self) -> None:
        """The record is gone, and all that was sent with it; a version before it may hold files of the same keys."""
        self.begun = sorted(self.own_keys)
        self.record_id, self.made_at = None, None
        self.sent, self.parts, self.announced, self.doubted = {}, {}, {}, []

    def look_again(self) -> None:
        """There are several records: which of them is the right one is to be found out once more."""
        self.record_id = None
        self.save()

    def begin_record(self, record_id: str) -> None:
        """Go on with another record, for the same files."""
        self.record_id, self.made_at, self.parts, self.announced = record_id, _now(), {}, {}
        self.save()


def told_unanswered(*paths: Path) -> str:
    """Return what of an upload was asked for and answered by nobody, and when; "" if nothing.

    Args:
        paths: its state, and what lies beside of it.
    """
    unknown: dict[str, str] = {}
    for path in paths:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            unknown |= json.loads(path.read_bytes())["unknown"].items()
    return " and ".join(f"{what}, last at {at}" for what, at in sorted(unknown.items()))


def forget_failed_creations(path: Path) -> bool:
    """Forget how often the creation of a draft was answered by 500; return whether it ever was.

    Args:
        path: the state of an upload.
    """
    state = None
    with contextlib.suppress(OSError):
        state = _whole(path)
    if state is None or not state.get("failed_creations"):
        return False
    _write_sealed(path, state | {"failed_creations": 0})
    return True


def _write_sealed(path: Path, document: dict[str, Any]) -> None:
    write_json(path, sealed(document))


def _sealed(path: Path, recid: int, repository: str) -> dict[str, Any] | None:
    """Return what was written there; None if it is gone, torn, edited, or of another record or repository."""
    found = _whole(path)
    is_of_it = found is not None and (found.get("recid"), found.get("repository")) == (recid, repository)
    return found if is_of_it else None


def _whole(path: Path) -> dict[str, Any] | None:
    """Return what was written there, without its seal; None if it is gone, torn or edited."""
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found if take_seal(found) else None
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
