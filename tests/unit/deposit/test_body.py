"""What is sent is proven in the pass that sends it."""

import asyncio
import hashlib
import zlib

import pytest

from ferry.deposit.body import SentProof, proven_body
from ferry.errors import IntegrityError


def send(chunks, **upload):
    proof = SentProof(key="a")
    sent = []

    async def collect():
        async for chunk in proven_body(iter(chunks), upload=upload, proof=proof):
            sent.append(chunk)

    try:
        asyncio.run(collect())
    except IntegrityError as error:
        return sent, proof, error
    return sent, proof, None


@pytest.mark.parametrize("chunks", [[], [b"x"], [b"ab", b"cd"], [b"a"] * 7])
def test_the_right_bytes_go_through_and_are_hashed(chunks):
    data = b"".join(chunks)
    sent, proof, error = send(chunks, size_bytes=len(data), adler32=f"{zlib.adler32(data):08x}")
    assert error is None
    assert b"".join(sent) == data
    assert (proof.size_bytes, proof.md5) == (len(data), hashlib.md5(data).hexdigest())


def test_an_edited_file_with_the_size_and_the_adler32_of_before_never_arrives_in_full():
    before, edited = b"x=131 GeV\n", b"x=212 GeV\n"
    adler32 = f"{zlib.adler32(before):08x}"
    assert adler32 == f"{zlib.adler32(edited):08x}"
    sent, _, error = send([edited], size_bytes=len(before), adler32=adler32, crc32=f"{zlib.crc32(before):08x}")
    assert f"crc32 {zlib.crc32(edited):08x}" in str(error)
    assert sent == []


@pytest.mark.parametrize("chunks", [[b"ab", b"cX"], [b"ab"], [b"ab", b"cd", b"e"], []])
def test_a_changed_shorter_or_longer_file_never_arrives_in_full(chunks):
    sent, _, error = send(chunks, size_bytes=4, adler32=f"{zlib.adler32(b'abcd'):08x}")
    assert "expected 4 bytes" in str(error)
    assert len(b"".join(sent)) < 4
