"""Files of a record read back: which are chosen, by which route they come, and that a wrong byte shows by each."""

import hashlib
from pathlib import Path

import pytest
from packed_records import RECID, entry, run_package, write_files
from yarl import URL

from ferry.errors import PermanentError
from ferry.repository.models import RemoteFile
from ferry.steps.read_back import read_content, sample

CONTENTS = {f"f{number:02}.al": bytes([number]) * (2000 + number) for number in range(12)}
URL_OF_BUNDLE = "https://r.example/files/b/content"


class Reader:
    """Gives the bytes of one bundle by the routes that a repository has; remembers what was asked for."""

    def __init__(self, content: bytes, *, members=None, ranges=False):
        self.content, self.members, self.ranges = content, members, ranges
        self.asked: list[tuple[str, int]] = []
        self.given = 0

    def open(self, url: str, *, start: int = 0) -> "Opened":
        self.asked.append((url, start))
        if url == URL_OF_BUNDLE:
            return Opened(self, self.content, start if self.ranges else 0)
        if self.members is None:
            raise PermanentError(f"{url}: expected an answer, found HTTP 404")
        return Opened(self, self.members[url.rpartition("/")[2]], 0)


class Opened:
    def __init__(self, reader: Reader, content: bytes, begins: int):
        self.reader, self.content, self.begins = reader, content, begins

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def chunks(self, *, start: int, chunk_bytes: int, in_flight: int):
        for at in range(start, len(self.content), 500):
            piece = self.content[at : at + 500]
            self.reader.given += len(piece)
            yield piece


@pytest.fixture
def bundled(tmp_path: Path):
    """Give the proof of a record with one bundle, its entry of the receipt `package`, and the bytes of the bundle."""
    write_files(tmp_path, CONTENTS)
    [packed] = [each for each in run_package(tmp_path, max_files=5, attachments=()) if each["kind"] == "bundle"]
    content = (tmp_path / packed["path"]).read_bytes()
    files = [
        {**entry(key, data), "declared": None, "md5": None, "uploaded_key": packed["key"], "member": key}
        for key, data in CONTENTS.items()
    ]
    names = ("key", "kind", "size_bytes", "adler32")
    upload = {**{name: packed[name] for name in names}, "md5": hashlib.md5(content).hexdigest()}
    return {"recid": RECID, "files": files, "uploads": [upload]}, packed, content


def remote(packed, *, container=False):
    where = URL("https://r.example/files/b")
    return RemoteFile(
        key=packed["key"],
        status="completed",
        size_bytes=packed["size_bytes"],
        md5=None,
        content_url=URL(URL_OF_BUNDLE),
        commit_url=None,
        self_url=where,
        container_url=where / "container" if container else None,
    )


def wanted_of(proof, keys):
    """Return the sample, cut to some files."""
    [whole] = sample(proof, share=1.0, seed=1)
    files = [file for file in whole.files if file["key"] in keys]
    return type(whole)(whole.upload, files, is_whole=len(files) == len(whole.files))


ROUTES = ("single members", "parts", "neither")
FEW = {"f03.al", "f07.al"}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("damaged", [False, True])
def test_members_come_by_each_route_and_a_wrong_byte_shows(bundled, route, damaged):
    proof, packed, content = bundled
    at = content.index(CONTENTS["f07.al"][:100])
    there = bytearray(content)
    members = dict(CONTENTS)
    if damaged:
        there[at + 5] ^= 1
        members["f07.al"] = bytes(there[at : at + len(CONTENTS["f07.al"])])
    is_by_members = route == "single members"
    reader = Reader(bytes(there), members=members if is_by_members else None, ranges=route == "parts")
    read = read_content(wanted_of(proof, FEW), remote(packed, container=is_by_members), packed=packed, reader=reader)
    assert set(read.right) == (FEW - {"f07.al"} if damaged else FEW)
    assert ["file f07.al" in {finding.what for finding in read.findings}] == [damaged]
    if not damaged and route != "neither":
        assert reader.given < len(content) / 2, "no more than the members, and what their last piece brings along"
    if not damaged and route == "neither":
        assert [start for _, start in reader.asked][1:] == [0], "asked for a part, then read as a whole"


def test_a_whole_bundle_is_held_against_its_own_digest_too(bundled):
    proof, packed, content = bundled
    read = read_content(wanted_of(proof, set(CONTENTS)), remote(packed), packed=packed, reader=Reader(content))
    assert (set(read.right), read.is_whole, read.findings) == (set(CONTENTS), True, [])
    torn = bytearray(content)
    torn[-30] ^= 1  # of the directory: no member has it
    read = read_content(wanted_of(proof, set(CONTENTS)), remote(packed), packed=packed, reader=Reader(bytes(torn)))
    assert (set(read.right), read.is_whole) == (set(CONTENTS), False)
    assert [finding.what for finding in read.findings] == [f"file {packed['key']}"]


def test_a_sample_is_the_same_for_the_same_seed_and_about_as_large_as_its_share(bundled):
    proof, _, _ = bundled
    many = {**proof, "files": [{**proof["files"][0], "key": f"k{number}"} for number in range(4000)]}

    def chosen(seed, share):
        return {file["key"] for content in sample(many, share=share, seed=seed) for file in content.files}

    assert chosen(1, 0.05) == chosen(1, 0.05)
    assert chosen(1, 0.05) != chosen(2, 0.05)
    assert chosen(1, 0.05) < chosen(1, 0.2), "a larger share has the smaller one in it"
    assert 150 < len(chosen(1, 0.05)) < 250
    assert chosen(1, 0.0) == set()
