"""What an upload remembers of itself between two attempts: never proof that a step is done, only where to look."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ferry.receipts import write_json


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
    repository: str
    record_id: str | None = None
    creating: bool = False
    """A draft was asked for and the answer is not known: search for it before asking again."""
    failed_creations: int = 0
    """How often a draft was asked for and the answer was 500: the repository may hold one that no search shows."""
    sent: dict[str, SentFile] = field(default_factory=dict)
    parts: dict[str, SentParts] = field(default_factory=dict)
    """Of files that are on their way, by key."""
    _unsaved: int = field(default=0, init=False, compare=False)

    @classmethod
    def load(cls, *, path: Path, repository: str) -> "DepositState":
        """Return what an earlier attempt left; nothing if it is torn or tells of another repository."""
        state = cls(path=path, repository=repository)
        try:
            found = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return state
        if not isinstance(found, dict) or found.get("repository") != repository:
            return state
        try:
            sent = {key: SentFile(**entry) for key, entry in found.pop("sent").items()}
            parts = {key: SentParts(**entry) for key, entry in found.pop("parts", {}).items()}
            found.pop("document_sha256", None)  # earlier releases kept it here
            return cls(path=path, sent=sent, parts=parts, **found)
        except (TypeError, KeyError, AttributeError):
            return state

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

    def found_record(self, record_id: str) -> None:
        """There is a record: none has to be made."""
        self.record_id, self.creating, self.failed_creations = record_id, False, 0
        self.save()

    def forget_record(self) -> None:
        """The record is gone, and all that was sent with it."""
        self.record_id = None
        self.sent, self.parts = {}, {}

    def begin_record(self, record_id: str) -> None:
        """Go on with another record, for the same files."""
        self.record_id, self.parts = record_id, {}
        self.save()
