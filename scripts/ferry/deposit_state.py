"""What an upload remembers of itself between two attempts: never proof that a step is done, only where to look."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ferry.receipts import write_json


@dataclass(frozen=True)
class SentFile:
    """What was sent under a key, as computed while it was sent."""

    size_bytes: int
    adler32: str
    md5: str


@dataclass
class DepositState:
    """Lies in data/<recid>/deposit.json, written before and after everything that changes the repository."""

    path: Path
    repository: str
    record_id: str | None = None
    creating: bool = False
    """A draft was asked for and the answer is not known: search for it before asking again."""
    document_sha256: str | None = None
    """Of the metadata that the draft was last given."""
    sent: dict[str, SentFile] = field(default_factory=dict)

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
            return cls(path=path, sent=sent, **found)
        except (TypeError, KeyError, AttributeError):
            return state

    def save(self) -> None:
        """Write it to disk before going on."""
        document = asdict(self)
        del document["path"]
        write_json(self.path, document)
