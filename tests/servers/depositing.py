"""A deposit against the sandbox over HTTP, for tests: one record, its uploads, and what the repository was asked."""

import asyncio
import json
import random
import zlib

from ferry.deposit.deposit import Deposit
from ferry.deposit.publish import publish_record
from ferry.deposit.settings import DepositSettings
from ferry.deposit.state import DepositState
from ferry.identity import source_identifier
from ferry.repository.client import Repository
from ferry.repository.discovery import discover

RECID = 80505
IDENTIFIER = source_identifier(RECID)["identifier"]


def own_recid():
    """Return a recid that no other test has, for a repository that is shared and kept."""
    return random.SystemRandom().randrange(10**8, 10**9)


def document(title="A manual", files_enabled=True, recid=RECID):
    metadata = {
        "title": title,
        "resource_type": {"id": "dataset"},
        "publication_date": "2024",
        "publisher": "CERN Open Data Portal",
        "creators": [{"person_or_org": {"type": "organizational", "name": "DELPHI Collaboration"}}],
        "identifiers": [source_identifier(recid)],
    }
    return {
        "metadata": metadata,
        "access": {"record": "public", "files": "public"},
        "files": {"enabled": files_enabled},
    }


def uploads(contents):
    return [
        {
            "key": key,
            "kind": "file",
            "path": f"files/{key}",
            "size_bytes": len(data),
            "adler32": f"{zlib.adler32(data):08x}",
            "crc32": f"{zlib.crc32(data):08x}",
            "members": [],
        }
        for key, data in contents.items()
    ]


CONTENTS = {"a.al": b"first" * 1000, "deep/b 1.pdf": b"%PDF" + b"x" * 500, "empty.txt": b""}


def reading(contents):
    def open_upload(upload, /, *, offset=0, length=None):
        data = contents[upload["key"]]
        return iter([data[offset:] if length is None else data[offset : offset + length]])

    return open_upload


def act(sandbox, action, *, token=None, **options):
    """Run `action(repository)` with a repository opened on the sandbox."""

    async def opened():
        info = await discover(url=sandbox.url, verify_tls=True)
        async with Repository(
            name="sandbox", url=sandbox.url, token=token or sandbox.token, info=info, **options
        ) as repository:
            return await action(repository)

    return asyncio.run(opened())


def deposit(
    sandbox, tmp_path, *, contents=CONTENTS, read=None, doc=None, settings=None, token=None, spoil=None, packed=None,
    open_upload=None, recid=RECID, manifest=None, **options
):  # fmt: skip
    """Deposit these contents, or what was packed, read by `open_upload`."""

    async def run(repository):
        if spoil is not None:
            spoil(repository)
        waits = []

        async def sleep(seconds):
            waits.append(seconds)
            await asyncio.sleep(min(seconds, 0.05))

        return await Deposit(
            repository=repository,
            recid=recid,
            identifier=source_identifier(recid)["identifier"],
            document=doc or document(files_enabled=bool(contents), recid=recid),
            uploads=packed or uploads(contents),
            open_upload=open_upload or reading(read or contents),
            manifest=manifest,
            state=DepositState.load(path=tmp_path / "data" / "deposit.json", recid=recid, repository=repository.name),
            given_path=tmp_path / "given.json",
            settings=settings or DepositSettings(settle_s=2),
            sleep=sleep,
        ).run()

    return act(sandbox, run, token=token, **options)


def publish(sandbox, uploaded, *, doc=None, **options):
    """Publish what was deposited of the usual document, or of another."""
    given = doc or document(files_enabled=bool(uploaded["files"]), recid=uploaded["recid"])

    async def run(repository):
        return await publish_record(repository=repository, uploaded=uploaded, document=given, **options)

    return act(sandbox, run)


def requests(sandbox, start=0):
    lines = (sandbox.directory / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines][start:]


def creations(sandbox):
    asked = [(request["method"], request["path"].split("?")[0]) for request in requests(sandbox)]
    return asked.count(("POST", "/api/records"))
