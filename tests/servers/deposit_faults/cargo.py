"""Small records, and the way they are carried: as the steps upload and publish do it, in this process."""

import asyncio
import json
import logging
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferry.deposit.deposit import Deposit, DepositSettings
from ferry.deposit.publish import publish_record
from ferry.deposit.state import DepositState
from ferry.repository.client import Repository
from ferry.repository.discovery import discover
from ferry.repository.rate_limit import RateLimiter
from servers.raw_api import document, new_identifier

CHUNK = 1 << 16
CONTENTS = {"large.al": bytes(range(256)) * 1200, "deep/a b.txt": b"short", "empty": b""}
STALL_S = 1.5
"""Of a line on which something is to stall."""
PATIENT_S = 20.0
"""Elsewhere: a real server on a busy machine takes longer to announce 100 files, or to take twelve at once."""
HURRY = 0.02
"""Pauses are this much of what they are: nothing here depends on their length but the late index."""


@dataclass(frozen=True)
class Cargo:
    """One record to be carried."""

    contents: Mapping[str, bytes] = field(default_factory=lambda: dict(CONTENTS))
    identifier: str = field(default_factory=new_identifier)
    title: str = "A record of a test"
    recid: int = 1

    @property
    def document(self) -> dict[str, Any]:
        """The record's metadata, with the identifier by which it is found again."""
        made = document(title=self.title, identifiers=[{"identifier": self.identifier, "scheme": "url"}])
        return {**made, "files": {"enabled": bool(self.contents)}}

    @property
    def uploads(self) -> list[dict[str, Any]]:
        """What the receipt `package` says of the files."""
        return [
            {
                "key": key,
                "kind": "file",
                "path": f"files/{key}",
                "size_bytes": len(content),
                "adler32": f"{zlib.adler32(content):08x}",
                "members": [],
            }
            for key, content in self.contents.items()
        ]

    def chunks(self, upload: Mapping[str, Any], /, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Give a file's bytes piece by piece: all of them, or so many from an offset on."""
        content = self.contents[upload["key"]][offset : None if length is None else offset + length]
        for start in range(0, len(content), CHUNK):
            yield content[start : start + CHUNK]


@dataclass(frozen=True)
class Carried:
    """The receipts of one run over one record, and what it took."""

    upload: dict[str, Any]
    published: dict[str, Any] | None
    measured: dict[str, int]


async def hurried(seconds: float) -> None:
    """Wait a little where a pause is meant."""
    await asyncio.sleep(min(1.0, seconds * HURRY))


@dataclass
class Carrier:
    """One user's way to one repository; `folder` is what data/ is in a run."""

    url: str
    token: str
    info: Mapping[str, Any]
    folder: Path
    settings: DepositSettings = field(default_factory=lambda: DepositSettings(settle_s=60, checksum_wait_s=20))
    stall_s: float = PATIENT_S
    rate_limiter: RateLimiter | None = None
    """Shared with other carriers, as the jobs of a run share theirs."""

    def carry(self, cargo: Cargo, *, publish: bool = True) -> Carried:
        """Bring the record in; what an earlier call has left in the folder is used, as by a rerun."""
        return asyncio.run(self.carry_in_loop(cargo, publish=publish))

    async def carry_in_loop(self, cargo: Cargo, *, publish: bool = True) -> Carried:
        """Do the same in a loop that runs already."""
        async with self._repository() as repository:
            done = await Deposit(
                repository=repository,
                recid=cargo.recid,
                identifier=cargo.identifier,
                document=cargo.document,
                uploads=cargo.uploads,
                open_upload=cargo.chunks,
                state=DepositState.load(path=self.state_path(cargo), recid=cargo.recid, repository=repository.name),
                given_path=self.state_path(cargo).with_name("given.json"),
                settings=self.settings,
                sleep=hurried,
            ).run()
        published = await self._publish(cargo, done.receipt) if publish else None
        return Carried(done.receipt, published, done.measured)

    def publish(self, cargo: Cargo, uploaded: Mapping[str, Any]) -> dict[str, Any]:
        """Publish what was brought in before."""
        return asyncio.run(self._publish(cargo, uploaded))

    async def _publish(self, cargo: Cargo, uploaded: Mapping[str, Any]) -> dict[str, Any]:
        async with self._repository() as repository:
            done = await publish_record(
                repository=repository,
                uploaded=uploaded,
                document=cargo.document,
                given_path=self.state_path(cargo).with_name("given.json"),
                sleep=hurried,
            )
        return done.receipt

    def state_path(self, cargo: Cargo) -> Path:
        """Return where the upload of this record keeps its state."""
        return self.folder / cargo.identifier.rsplit("/", 1)[1] / "deposit.json"

    def _repository(self) -> Repository:
        return Repository(
            name="target",
            url=self.url,
            token=self.token,
            info=self.info,
            stall_s=self.stall_s,
            rate_limiter=self.rate_limiter,
        )


def discovered(url: str) -> dict[str, Any]:
    """Ask a repository what it is."""
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    return asyncio.run(discover(url=url, verify_tls=True))


def seen_through(info: Mapping[str, Any], *, server: str, proxy: str) -> dict[str, Any]:
    """Return the same with all addresses leading through a proxy."""
    seen: dict[str, Any] = json.loads(json.dumps(info).replace(server, proxy))
    return seen
