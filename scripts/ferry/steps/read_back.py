"""Files read back from the repository as anybody reads them, and held against what their source declares.

Of a bundle no more is read than the members wanted: by the route of a repository that gives single members, or from
where they lie in it. A repository that gives neither has the whole of it read.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ferry.bundle.receipt import layout_of
from ferry.checksums import Digests
from ferry.deposit.audit import Finding
from ferry.errors import IntegrityError, PermanentError, TransientError
from ferry.repository.models import RemoteFile
from ferry.restore.content import ContentReader, content_url
from ferry.restore.zip_stream import CHUNK_BYTES, ZipStream
from ferry.source.http import HttpFile

_BITS = 64


class ShortContentError(TransientError):
    """The repository began to give content, and broke off: the line, or it has no more of it."""


class _NoAnswerError(TransientError):
    """It did not begin."""


@dataclass(frozen=True)
class WantedContent:
    """What is to be read under one key."""

    upload: Mapping[str, Any]
    """Of the proof."""
    files: Sequence[Mapping[str, Any]]
    """Of the proof; of a bundle the members that are wanted, none of an attachment."""
    is_whole: bool
    """All bytes under the key are read, not members alone."""


@dataclass
class Content:
    """What was read under one key."""

    right: list[str] = field(default_factory=list)
    """Keys of source files."""
    is_whole: bool = False
    """All of it was read and is right."""
    findings: list[Finding] = field(default_factory=list)


def sample(proof: Mapping[str, Any], *, share: float, seed: int) -> list[WantedContent]:
    """Return what of a record is read back: each of its files with this chance, and of a share of 1 all its keys.

    The same seed and the same record give the same sample, whatever else is wanted.
    """
    files: dict[str, list[Mapping[str, Any]]] = {}
    members: dict[str, int] = {}
    for file in proof["files"]:
        members[file["uploaded_key"]] = members.get(file["uploaded_key"], 0) + 1
        if _fraction(f"{seed}/{proof['recid']}/{file['key']}") < share:
            files.setdefault(file["uploaded_key"], []).append(file)
    wanted = []
    for upload in proof["uploads"]:
        of_it = files.get(upload["key"], [])
        is_attachment = upload["kind"] == "attachment"
        if of_it or (is_attachment and share >= 1):
            wanted.append(WantedContent(upload, of_it, is_attachment or len(of_it) == members[upload["key"]]))
    return wanted


def _fraction(text: str) -> float:
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[: _BITS // 8])
    return float(number / (1 << _BITS))


def read_content(
    wanted: WantedContent, remote: RemoteFile, *, packed: Mapping[str, Any] | None, reader: ContentReader
) -> Content:
    """Read what is wanted under a key and compare it; for a thread.

    Args:
        wanted: what.
        remote: the key as the repository lists it.
        packed: its entry in the receipt `package`, which tells where members lie; None if that is gone.
        reader: opens content.

    Raises:
        ShortContentError: it broke off; to be tried again.
        TransientError: the repository does not answer.
    """
    try:
        if wanted.is_whole or wanted.upload["kind"] != "bundle":
            return _read_whole(wanted, remote, reader)
        return _read_members(wanted, remote, packed, reader)
    except (IntegrityError, PermanentError) as error:
        return Content(findings=[_unreadable(wanted.upload["key"], error)])
    except _NoAnswerError:
        raise
    except TransientError as error:
        raise ShortContentError(str(error)) from error


def given_up(wanted: WantedContent, error: ShortContentError) -> Content:
    """Return what is to be told of content that broke off each time."""
    return Content(findings=[Finding("lost", f"file {wanted.upload['key']}", "all of its bytes", str(error))])


def _open(reader: ContentReader, url: str, *, start: int = 0) -> HttpFile:
    try:
        return reader.open(url, start=start)
    except TransientError as error:
        raise _NoAnswerError(str(error)) from error


def _unreadable(key: str, error: Exception) -> Finding:
    if isinstance(error, IntegrityError):
        return Finding("changed", f"file {key}", "bytes as proven", str(error))
    kind = "lost" if "HTTP 404" in str(error) or "HTTP 410" in str(error) else "unchecked"
    return Finding(kind, f"file {key}", "its bytes", str(error))  # type: ignore[arg-type]


def _read_whole(wanted: WantedContent, remote: RemoteFile, reader: ContentReader) -> Content:
    """Read all that lies under a key; of a bundle its members as they pass by."""
    upload, content = wanted.upload, Content()
    names = {name for file in wanted.files for name in _declared(file)}
    whole = Digests("md5", *names)
    with _open(reader, content_url(remote)) as opened:
        chunks = _counted(opened.chunks(start=0, chunk_bytes=CHUNK_BYTES, in_flight=1), whole, upload)
        if upload["kind"] == "bundle":
            _walk(wanted, chunks, content)
        for _ in chunks:
            pass
    problem = _problem(whole, upload["size_bytes"], {name: upload[name] for name in ("adler32", "md5")})
    if problem:
        content.findings.append(Finding("changed", f"file {upload['key']}", *problem))
    content.is_whole = not content.findings
    if upload["kind"] == "file":
        [file] = wanted.files
        content.findings += [] if problem else _compare(file, whole)
        content.is_whole = not content.findings
        content.right += [file["key"]] if content.is_whole else []
    return content


def _counted(chunks: Iterator[bytes], digests: Digests, upload: Mapping[str, Any]) -> Iterator[bytes]:
    for chunk in chunks:
        digests.update(chunk)
        if digests.size_bytes > upload["size_bytes"]:
            raise IntegrityError(f"expected {upload['size_bytes']} bytes, found more")
        yield chunk


def _walk(wanted: WantedContent, chunks: Iterator[bytes], content: Content) -> None:
    """Compare each member of a bundle that comes by."""
    files = {file["member"]: file for file in wanted.files}
    stream = ZipStream(wanted.upload["key"], chunks, position=0, size_bytes=wanted.upload["size_bytes"])
    while header := stream.next_header():
        file = files.pop(header.name, None)
        if file is None:
            stream.skip(header)
            continue
        digests = Digests(*_declared(file))
        for piece in stream.content(header):
            digests.update(bytes(piece))
        _note(file, digests, content)
    for _ in stream.rest():
        pass
    content.findings += [Finding("lost", f"file {key}", "a member of its bundle", "none") for key in sorted(files)]


def _read_members(
    wanted: WantedContent, remote: RemoteFile, packed: Mapping[str, Any] | None, reader: ContentReader
) -> Content:
    content = Content()
    left = list(wanted.files)
    if remote.container_url is not None:
        left = [file for file in left if not _is_right_member(file, str(remote.container_url), reader, content)]
    if left and packed is not None:
        layout = layout_of(packed)
        offsets = {member.member.key: offset for member, offset in zip(layout.members, layout.offsets, strict=True)}
        left = _read_from(offsets, left, remote, reader, content)
    if left:
        rest = _read_whole(WantedContent(wanted.upload, left, is_whole=False), remote, reader)
        content.right += rest.right
        content.findings += rest.findings
        content.is_whole = rest.is_whole
    return content


def _is_right_member(file: Mapping[str, Any], container_url: str, reader: ContentReader, content: Content) -> bool:
    """Read a member by the repository's own route; what is not right there counts only as read otherwise."""
    digests = Digests(*_declared(file))
    try:
        with _open(reader, f"{container_url}/{quote(file['member'])}") as opened:
            for chunk in opened.chunks(start=0, chunk_bytes=CHUNK_BYTES, in_flight=1):
                digests.update(chunk)
                if digests.size_bytes > file["size_bytes"]:
                    return False
    except PermanentError:
        return False  # it gives no members of this bundle
    if _compare(file, digests):
        return False
    content.right.append(file["key"])
    return True


