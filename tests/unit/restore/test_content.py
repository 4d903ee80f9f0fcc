"""Content comes from the repository, or from where it leads to in public; bundles are unpacked as they come."""

import asyncio
import contextlib
import hashlib
import io
import os
import re
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from loopback import serving
from packed_records import RECID, many, run_package, write_files
from yarl import URL

from ferry.errors import IntegrityError, PermanentError, TransientError
from ferry.repository.models import RemoteFile
from ferry.restore.content import MOST_TEXT_BYTES, ContentReader
from ferry.restore.record import RecordRestore, RestoreSettings
from ferry.restore.statements import StatedFile, Statement, by_listing
from ferry.source.allowed import ForbiddenSourceError

_PIECE_BYTES = 1 << 16


class Server(ThreadingHTTPServer):
    """Gives the content of files, as its attributes say."""

    daemon_threads = True
    gives_parts = True
    cut_after = 0
    """Length after which a connection is closed, once."""
    busy = 0
    """How many requests are answered 429 first."""
    location = ""
    bytes_per_s: float | None = None
    """Of each connection."""

    def __init__(self):
        self.sent_bytes = 0
        self.content = {}
        self.asked = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, key, data):
        self.content[f"/{key}"] = data
        url = URL(f"{self.url}/{key}")
        return RemoteFile(key, "completed", len(data), hashlib.md5(data).hexdigest(), url, None, url)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted, self.headers.get("Authorization"), self.headers.get("User-Agent")))
        if self.server.busy:
            self.server.busy -= 1
            self.send_response(429)
            self.send_header("Retry-After", "7")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.server.location:
            self.send_response(302)
            self.send_header("Location", self.server.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = self.server.content[self.path]
        start = int(re.match(r"bytes=(\d+)-", wanted)[1]) if wanted and self.server.gives_parts else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        cut, self.server.cut_after = self.server.cut_after, 0
        body = memoryview(data)[start : start + cut] if cut else memoryview(data)[start:]
        with contextlib.suppress(OSError):  # whoever has what was wanted reads no further
            while body:
                self.wfile.write(body[:_PIECE_BYTES])
                self.server.sent_bytes += len(body[:_PIECE_BYTES])
                body = body[_PIECE_BYTES:]
                if self.server.bytes_per_s is not None:
                    time.sleep(_PIECE_BYTES / self.server.bytes_per_s)

    def log_message(self, *args):
        """Say nothing."""


class Asked:
    """What a reader needs of a repository."""

    def __init__(self, url):
        self.url, self.turns, self.told = url, 0, []

    async def take_turn(self):
        self.turns += 1

    def slow_down(self, status, headers):
        self.told.append((status, headers.get("Retry-After")))


@pytest.fixture
def server():
    with serving(Server()) as one:
        yield one


def with_reader(server, action, *, token="the-token", hosts=()):
    """Call `action(reader)` in a thread while the reader's loop goes on; return what it returns, and what was asked."""

    async def run():
        asked = Asked(server.url)
        reader = ContentReader(asked, token=token, verify_tls=True, hosts=hosts, stall_s=5)
        return await asyncio.to_thread(action, reader), asked

    return asyncio.run(run())


def refused(server, action, kind):
    with pytest.raises(kind):
        with_reader(server, action)


def restore(server, folder, statement, listed, **settings):
    def run(reader):
        return RecordRestore(
            recid=RECID,
            statement=statement,
            listed=listed,
            folder=folder,
            state_path=folder.parent / "state.jsonl",
            reader=reader,
            settings=RestoreSettings(**{"attempts": 3, "stall_s": 5, **settings}),
        ).run()

    return with_reader(server, run)[0]


@pytest.fixture
def bundle(server, tmp_path):
    """Pack a bundle of 40 members and give it, as the server has it, with what is in it."""
    contents = many(40, size=300_000)
    write_files(tmp_path / "data", contents)
    [packed] = run_package(tmp_path / "data", max_files=5)
    return server.add(packed["key"], (tmp_path / "data" / packed["path"]).read_bytes()), contents


def stated(bundle, contents):
    files = [
        StatedFile(
            key, len(data), ({"algorithm": "md5", "value": hashlib.md5(data).hexdigest()},), bundle.key, "manifest"
        )
        for key, data in contents.items()
    ]
    return Statement("manifest", tuple(files))


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("gives_parts", [True, False])
@pytest.mark.parametrize("knows", ["members", "nothing"])
def test_a_bundle_is_unpacked_as_it_comes_and_goes_on_after_a_broken_line(server, bundle, tmp_path, gives_parts, knows):
    server.gives_parts, server.cut_after = gives_parts, 5_000_000
    remote, contents = bundle
    statement = stated(*bundle) if knows == "members" else by_listing([remote], recid=RECID)
    done = restore(server, tmp_path / "restored", statement, [remote])
    assert tree(tmp_path / "restored") == contents
    assert {file["proven_by"] for file in done.files} == {"manifest" if knows == "members" else "bundle"}
    assert done.files_fetched == len(contents)
    assert len(server.asked) == 2
    if gives_parts:
        assert done.bytes_fetched < 1.1 * remote.size_bytes, "what came before the break is not asked for again"
    asked = len(server.asked)
    again = restore(server, tmp_path / "restored", statement, [remote])
    assert again.files_fetched == 0
    assert len(server.asked) == asked + (knows == "nothing"), "what the bundle holds only the bundle knows"


def test_of_a_bundle_no_more_is_fetched_than_holds_what_is_wanted(server, bundle, tmp_path):
    remote, contents = bundle
    names = [info.filename for info in infos(server, remote)]
    wanted = {names[1], names[-2]}
    settings = {"patterns": tuple(wanted)}
    done = restore(server, tmp_path / "restored", stated(*bundle), [remote], **settings)
    assert tree(tmp_path / "restored") == {name: contents[name] for name in wanted}
    assert done.bytes_fetched < 4_000_000 < remote.size_bytes
    server.gives_parts = False
    done = restore(server, tmp_path / "whole", stated(*bundle), [remote], **settings)
    assert tree(tmp_path / "whole") == {name: contents[name] for name in wanted}


def infos(server, remote):
    path = server.content[f"/{remote.key}"]

    with zipfile.ZipFile(io.BytesIO(path)) as archive:
        return archive.infolist()


@pytest.mark.parametrize("knows", ["members", "nothing"])
def test_a_byte_that_is_wrong_at_rest_fails_and_one_that_was_spoilt_on_the_way_does_not(
    server, bundle, tmp_path, knows
):
    remote, contents = bundle
    statement = stated(*bundle) if knows == "members" else by_listing([remote], recid=RECID)
    right = server.content[f"/{remote.key}"]
    spoilt = bytearray(right)
    name = infos(server, remote)[3].filename
    spoilt[infos(server, remote)[3].header_offset + 100] ^= 1

    class Once(dict):
        def __getitem__(self, key):
            return bytes(spoilt) if len(server.asked) == 1 else right

    server.content = Once(server.content)
    restore(server, tmp_path / "restored", statement, [remote])
    assert tree(tmp_path / "restored") == contents
    server.content = {f"/{remote.key}": bytes(spoilt)}
    with pytest.raises(IntegrityError, match="expected"):
        restore(server, tmp_path / "again", statement, [remote])
    assert name not in tree(tmp_path / "again"), "what is wrong gets no name"


def test_a_bundle_with_names_that_lead_out_writes_nothing_outside(server, tmp_path):
    target = tmp_path / "evil.zip"
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("good.txt", b"good")
        archive.writestr("../../out.txt", b"evil")
    remote = server.add(f"{RECID}_bundle.zip", target.read_bytes())
    with pytest.raises(IntegrityError, match="leads elsewhere or is none"):
        restore(server, tmp_path / "a" / "b", by_listing([remote], recid=RECID), [remote])
    assert not (tmp_path / "out.txt").exists()
    assert set(tree(tmp_path / "a" / "b")) <= {"good.txt"}


def test_the_repository_is_asked_in_turn_and_heeded_when_it_is_busy(server, tmp_path):
    remote = server.add("a", b"bytes")
    server.busy = 1

    def run(reader):
        with pytest.raises(TransientError, match="429"):
            reader.open(f"{server.url}/a")
        with reader.open(f"{server.url}/a") as opened:
            return b"".join(opened.chunks(start=0, chunk_bytes=100, in_flight=1))

    data, asked = with_reader(server, run)
    assert data == server.content[f"/{remote.key}"]
    assert asked.turns == 2
    assert asked.told == [(429, "7")]
    assert {agent for *_, agent in server.asked} == {"opendata-ferry/0.1"}, "the repository counts by it"


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://127.0.0.1:{port}/secret", "expected https:// for content that lies elsewhere"),
        ("https://127.0.0.1:{port}/secret", "expected a public address"),
        ("https://localhost/secret", "expected a public address"),
        ("https://[::1]/secret", "expected a public address"),
        ("https://169.254.169.254/latest/meta-data", "expected a public address"),
        ("https://10.0.0.1/", "expected a public address"),
        ("file:///etc/passwd", "expected|found"),
    ],
)
def test_content_leads_to_no_address_inside_and_to_no_file(server, location, said):
    with serving(Server()) as other:
        server.location = location.format(port=other.server_port)

        def run(reader):
            with pytest.raises(PermanentError, match=said):
                reader.open(f"{server.url}/a")

        with_reader(server, run)
        assert other.asked == []


