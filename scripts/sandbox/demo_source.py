"""The demo records' files: made on the spot, each a pure function of its address and length."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ferry.documents import read_document
from ferry.errors import MetadataError, disk_error
from ferry.files import whole_file

DEMO_PREFIX = "root://demo.invalid/"
LARGE_BYTES = 100_000_000
"""What is longer is not made in memory, nor does it take the disk."""
_LARGEST_RECORD_BYTES = 16_000_000

_IMPOSSIBLE = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EFBIG, errno.EINVAL}
"""Refusals that are the fault of an address or a length, not of the disk."""


@dataclass(frozen=True)
class DemoFile:
    """One file of a demo record.

    Attributes:
        uri: `root://demo.invalid//eos/…`, as it stands in the record.
        size_bytes: length in bytes.
        checksum: `adler32:` and eight hexadecimal digits, as it stands in the record.
    """

    uri: str
    size_bytes: int
    checksum: str


def listed_files(document: dict[str, Any]) -> list[DemoFile]:
    """Return the demo files that a record lists, in the portal's API shape or in the fixture shape.

    Files that lie elsewhere than below `root://demo.invalid/` are left out.
    """
    record = document.get("metadata", document)
    return [
        DemoFile(uri=entry["uri"], size_bytes=entry["size"], checksum=entry["checksum"])
        for entry in record.get("files") or []
        if entry["uri"].startswith(DEMO_PREFIX)
    ]


def content(*, uri: str, size_bytes: int) -> bytes:
    """Return the bytes of the demo file at this address: a PDF where the name says so, else noise.

    Raises:
        ValueError: a PDF of this length cannot be made.
    """
    if uri.endswith(".pdf"):
        return _pdf(uri=uri, size_bytes=size_bytes)
    return hashlib.shake_128(uri.encode()).digest(size_bytes)


def write_demo_files(metadata_paths: Iterable[Path], directory: Path) -> list[Path]:
    """Make the files of the demo records that are not there yet; return the paths of those that were made.

    A file lies at `directory` + the path of its address, so that the address becomes its path when
    `root://demo.invalid/` is replaced by `file://<directory>`. Metadata that is no JSON object, and a file of an
    address or a length that no file can have, are skipped here: the chain itself says what is wrong with that record,
    and carries the others.

    Raises:
        DiskError: the disk did not take a file.
    """
    made = []
    for metadata_path in sorted(metadata_paths):
        for demo_file in _files_of(metadata_path):
            try:
                path = local_path(demo_file.uri, directory)
                if path.is_file() and path.stat().st_size == demo_file.size_bytes:
                    continue
                _make(demo_file, path)
            except (ValueError, OverflowError):
                continue
            except OSError as error:
                if error.errno in _IMPOSSIBLE:
                    continue
                raise disk_error(path, "be written", error) from error
            made.append(path)
    return made


def _make(demo_file: DemoFile, path: Path) -> None:
    """Make a file; of a large one, which nobody has committed a checksum of, all but the beginning is a hole.

    Raises:
        ValueError: this disk is smaller than the file.
        OSError: its download would not fit on the disk, and leave no room for others.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    disk = shutil.disk_usage(path.parent)
    if demo_file.size_bytes > disk.total:
        raise ValueError(f"{demo_file.uri}: expected at most {disk.total} bytes, found {demo_file.size_bytes}")
    if demo_file.size_bytes > disk.free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    text = content(uri=demo_file.uri, size_bytes=min(demo_file.size_bytes, LARGE_BYTES))
    with whole_file(path) as stream:
        stream.write(text)
        stream.truncate(demo_file.size_bytes)


def local_path(uri: str, directory: Path) -> Path:
    """Return where the file of this address lies below the directory.

    Raises:
        ValueError: the address points outside the directory.
    """
    path = (directory / urlsplit(uri).path.lstrip("/")).resolve()
    if not path.is_relative_to(directory.resolve()):
        raise ValueError(f"{uri}: expected an address below {DEMO_PREFIX}, found one that leaves {directory}")
    return path


def _files_of(metadata_path: Path) -> list[DemoFile]:
    try:
        read = read_document(metadata_path, within=metadata_path.parent, folders=(), most_bytes=_LARGEST_RECORD_BYTES)
    except (MetadataError, OSError):
        return []
    text = read.decode("utf-8-sig", errors="replace")
    if DEMO_PREFIX not in text:
        return []  # a record of somebody else: nothing to make, and no need to understand it
    try:
        files = listed_files(json.loads(text))
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return []
    return [file for file in files if type(file.size_bytes) is int and file.size_bytes >= 0]


def _pdf(*, uri: str, size_bytes: int) -> bytes:
    padding = 0
    for _ in range(5):  # the length of the last offset depends on the padding: settles after two rounds
        document = _pdf_with(uri=uri, padding=padding)
        if len(document) == size_bytes:
            return document
        padding += size_bytes - len(document)
        if padding < 0:
            break
    raise ValueError(f"{uri}: a PDF of {size_bytes} bytes cannot be made; the shortest has {len(document)}")


def _pdf_with(*, uri: str, padding: int) -> bytes:
    name = re.sub(r"([()\\])", r"\\\1", uri.rsplit("/", 1)[-1])
    drawing = (
        f"BT /F1 18 Tf 60 760 Td (opendata-ferry demo) Tj 0 -30 Td /F1 12 Tf ({name}) Tj "
        "0 -20 Td (Made for trying out the workflow; holds no DELPHI data.) Tj ET"
    ).encode("ascii", "replace")
    noise = hashlib.shake_128(uri.encode()).hexdigest(-(-padding // 2))[:padding].encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    document = b"%PDF-1.4\n%" + noise + b"\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return document + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, len(document))
    )
