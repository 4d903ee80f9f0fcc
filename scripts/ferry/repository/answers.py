"""Answers of the repository, read whole, and no further than any answer may go, in bytes as they come unpacked."""

import json
import zlib
from typing import Any

import aiohttp

from ferry.errors import PermanentError, TransientError
from ferry.strict_json import DEEPEST
from ferry.text.formatting import truncate

LARGEST_ANSWER_BYTES = 64 << 20
"""Ten records of the largest that there are, 6 MB each."""
ACCEPT_ENCODING = "gzip, deflate"
_PIECE_BYTES = 1 << 16
_UNPACKS_GZIP_AND_ZLIB = 47


class BoundedResponse(aiohttp.ClientResponse):
    """An answer that is read by these rules; its session must not unpack it."""

    _whole: bytes | None = None

    async def read(self) -> bytes:
        """Return the body, unpacked.

        Raises:
            PermanentError: it is too large, packed in a way that was not asked for, or JSON that is nested too deep.
            TransientError: it ended too early.
        """
        if self._whole is None:
            self._whole = await self._unpacked()
            self._refuse_depth(self._whole)
        return self._whole

    async def text(self, encoding: str | None = None, errors: str = "strict") -> str:
        """Return the body as text."""
        return (await self.read()).decode(encoding or "utf-8", errors)

    async def _unpacked(self) -> bytes:
        packing = self.headers.get("Content-Encoding", "identity").strip().lower()
        if packing not in ("identity", "gzip", "deflate", ""):
            self.close()
            raise PermanentError(
                f"{self._what()}: expected an answer in {ACCEPT_ENCODING} or none, found {truncate(packing, 40)}"
            )
        unpacker = zlib.decompressobj(_UNPACKS_GZIP_AND_ZLIB) if packing in ("gzip", "deflate") else None
        whole = bytearray()
        async for piece in self.content.iter_chunked(_PIECE_BYTES):
            try:
                whole += unpacker.decompress(piece, LARGEST_ANSWER_BYTES + 1 - len(whole)) if unpacker else piece
            except zlib.error as error:
                self.close()
                raise TransientError(f"{self._what()}: expected an answer packed with {packing}, found none") from error
            if len(whole) > LARGEST_ANSWER_BYTES:
                self.close()
                raise PermanentError(
                    f"{self._what()}: expected an answer of at most {LARGEST_ANSWER_BYTES} bytes, found more"
                )
        if unpacker is not None and whole and not unpacker.eof:
            raise TransientError(f"{self._what()}: expected a whole answer, found one that is cut off")
        return bytes(whole)

    def _refuse_depth(self, text: bytes) -> None:
        if text.count(b"[") + text.count(b"{") <= DEEPEST:
            return  # most answers: they need not be read twice
        try:
            found = _is_too_deep(json.loads(text))
        except RecursionError:
            found = True
        except ValueError:  # not JSON, or not a number that Python reads: told where it is needed
            return
        if found:
            raise PermanentError(
                f"{self._what()}: expected JSON of at most {DEEPEST} levels, found an answer that is nested deeper"
            )

    def _what(self) -> str:
        return f"{self.method} {self.url.path}"


def _is_too_deep(document: Any) -> bool:
    level = [document]
    for _ in range(DEEPEST):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True
