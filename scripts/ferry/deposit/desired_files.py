"""The files that a record is to have in the repository, and what is known of their bytes from having read them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ferry.bundle.proof import MemberDigests
from ferry.deposit.body import SentProof, proven_body
from ferry.deposit.manifest import Manifest
from ferry.deposit.plan import LocalFile
from ferry.deposit.state import DepositState, SentFile
from ferry.receipts import digest
from ferry.source.keys import former_key

Upload = Mapping[str, Any]
"""One entry of `uploads` of the receipt `package`."""


def content_of(upload: Upload) -> str:
    """Return what tells the bytes of an upload from others, as `LocalFile.content`."""
    return digest({name: upload.get(name) for name in ("size_bytes", "adler32", "crc32", "members")})


class OpenUpload(Protocol):
    """Gives the bytes of an upload, chunk by chunk: all of them, or so many from an offset on."""

    def __call__(self, upload: Upload, /, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]: ...


CheckBytes = Callable[[Upload], object]
"""Sees that all that an upload is made of can be read; raises a BytesError."""


class DesiredFiles:
    """The uploads of one record, and its manifest once the others are confirmed."""

    def __init__(
        self,
        uploads: Sequence[Upload],
        *,
        open_upload: OpenUpload,
        state: DepositState,
        check_bytes: CheckBytes = bool,
        manifest: Manifest | None = None,
    ) -> None:
        """`state` remembers between runs what the bytes were found to be."""
        self.uploads = {upload["key"]: upload for upload in uploads}
        self.open_upload = open_upload
        self._state = state
        self._check_bytes = check_bytes
        self._manifest = manifest

    def files(self) -> list[LocalFile]:
        """Return the files, each with its md5 if it has been read."""
        files = []
        for key, upload in self.uploads.items():
            sent, content = self._state.sent.get(key), content_of(upload)
            is_same = sent is not None and sent.content == content
            known = sent if is_same and (not self._has_members(upload) or (sent and sent.member_md5s)) else None
            files.append(
                LocalFile(
                    key=key,
                    size_bytes=upload["size_bytes"],
                    adler32=upload["adler32"],
                    md5=known.md5 if known else None,
                    member_md5s=known.member_md5s if known else {},
                    content=content,
                )
            )
        return files

    def require(self, keys: Iterable[str]) -> None:
        """See that the bytes of these files can be read, before the repository is told of them.

        Raises:
            BytesError: what one of them is made of is gone, or has another length.
        """
        for key in keys:
            self._check_bytes(self.uploads[key])

    def former_keys(self) -> list[str]:
        """Return the names under which an earlier version of this program sent some of these files."""
        return [former for key in self.uploads if (former := former_key(key)) is not None]

    async def hash(self, key: str) -> SentProof:
        """Read a file only to hash it, and remember what was found.

        Raises:
            IntegrityError: it is not what was packed.
        """
        upload = self.uploads[key]
        proof = self.new_proof(upload)
        async for _ in proven_body(self.open_upload(upload), upload=upload, proof=proof):
            pass
        self.remember(proof)
        return proof

    def new_proof(self, upload: Upload) -> SentProof:
        """Return what takes the bytes of an upload into account while they are read."""
        members = MemberDigests(upload) if self._has_members(upload) else None
        return SentProof(key=upload["key"], members=members)

    def remember(self, proof: SentProof) -> None:
        """Write down what a file was found to be, once all of it was read."""
        sent = SentFile(
            size_bytes=proof.size_bytes,
            adler32=proof.adler32,
            md5=proof.md5,
            member_md5s=proof.member_md5s,
            content=content_of(self.uploads[proof.key]),
        )
        self._state.remember_sent(proof.key, sent)

    def add_manifest(self, confirmed: Sequence[LocalFile]) -> bool:
        """Add the manifest, made from the files that the repository has confirmed; tell whether there is a new one."""
        if self._manifest is None or self._manifest.key in self.uploads or not confirmed:
            return False
        self.uploads[self._manifest.key] = self._manifest.make(confirmed)
        return True

    def manifest_to_come(self) -> str | None:
        """Return the manifest's key, if there is to be one and it was not added yet."""
        return self._manifest.key if self._manifest is not None and self._manifest.key not in self.uploads else None

    def _has_members(self, upload: Upload) -> bool:
        return self._manifest is not None and upload["kind"] == "bundle"
