"""The file that tells which bytes the repository has: written last, of what it has confirmed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.bundle.attachments import attach
from ferry.deposit.plan import LocalFile
from ferry.upload_names import manifest_key

_TOLD = ("verified", "original_name")
"""Of the receipt `download`."""


@dataclass(frozen=True)
class Manifest:
    """The file that goes up last, since it tells what the repository has confirmed of all others."""

    recid: int
    source: str
    """The identifier by which the record is found again."""
    uploads: Sequence[Mapping[str, Any]]
    """Of the receipt `package`."""
    downloaded: Sequence[Mapping[str, Any]]
    """Files of the receipt `download`: what each was verified by, and what it was called before it got its key."""
    data_dir: Path
    left_out: Mapping[str, Any] | None = None
    """Of the receipt `source`: files of the record that do not go up, because source.files chose others."""

    @property
    def key(self) -> str:
        """Its name in the repository."""
        return manifest_key(self.recid)

    def make(self, confirmed: Sequence[LocalFile]) -> dict[str, Any]:
        """Write it; the same files always give the same bytes.

        Args:
            confirmed: each upload with the md5 that was computed while it was sent and read back.

        Returns:
            Its entry, in the form that entries of the receipt `package` have.
        """
        document = {
            "recid": self.recid,
            "source": self.source,
            "files": sorted(self._files(confirmed), key=lambda file: str(file["key"])),
            "bundles": [
                {"key": sent.key, "size_bytes": sent.size_bytes, "adler32": sent.adler32, "md5": sent.md5}
                for sent in sorted(confirmed, key=lambda sent: sent.key)
                if sent.member_md5s
            ],
            **({"left_out": dict(self.left_out)} if self.left_out else {}),
        }
        return attach(self.key, document, self.data_dir)

    def _files(self, confirmed: Sequence[LocalFile]) -> Iterator[dict[str, str | int | None]]:
        sent_by_key = {sent.key: sent for sent in confirmed}
        told = {file["key"]: {name: file[name] for name in _TOLD if name in file} for file in self.downloaded}
        for upload in self.uploads:
            sent = sent_by_key[upload["key"]]
            if upload["kind"] == "file":
                yield _line(upload, md5=sent.md5, bundle=None) | told[upload["key"]]
            for member in upload["members"]:
                line = _line(member, md5=sent.member_md5s[member["key"]], bundle=sent.key)
                yield line | told[member["key"]]


def _line(file: Mapping[str, Any], *, md5: str | None, bundle: str | None) -> dict[str, str | int | None]:
    return {
        "key": file["key"],
        "size_bytes": file["size_bytes"],
        "adler32": file["adler32"],
        "md5": md5,
        "bundle": bundle,
        "member": file["key"] if bundle else None,
    }
