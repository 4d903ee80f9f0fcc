"""HTTP/1.1 on the wire, as far as a proxy has to understand it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

CHUNK = 1 << 16
MAX_HEAD = 1 << 17


@dataclass
class Head:
    """First line and headers of a message; names of headers as they came, order kept."""

    first: list[str]
    headers: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """Return a header's value, whatever the case of its name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def set(self, name: str, value: str | None) -> None:
        """Replace a header; None removes it."""
        self.headers = [(key, old) for key, old in self.headers if key.lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))

    def encode(self) -> bytes:
        """Return the head as it goes over the wire."""
        lines = [" ".join(self.first), *(f"{name}: {value}" for name, value in self.headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    @property
    def length(self) -> int | None:
        """Content-Length in bytes, None where there is none."""
        text = self.get("Content-Length")
        return None if text is None else int(text)

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks that tell their own lengths."""
        return "chunked" in (self.get("Transfer-Encoding") or "").lower()


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read the head of the next message; None where the other side has closed."""
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = text[:-4].split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return Head(first.split(" ", 2), [(name, value.strip()) for name, _, value in pairs])


async def raw_body(reader: asyncio.StreamReader, head: Head, *, until_close: bool = False) -> AsyncIterator[bytes]:
    """Give the body piece by piece, with the framing of its chunks if it has one.

    Raises:
        ConnectionError: the other side closed before the end.
    """
    if head.is_chunked:
        async for piece in _chunked(reader):
            yield piece
        return
    left = head.length
    if left is None and not until_close:
        return
    while left is None or left > 0:
        piece = await reader.read(CHUNK if left is None else min(CHUNK, left))
        if not piece:
            if left is None:
                return
            raise ConnectionResetError(f"{left} bytes of a body are missing")
        left = None if left is None else left - len(piece)
        yield piece


async def _chunked(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    try:
        while True:
            line = await reader.readline()
            if not line:
                raise ConnectionResetError("a chunked body broke off")
            yield line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while (trailer := await reader.readline()) not in (b"\r\n", b""):
                    yield trailer
                yield b"\r\n"
                return
            yield await reader.readexactly(size + 2)
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("a chunked body broke off") from error