def test_content_that_lies_at_a_named_host_is_read_there_and_shows_it_no_token(server):
    with serving(Server()) as other:
        other.add("a", b"bytes")
        # another name of this machine: it is another host, which the configuration names
        server.location = f"http://localhost:{other.server_port}/a"

        def run(reader):
            with reader.open(f"{server.url}/a") as opened:
                return b"".join(opened.chunks(start=0, chunk_bytes=100, in_flight=1))

        assert with_reader(server, run, hosts=["localhost"])[0] == b"bytes"
        assert [token for _, _, token, _ in server.asked] == ["Bearer the-token"]
        assert [token for _, _, token, _ in other.asked] == [None]
        refused(server, lambda reader: reader.open(f"{server.url}/a"), ForbiddenSourceError)


def test_an_address_elsewhere_in_a_list_of_files_is_not_asked(server):
    with serving(Server()) as other:

        def run(reader):
            with pytest.raises(PermanentError, match="expected an address at"):
                reader.open(f"{other.url}/a")

        with_reader(server, run)
        assert other.asked == []


def test_a_text_has_its_length_and_its_md5_and_is_none_of_a_gigabyte(server):
    remote = server.add("7_manifest.json", b"{}" * 50)
    assert with_reader(server, lambda reader: reader.read_text(remote))[0] == b"{}" * 50
    server.content["/7_manifest.json"] = b"{}" * 49 + b"{ "
    refused(server, lambda reader: reader.read_text(remote), IntegrityError)
    server.content["/7_manifest.json"] = b"{}" * 10**6
    refused(server, lambda reader: reader.read_text(remote), IntegrityError)
    large = RemoteFile("m", "completed", MOST_TEXT_BYTES + 1, None, remote.content_url, None, remote.self_url)
    asked = len(server.asked)
    refused(server, lambda reader: reader.read_text(large), PermanentError)
    assert len(server.asked) == asked


def test_a_file_longer_than_it_is_listed_is_left(server, tmp_path):
    remote = server.add("a", b"x" * 100)
    server.content["/a"] = b"x" * 10**7
    with pytest.raises(IntegrityError, match="expected 100 bytes"):
        restore(server, tmp_path / "restored", by_listing([remote], recid=RECID), [remote])
    assert tree(tmp_path / "restored") == {}


def test_a_file_whose_name_is_no_text_gets_it_back_and_is_known_again(server, tmp_path):
    remote = server.add("caf%E9", b"bytes")
    checksums = ({"algorithm": "md5", "value": remote.md5},)
    named = StatedFile(remote.key, 5, checksums, remote.key, "manifest", original_name="caf%E9")
    done = restore(server, tmp_path / "restored", Statement("manifest", (named,)), [remote])
    assert [os.fsencode(path.name) for path in (tmp_path / "restored").iterdir()] == [b"caf\xe9"]
    assert [file["original_name"] for file in done.files] == ["caf%E9"]
    assert restore(server, tmp_path / "restored", Statement("manifest", (named,)), [remote]).files_fetched == 0
