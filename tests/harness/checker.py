"""Whether a repository holds each wanted record once, with right bytes and metadata: imports nothing but Python's own.

What should be there is read from the metadata and the source tree; what is there is asked of the repository's REST API,
and every byte is downloaded. So that a fault of the ferry is no fault of this program, nothing of it is used here.
"""

import hashlib
import http.client
import io
import json
import re
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

IDENTIFIER = "https://opendata.cern.ch/record/"
PREFIX = "root://eospublic.cern.ch//eos/opendata/"
OWN = ("title", "description", "identifiers", "sizes", "formats")
"""Fields in which the records of a seed differ."""
_MARK = re.compile(r"~[0-9a-f]{8}(?=(\.[^.]*)?$)")


@dataclass(frozen=True)
class Wanted:
    """What should be in the repository.

    Attributes:
        metadata: folder with <recid>.json of each wanted record, as the portal gives it.
        source: folder that stands for `PREFIX`.
        access: who may see records and files: public or restricted.
        published: whether the records should be published, and no drafts.
    """

    metadata: Path
    source: Path
    access: str
    published: bool


@dataclass
class Verdict:
    """What is wrong, a line each, and the records that were found: recid -> ids in the repository."""

    problems: list[str] = field(default_factory=list)
    found: dict[int, list[str]] = field(default_factory=dict)


class Repository:
    """Reads of one user at one repository, over one connection."""

    def __init__(self, url: str, token: str) -> None:
        """Ask nothing yet."""
        where = urlsplit(url)
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": "harness-checker"}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get(self, path: str) -> bytes:
        """Return the body of a good answer."""
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ValueError(f"GET {path}: {answer.status} {body[:200]!r}")
        return body

    def own_records(self) -> Iterator[dict[str, Any]]:
        """Give each draft and published record of one's own, all versions."""
        page = 1
        while True:
            answer = json.loads(self.get(f"/api/user/records?allversions=true&sort=oldest&size=100&page={page}"))
            yield from answer["hits"]["hits"]
            if page * 100 >= answer["hits"]["total"]:
                return
            page += 1


def check(wanted: Wanted, repository: Repository) -> Verdict:
    """Compare all that the repository holds with all that it should hold."""
    verdict = Verdict()
    recids = {int(path.stem) for path in wanted.metadata.glob("[0-9]*.json")}
    held: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for record in repository.own_records():
        named = {recid for recid in map(_recid, _identifiers(record)) if recid is not None}
        if len(named & recids) != 1:
            title = record["metadata"].get("title")
            verdict.problems.append(f"{record['id']} ({title}): of no wanted record, or of several: {sorted(named)}")
        for recid in named & recids:
            held[recid].append(record)
    for recid in sorted(recids):
        records = held[recid]
        verdict.found[recid] = [record["id"] for record in records]
        if len(records) != 1:
            verdict.problems.append(f"{recid}: {len(records)} records in the repository {verdict.found[recid]}")
        else:
            try:
                told = list(_problems(recid, records[0], wanted, repository))
            except ValueError as error:
                told = [f"cannot be read: {error}"]
            verdict.problems += [f"{recid}: {problem}" for problem in told]
    verdict.problems += _odd_ones_out({recid: records[0] for recid, records in held.items() if len(records) == 1})
    return verdict


def _odd_ones_out(records: dict[int, dict[str, Any]]) -> Iterator[str]:
    """Tell of records whose other metadata differ from those of most: the sources differ in `OWN` fields only."""
    common = {recid: {**record["metadata"], **dict.fromkeys(OWN)} for recid, record in records.items()}
    counted = Counter(json.dumps(metadata, sort_keys=True) for metadata in common.values())
    most = json.loads(counted.most_common(1)[0][0]) if counted else {}
    for recid, metadata in sorted(common.items()):
        if fields := [name for name in metadata | most if metadata.get(name) != most.get(name)]:
            yield f"{recid}: {', '.join(sorted(fields))}: not as in the other records"