def _read_from(
    offsets: Mapping[str, int],
    files: Sequence[Mapping[str, Any]],
    remote: RemoteFile,
    reader: ContentReader,
    content: Content,
) -> list[Mapping[str, Any]]:
    """Read members from where they lie; return those that are left as the repository gives no parts of a file."""
    size_bytes = remote.size_bytes or 0
    for number, file in enumerate(files):
        offset = offsets[file["member"]]
        with _open(reader, content_url(remote), start=offset) as opened:
            if opened.begins != offset:
                return list(files[number:])
            chunks = opened.chunks(start=offset, chunk_bytes=CHUNK_BYTES, in_flight=1)
            stream = ZipStream(remote.key, chunks, position=offset, size_bytes=size_bytes)
            header = stream.next_header()
            if header is None or header.name != file["member"]:
                found = "the end of the members" if header is None else repr(header.name)
                content.findings.append(Finding("changed", f"file {file['key']}", f"it at byte {offset}", found))
                continue
            digests = Digests(*_declared(file))
            for piece in stream.content(header):
                digests.update(bytes(piece))
        _note(file, digests, content)
    return []


def _note(file: Mapping[str, Any], digests: Digests, content: Content) -> None:
    found = _compare(file, digests)
    content.findings += found
    content.right += [] if found else [file["key"]]


def _declared(file: Mapping[str, Any]) -> dict[str, str]:
    """Return what is declared and known of a file, by algorithm: what its source says counts before what was found."""
    known = {name: file[name] for name in ("adler32", "crc32", "md5") if file[name]}
    declared = [*file.get("stated", ()), (file["declared"] or {}).get("checksum")]
    return known | {checksum["algorithm"]: checksum["value"] for checksum in declared if checksum}


def _compare(file: Mapping[str, Any], digests: Digests) -> list[Finding]:
    problem = _problem(digests, file["size_bytes"], _declared(file))
    return [Finding("changed", f"file {file['key']}", *problem)] if problem else []


def _problem(digests: Digests, size_bytes: int, expected: Mapping[str, str]) -> tuple[str, str] | None:
    """Return what was expected and what was found, where they differ."""
    if digests.size_bytes != size_bytes:
        return f"{size_bytes} bytes", f"{digests.size_bytes} bytes, read back"
    found = digests.values()
    wrong = next((name for name, value in expected.items() if found[name] != value), None)
    return None if wrong is None else (f"{wrong} {expected[wrong]}", f"{wrong} {found[wrong]}, read back")
