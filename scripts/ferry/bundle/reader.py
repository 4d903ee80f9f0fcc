"""Reading what goes up: from any offset, and never to the last byte unless the bytes are those of the receipt.

A loose file and a bundle that was written are read from disk; a bundle that is not on disk is made on the way, of
headers computed from the receipt, of the members' files and of the texts packed beforehand. Every stretch of it (a
header, a member) has a known Adler-32, which is compared when the last byte of the stretch is about to be given.
"""

import asyncio
import os
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isal import isal_zlib

from ferry.bundle.layout import BundleLayout
from ferry.bundle.member_files import AGAIN, BytesError, read_piece
from ferry.bundle.proof import ReadCursor, Segment, StreamCheck
from ferry.bundle.receipt import layout_of
from ferry.bundle.write import texts_path
from ferry.bundle.zip_format import DEFLATED

CHUNK_BYTES = 1 << 20


class GoneError(BytesError):
    """What is to be read is not there."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        """Say what was expected at the path."""
        self.where = f"{path}: expected {size_bytes} bytes, found no file"
        super().__init__(f"{self.where}; {AGAIN}")


def open_upload(entry: Mapping[str, Any], *, data_dir: Path) -> "UploadReader":
    """Return a reader of one entry of the receipt `package`; nothing is opened before it is read.

    Raises:
        IntegrityError: the entry does not agree with itself.
    """
    return UploadReader(entry, data_dir=data_dir)


def read_chunks(entry: Mapping[str, Any], *, data_dir: Path) -> Iterator[bytes]:
    """Yield the bytes of one entry of the receipt `package`, from the start, in chunks of 1 MiB.

    Raises:
        IntegrityError: a file is gone or changed; the last chunk of what is wrong is never given.
    """
    return open_upload(entry, data_dir=data_dir).chunks()


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the bytes of a stretch come from: `content` itself, or a place in a file of a known length."""

    content: bytes = b""
    path: Path | None = None
    offset: int = 0
    file_bytes: int = 0


class UploadReader:
    """The bytes of one upload; several threads may read different parts at once."""

    def __init__(self, entry: Mapping[str, Any], *, data_dir: Path) -> None:
        """Work out from the receipt's entry where each byte lies, below data/<recid>."""
        self.key: str = entry["key"]
        self.size_bytes: int = entry["size_bytes"]
        self.layout: BundleLayout | None = None
        """Of a bundle that lies on disk."""
        self._stretches: list[Segment] = []
        self._sources: list[_Source] = []
        path = data_dir / entry["path"]
        if entry["kind"] == "bundle":
            self._add_bundle(entry, path, data_dir / "files")
        else:
            self._add(self.key, int(entry["adler32"], 16), self.size_bytes, _Source(b"", path, 0, self.size_bytes))
        self._starts = [stretch.offset for stretch in self._stretches]
        self._proof = StreamCheck(self.key, self._stretches, self._reread)

    def read_range(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from the offset on, fewer only at the end.

        Raises:
            IntegrityError: with these bytes a file or member would have been given in full, and it is not what was
                packed; or a file is missing or has another length.
        """
        return b"".join(self.chunks(offset=offset, length=length, chunk_bytes=max(1, length)))

    def chunks(self, *, offset: int = 0, length: int | None = None, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield the bytes from the offset on, to the end or as many as asked for, in pieces of `chunk_bytes`.

        Raises:
            IntegrityError: as for `read_range`, in place of the piece that would complete what is wrong.
        """
        end = self.size_bytes if length is None else min(self.size_bytes, offset + length)
        cursor = ReadCursor()
        with closing(_LastFile()) as files:
            for position in range(offset, end, chunk_bytes):
                yield self._read(position, min(chunk_bytes, end - position), cursor, files)

    def require(self) -> None:
        """See that each file is there and has its length, without opening it.

        Raises:
            BytesError: one is missing or has another length.
        """
        for path, size_bytes in {source.path: source.file_bytes for source in self._sources if source.path}.items():
            try:
                found = path.stat().st_size
            except (FileNotFoundError, NotADirectoryError) as error:
                raise GoneError(path, size_bytes) from error
            if found != size_bytes:
                raise BytesError(f"{path}: expected {size_bytes} bytes, found {found}; {AGAIN}")

    async def stream(self, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Yield the same as `chunks`, each piece read and checked in a thread."""
        chunks = self.chunks(offset=offset, length=length)
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk

    def _add(self, name: str, adler32: int, length: int, source: _Source) -> None:
        if length:
            offset = self._stretches[-1].offset + self._stretches[-1].length if self._stretches else 0
            self._stretches.append(Segment(name, offset, length, adler32))
            self._sources.append(source)

    def _add_bundle(self, entry: Mapping[str, Any], path: Path, files_dir: Path) -> None:
        layout = layout_of(entry)
        generated = entry.get("generated", False)
        self.layout = None if generated else layout
        texts_bytes = sum(packed.packed_bytes for packed in layout.members if packed.method == DEFLATED)
        texts_done = 0
        for packed, offset in zip(layout.members, layout.offsets, strict=True):
            name, header, length = packed.member.key, packed.header, packed.packed_bytes
            if not generated:
                head = _Source(b"", path, offset, layout.size_bytes)
                body = _Source(b"", path, offset + len(header), layout.size_bytes)
            else:
                head = _Source(header)
                body = _Source(b"", files_dir / name, 0, length)
                if packed.method == DEFLATED:
                    body = _Source(b"", texts_path(path), texts_done, texts_bytes)
                    texts_done += length
            self._add(name, isal_zlib.adler32(header), len(header), head)
            self._add(name, packed.packed_adler32, length, body)
        tail = _Source(layout.tail) if generated else _Source(b"", path, layout.tail_offset, layout.size_bytes)
        self._add("MANIFEST and directory", isal_zlib.adler32(layout.tail), len(layout.tail), tail)

    def _read(self, position: int, size: int, cursor: ReadCursor, files: "_LastFile") -> bytes:
        pieces = []
        index = bisect_right(self._starts, position) - 1
        while size:
            stretch = self._stretches[index]
            start = position - stretch.offset
            piece = self._piece(index, start, min(size, stretch.length - start), files)
            self._proof.take(cursor, index, start, piece)
            pieces.append(piece)
            position += len(piece)
            size -= len(piece)
            index += 1
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, index: int, start: int, length: int, files: "_LastFile") -> bytes:
        source = self._sources[index]
        if source.path is None:
            return source.content[start : start + length]
        descriptor = files.open(source.path, source.file_bytes)
        return read_piece(descriptor, length, offset=source.offset + start, name=self._stretches[index].name)

    def _reread(self, index: int) -> int:
        adler32, stretch = 1, self._stretches[index]
        with closing(_LastFile()) as files:
            for start in range(0, stretch.length, CHUNK_BYTES):
                piece = self._piece(index, start, min(CHUNK_BYTES, stretch.length - start), files)
                adler32 = isal_zlib.adler32(piece, adler32)
        return adler32


class _LastFile:
    """Keeps the last file open: most reads go on where the one before has ended."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._descriptor = -1

    def open(self, path: Path, size_bytes: int) -> int:
        """Return a descriptor of the file, which must have this length."""
        if path != self._path:
            self.close()
            try:
                self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise GoneError(path, size_bytes) from error
            self._path = path
            found = os.fstat(self._descriptor).st_size
            if found != size_bytes:
                raise BytesError(f"{path}: expected {size_bytes} bytes, found {found}; {AGAIN}")
        return self._descriptor

    def close(self) -> None:
        """Close what is open."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._path, self._descriptor = None, -1