def _problems(recid: int, record: dict[str, Any], wanted: Wanted, repository: Repository) -> Iterator[str]:
    source = json.loads((wanted.metadata / f"{recid}.json").read_bytes())
    if record["metadata"].get("title") != source["title"]:
        yield f"title {record['metadata'].get('title')!r}, not {source['title']!r}"
    if record["metadata"].get("description") != source["abstract"]["description"]:
        yield f"description {record['metadata'].get('description')!r}"
    if record["metadata"].get("sizes", []) != _sizes(source["files"]):
        yield f"sizes {record['metadata'].get('sizes')}"
    access = {name: record["access"][name] for name in ("record", "files")}
    if access != {"record": wanted.access, "files": wanted.access}:
        yield f"access {access}, not {wanted.access}"
    if record["is_published"] is not wanted.published:
        yield "published" if record["is_published"] else "a draft"
    if record["is_published"] and record["is_draft"]:
        yield "published, with a draft open"
    base = f"/api/records/{record['id']}" + ("/draft" if record["is_draft"] else "")
    listing = json.loads(repository.get(f"{base}/files"))
    if listing["enabled"] is not bool(source["files"]):
        yield f"files enabled: {listing['enabled']}"
    contents: dict[str, bytes] = {}
    for entry in listing.get("entries", []):
        if entry["status"] != "completed":
            yield f"{entry['key']}: {entry['status']}"
            continue
        content = repository.get(f"{base}/files/{quote(entry['key'], safe='')}/content")
        if entry["size"] != len(content) or entry["checksum"] != f"md5:{hashlib.md5(content).hexdigest()}":
            yield f"{entry['key']}: listed as {entry['size']} bytes of {entry['checksum']}, but is not"
        if entry["key"] in contents:
            yield f"{entry['key']}: twice"
        contents[entry["key"]] = content
    yield from _file_problems(recid, source, contents, wanted.source)


def _file_problems(recid: int, source: dict[str, Any], contents: dict[str, bytes], tree: Path) -> Iterator[str]:
    """Compare what was downloaded with the files of the record, loose or in bundles, and what goes up beside them."""
    paths = [entry["uri"].removeprefix(PREFIX) for entry in source["files"]]
    should = sorted((path.rpartition("/")[2], _digest((tree / path).read_bytes())) for path in paths)
    names = {name for name, _ in should}
    left, members = dict(contents), []
    if source["files"]:
        own = left.pop(f"{recid}.json", None)
        if own is None:
            yield f"{recid}.json: missing"
        elif json.loads(own) != source:
            yield f"{recid}.json is not the record of the source"
        manifest = left.pop(f"{recid}_manifest.json", None)
        yield from _manifest_problems(manifest, contents)
    for key in [key for key in left if key.endswith(".zip") and key not in names]:
        try:
            with zipfile.ZipFile(io.BytesIO(left.pop(key))) as bundle:
                packed = [(info.filename, bundle.read(info)) for info in bundle.infolist()]
        except zipfile.BadZipFile as error:
            yield f"{key}: {error}"
            continue
        name, listed = packed.pop()
        if name != "MANIFEST" or listed != _listing(packed):
            yield f"{key}: its MANIFEST does not tell of its members"
        members += packed
    there = sorted((_source_name(key), _digest(content)) for key, content in [*left.items(), *members])
    yield from (f"{name}: missing" for name in _names(should, there))
    yield from (f"{name}: foreign, or of wrong bytes" for name in _names(there, should))


def _manifest_problems(manifest: bytes | None, contents: dict[str, bytes]) -> Iterator[str]:
    if manifest is None:
        yield "no manifest"
        return
    for row in json.loads(manifest)["files"]:
        if row.get("bundle"):
            with zipfile.ZipFile(io.BytesIO(contents.get(row["bundle"], _NO_ZIP))) as bundle:
                content = bundle.read(row["member"]) if row["member"] in bundle.namelist() else None
        else:
            content = contents.get(row["key"])
        if content is None or (len(content), f"{zlib.adler32(content):08x}") != (row["size_bytes"], row["adler32"]):
            yield f"the manifest tells of {row['key']} what is not so"


_NO_ZIP = b"PK\5\6" + bytes(18)


def _names(some: Iterable[tuple[str, str]], others: Iterable[tuple[str, str]]) -> list[str]:
    remaining = list(others)
    names = []
    for each in some:
        if each in remaining:
            remaining.remove(each)
        else:
            names.append(each[0])
    return names


def _listing(members: list[tuple[str, bytes]]) -> bytes:
    """Return what a bundle's list of its members should be."""
    rows = [f"{name}\t{len(data)}\t{zlib.adler32(data):08x}\t{zlib.crc32(data):08x}\n" for name, data in members]
    return "".join(["key\tsize_bytes\tadler32\tcrc32\n", *rows]).encode()


def _source_name(key: str) -> str:
    """Return what the file of a key is called at the source: keys keep or lose folders, and escape what is unsafe."""
    return unquote(_MARK.sub("", key.rpartition("/")[2]))


def _sizes(files: list[dict[str, Any]]) -> list[str]:
    if not files:
        return []
    return [f"{len(files)} file{'s' * (len(files) > 1)}", f"{sum(entry['size'] for entry in files)} bytes"]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _identifiers(record: dict[str, Any]) -> list[str]:
    return [entry.get("identifier", "") for entry in record["metadata"].get("identifiers", [])]


def _recid(identifier: str) -> int | None:
    number = identifier.removeprefix(IDENTIFIER)
    return int(number) if number != identifier and number.isdecimal() else None
