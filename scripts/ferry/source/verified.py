"""What was proven about the files of one record, and a small state file that remembers it between runs.

The state file holds one JSON line for each file, appended after its bytes were forced to the disk and it got its final
name. It is believed only where size and modification time still say that the file was not touched; otherwise, or when
the state file is gone, the file is read and proven anew. So nothing depends on it but time.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.checksums import digest_file
from ferry.errors import IntegrityError, disk_error
from ferry.jsonl import append, read_lines

SourceFile = dict[str, Any]
"""One entry of `files` in the receipt `source`. What manifests beside it on the disk say of it stands in
`stated`, the strongest first."""


@dataclass(frozen=True)
class Proof:
    """What the bytes of a file were found to be; `mtime_ns` ties it to the file on the disk."""

    key: str
    size_bytes: int
    mtime_ns: int
    digests: dict[str, str]
    uri: str = ""
    """Of the file at the source, as the record gave it; only where there is no checksum does it have to be known."""


def verify(file: SourceFile, *, size_bytes: int, digests: dict[str, str], found_at: str) -> str:
    """Return what the record's own statement proves about these bytes: a checksum's name, `size` or `none`.

    Raises:
        IntegrityError: size or checksum are not what the record says; the message names both.
    """
    if file["size_bytes"] is not None and size_bytes != file["size_bytes"]:
        raise IntegrityError(f"{found_at}: expected {file['size_bytes']!r} bytes, found {size_bytes}")
    stated = checksums_of(file)
    for checksum in stated:
        algorithm = checksum["algorithm"]
        if digests[algorithm] != checksum["value"]:
            expected = f"{algorithm} {checksum['value']}{_by_whom(file, checksum)}"
            raise IntegrityError(f"{found_at}: expected {expected}, found {digests[algorithm]}")
    if not stated:
        return "none" if file["size_bytes"] is None else "size"
    return str(stated[0]["algorithm"])


def _by_whom(file: SourceFile, checksum: Mapping[str, str]) -> str:
    if checksum not in file.get("stated", ()):
        return ""
    holds = (
        ""
        if file["checksum"] in file["stated"]
        else f"; by the record's own {file['checksum']['algorithm']} it is right"
    )
    return f" (says a manifest beside it{holds})"


def checksums_of(file: SourceFile) -> list[dict[str, str]]:
    """Return all checksums that are stated of a file: that of its record, and those of manifests beside it."""
    return [checksum for checksum in (file["checksum"], *file.get("stated", ())) if checksum]


def hash_file(file: SourceFile, path: Path) -> Proof:
    """Read the file and say what it is; if it changes meanwhile, its times no longer fit and nobody believes it."""
    before = path.stat()
    digests = digest_file(path, *(checksum["algorithm"] for checksum in checksums_of(file)))
    return Proof(file["key"], digests.size_bytes, before.st_mtime_ns, digests.values(), file["uri"])


def receipt_entry(file: SourceFile, proof: Proof, verified: str) -> dict[str, Any]:
    """Return the file's entry in the receipt `download`."""
    entry = {
        "key": file["key"],
        "size_bytes": proof.size_bytes,
        "adler32": proof.digests["adler32"],
        "crc32": proof.digests["crc32"],
        "verified": verified,
    }
    return entry | {name: file[name] for name in ("original_name", "stated") if name in file}


class VerifiedFiles:
    """The proofs of one record's files, kept in a state file."""

    def __init__(self, path: Path) -> None:
        """Read the state file `path` if there is one; lines that a killed run left torn are skipped.

        Raises:
            DiskError: it is there and cannot be read.
        """
        self.path = path
        self._proofs: dict[str, Proof] = {}
        try:
            for line in read_lines(path):
                with suppress(TypeError):  # of another version
                    proof = Proof(**line)
                    self._proofs[proof.key] = proof
        except OSError as error:
            raise disk_error(path, "be read", error) from error

    def find(self, file: SourceFile, path: Path) -> Proof | None:
        """Return what was proven about the file if it is still the same one, and if that is all we have to know.

        Without a checksum nothing but its address tells it from another of the same size.
        """
        proof = self._proofs.get(file["key"])
        if proof is None:
            return None
        stated = checksums_of(file)
        if not all(each["algorithm"] in proof.digests for each in stated) or (not stated and proof.uri != file["uri"]):
            return None
        try:
            now = os.stat(path)
        except OSError:
            return None
        return proof if (now.st_size, now.st_mtime_ns) == (proof.size_bytes, proof.mtime_ns) else None

    def add_new(self, proofs: list[Proof]) -> None:
        """Remember those of the proofs that are not remembered yet."""
        self.add([proof for proof in proofs if self._proofs.get(proof.key) != proof])

    def add(self, proofs: list[Proof]) -> None:
        """Remember the proofs; their files are on the disk under their final names.

        Those whose names are no text (bytes that are no UTF-8) are not remembered, and read again next time.

        Raises:
            DiskError: the disk did not take it.
        """
        proofs = [proof for proof in proofs if _is_text(proof.key)]
        if not proofs:
            return
        try:
            append(self.path, *map(vars, proofs))
        except OSError as error:
            raise disk_error(self.path, "be written", error) from error
        self._proofs.update((proof.key, proof) for proof in proofs)


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True
