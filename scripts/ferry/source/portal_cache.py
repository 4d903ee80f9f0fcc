"""What the portal has said of records, kept as it came: each is asked for once, and again only on demand.

`metadata/cache/<recid>.answer` is one line of JSON (address, ETag, the portal's `updated`, SHA-256 of the answer) and
then the answer, byte for byte: it is read as one that has just come.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ferry.documents import read_document
from ferry.errors import MetadataError
from ferry.files import write_whole
from ferry.limits import Limits
from ferry.source.record import parse_record

log = logging.getLogger(__name__)

FOLDER = "cache"
"""In that of metadata."""
_MOST_HEAD_BYTES = 10_000
_LONGEST_ETAG = 1000


@dataclass(frozen=True)
class PortalAnswer:
    """What the portal says of a record."""

    url: str
    text: bytes
    document: dict[str, Any]
    etag: str | None

    @property
    def updated(self) -> str | None:
        """When the portal says that it has changed the record; None where it does not say."""
        value = self.document.get("updated")
        return value if isinstance(value, str) else None


@dataclass(frozen=True)
class PortalCache:
    """The folder of answers."""

    folder: Path
    folders: Sequence[str] = ()
    """Into which answers may be links (source.allow.folders)."""

    @classmethod
    def of(cls, metadata_dir: Path, folders: Sequence[str] = ()) -> "PortalCache":
        """Return that of a folder of metadata."""
        return cls(metadata_dir / FOLDER, folders)

    def path(self, recid: int) -> Path:
        """Return where the answer is kept."""
        return self.folder / f"{recid}.answer"

    def read(self, recid: int, *, url: str, limits: Limits) -> PortalAnswer | None:
        """Return what is kept of a record; None where nothing is, or it is of another portal, torn, or no answer."""
        path, most_bytes = self.path(recid), limits.record_bytes + _MOST_HEAD_BYTES
        try:
            kept = read_document(path, within=self.folder, folders=self.folders, most_bytes=most_bytes)
            head, _, text = kept.partition(b"\n")
            said = json.loads(head)
            if said["url"] == url and said["sha256"] == hashlib.sha256(text).hexdigest():
                return PortalAnswer(url, text, parse_record(text, url, limits), said["etag"])
            log.warning(
                "%s: expected what %s has answered, found another answer or a damaged one; asking again", path, url
            )
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, MetadataError) as error:
            log.warning("%s: expected an answer of the portal, found %s; asking again", path, type(error).__name__)
        return None

    def write(self, recid: int, answer: PortalAnswer) -> bool:
        """Keep an answer and tell whether it is; if not, that is told in the log too, and it is asked for again."""
        etag = answer.etag if answer.etag and len(answer.etag) < _LONGEST_ETAG else None
        digest = hashlib.sha256(answer.text).hexdigest()
        head = {"etag": etag, "sha256": digest, "updated": answer.updated, "url": answer.url}
        try:
            write_whole(self.path(recid), json.dumps(head).encode() + b"\n" + answer.text, shared=True, synced=False)
        except OSError as error:
            log.warning("%s: cannot be kept (%s): the portal is asked again", self.path(recid), error.strerror)
            return False
        return True

    def first_kept(self, recids: Iterable[int]) -> tuple[int, datetime] | None:
        """Return how many of these records are kept, and since when the first of them is; None where none is."""
        times = []
        for recid in recids:
            with suppress(FileNotFoundError):
                times.append(self.path(recid).stat().st_mtime)
        return (len(times), datetime.fromtimestamp(min(times), UTC)) if times else None

    def forget_changed(self, recid: int, *, updated: object) -> None:
        """Forget a record of which the portal's listing says that it was updated at another time than what is kept."""
        try:
            with self.path(recid).open("rb") as stream:
                kept = json.loads(stream.readline(_MOST_HEAD_BYTES))["updated"]
            if datetime.fromisoformat(kept) == datetime.fromisoformat(str(updated)):
                return
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError):
            if updated is None:
                return  # neither says when
        self.forget(recid)

    def forget(self, recid: int) -> None:
        """Have the record asked for again."""
        self.path(recid).unlink(missing_ok=True)
