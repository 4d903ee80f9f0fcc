"""The manifest goes up last, says what the repository confirmed, and is made again only when something changed."""

import asyncio
import hashlib
import json

import pytest
from packed_records import many, run_package, write_files

from ferry.bundle.reader import read_chunks
from ferry.deposit.deposit import Deposit, DepositSettings
from ferry.deposit.manifest import Manifest
from ferry.deposit.state import DepositState
from ferry.errors import TransientError
from ferry.identity import record_url, source_identifier
from ferry.receipts import read_receipt
from ferry.repository.client import Repository
from ferry.repository.discovery import discover
from sandbox import launcher
from servers.depositing import publish

RECID = 7
KEYS = ["7.json", "7_bundle.zip", "7_manifest.json"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    started = launcher.start(tmp_path_factory.mktemp("repository"))
    yield started
    started.stop()


@pytest.fixture
def source(sandbox):
    """The identifier under which a test's own record is found."""
    return source_identifier(len(posts(sandbox)) + 1000)


def posts(sandbox):
    path = sandbox.directory / "requests.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def document(source):
    metadata = {
        "title": "A record",
        "resource_type": {"id": "dataset"},
        "publication_date": "2024",
        "publisher": "CERN Open Data Portal",
        "creators": [{"person_or_org": {"type": "organizational", "name": "DELPHI Collaboration"}}],
        "identifiers": [source],
    }
    return {"metadata": metadata, "access": {"record": "public", "files": "public"}, "files": {"enabled": True}}


def act(sandbox, action):
    async def opened():
        info = await discover(url=sandbox.url, verify_tls=True)
        async with Repository(name="sandbox", url=sandbox.url, token=sandbox.token, info=info) as repository:
            return await action(repository)

    return asyncio.run(opened())


def deposit(sandbox, data_dir, source, *, spoil=None):
    uploads = run_package(data_dir, max_files=2, attachments=frozenset({"source", "manifest"}))

    downloaded = read_receipt(data_dir / "download.json", "download", recid=RECID)["files"]

    async def run(repository):
        if spoil:
            spoil(repository)
        return await Deposit(
            repository=repository,
            recid=RECID,
            identifier=source["identifier"],
            document=document(source),
            uploads=uploads,
            open_upload=lambda entry: read_chunks(entry, data_dir=data_dir),
            manifest=Manifest(
                recid=RECID, source=record_url(RECID), uploads=uploads, downloaded=downloaded, data_dir=data_dir
            ),
            state=DepositState.load(path=data_dir / "deposit.json", recid=RECID, repository=repository.name),
            settings=DepositSettings(settle_s=2, attempts=2),
            sleep=lambda seconds: asyncio.sleep(min(seconds, 0.05)),
        ).run()

    return act(sandbox, run)


def md5s(done):
    return next(file["member_md5s"] for file in done.receipt["files"] if file["key"] == "7_bundle.zip")


def test_the_manifest_goes_up_last_and_a_second_attempt_sends_nothing(sandbox, source, tmp_path):
    contents = many(5)
    write_files(tmp_path, contents)
    start = len(posts(sandbox))
    done = deposit(sandbox, tmp_path, source)
    sent = [post["path"].split("/")[-2] for post in posts(sandbox)[start:] if post["path"].endswith("/content")]
    assert sent[-1] == "7_manifest.json"
    assert [file["key"] for file in done.receipt["files"]] == KEYS
    assert md5s(done) == {key: hashlib.md5(data).hexdigest() for key, data in contents.items()}
    start = len(posts(sandbox))
    again = deposit(sandbox, tmp_path, source)
    assert again.receipt == done.receipt
    assert {post["method"] for post in posts(sandbox)[start:]} == {"GET"}


def test_without_its_state_an_attempt_reads_the_bundle_again_and_sends_nothing(sandbox, source, tmp_path):
    write_files(tmp_path, many(5))
    done = deposit(sandbox, tmp_path, source)
    (tmp_path / "deposit.json").unlink()
    asyncio.run(asyncio.sleep(1.2))  # the index shows new drafts late
    again = deposit(sandbox, tmp_path, source)
    assert (again.receipt, again.measured["files_moved"]) == (done.receipt, 0)


def test_a_manifest_that_could_not_be_sent_is_sent_by_the_next_attempt_alone(sandbox, source, tmp_path):
    write_files(tmp_path, many(5))

    def spoil(repository):
        send = repository.send_content

        async def refuse_manifest(entry, body, size_bytes):
            if entry.key == "7_manifest.json":
                raise TransientError("connection reset")
            await send(entry, body, size_bytes)

        repository.send_content = refuse_manifest

    with pytest.raises(TransientError, match="connection reset"):
        deposit(sandbox, tmp_path, source, spoil=spoil)
    done = deposit(sandbox, tmp_path, source)
    assert (done.measured["files_moved"], [file["key"] for file in done.receipt["files"]]) == (1, KEYS)


def test_a_file_that_changed_changes_the_manifest(sandbox, source, tmp_path):
    contents = many(5)
    write_files(tmp_path, contents)
    first = deposit(sandbox, tmp_path, source)
    key = min(contents)
    write_files(tmp_path, {**contents, key: b"other bytes"})
    second = deposit(sandbox, tmp_path, source)
    assert second.measured["files_moved"] == 2  # the bundle and the manifest
    assert (md5s(first)[key], md5s(second)[key]) == tuple(
        hashlib.md5(data).hexdigest() for data in (contents[key], b"other bytes")
    )


def test_a_published_record_is_accepted_with_its_manifest(sandbox, source, tmp_path):
    write_files(tmp_path, many(5))
    done = deposit(sandbox, tmp_path, source)
    publish(sandbox, done.receipt, doc=document(source))
    (tmp_path / "deposit.json").unlink()
    asyncio.run(asyncio.sleep(1.2))
    again = deposit(sandbox, tmp_path, source)
    assert again.receipt["files"] == done.receipt["files"]
    assert again.measured["files_moved"] == 0
