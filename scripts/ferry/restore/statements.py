"""What is known of the files of a record before they are fetched: by its proof, by its manifest, or by nothing of ours.

The strongest that is there counts. A proof was made here, of what the source declares. A manifest went up with the
record, and is the repository's word as much as ours. Without either there is the repository's own MD5 of each upload,
and the CRC-32 that a bundle has of its members.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ferry.errors import IntegrityError
from ferry.repository.models import RemoteFile
from ferry.schemas import problems
from ferry.strict_json import strict_json
from ferry.upload_names import RO_CRATE_KEY, manifest_key, source_key

ProvenBy = Literal["proof", "manifest", "repository", "bundle"]


@dataclass(frozen=True)
class StatedFile:
    """A file of a record, as it has to be."""

    key: str
    size_bytes: int
    checksums: tuple[Mapping[str, str], ...]
    """`{"algorithm", "value"}` each; all have to be right."""
    uploaded_key: str
    """What holds its bytes in the repository: itself, or a bundle."""
    proven_by: ProvenBy
    original_name: str | None = None


@dataclass(frozen=True)
class Statement:
    """What is known of a record."""

    by: ProvenBy
    files: tuple[StatedFile, ...]
    """All of them; but those in `unlisted`."""
    unlisted: frozenset[str] = frozenset()
    """Bundles of which nobody says what they hold."""
    foreign: tuple[str, ...] = ()
    """Keys of the record that are none of ours."""
    md5s: Mapping[str, str] = field(default_factory=dict)
    """Of the uploads by key, as far as anybody says."""

    @property
    def bundles(self) -> frozenset[str]:
        """Keys of all bundles."""
        return self.unlisted | {file.uploaded_key for file in self.files if file.uploaded_key != file.key}


def read_manifest(text: bytes, *, recid: int, identifier: str) -> dict[str, Any]:
    """Return the manifest of a record.

    Raises:
        IntegrityError: it is none, or that of another record.
    """
    name = manifest_key(recid)
    try:
        document = strict_json(text)
    except ValueError as error:
        raise IntegrityError(f"{name}: expected the manifest of a record, found no JSON: {error}") from error
    if found := problems(document, "manifest"):
        raise IntegrityError(f"{name}: expected the manifest of a record, found something else: {found[0]}")
    whose = (document["recid"], document["source"])
    if whose != (recid, identifier):
        raise IntegrityError(f"{name}: expected the manifest of {recid} ({identifier}), found that of {whose}")
    manifest: dict[str, Any] = document
    return manifest


def by_manifest(manifest: Mapping[str, Any], listed: Sequence[RemoteFile]) -> Statement:
    """Return what a manifest says of a record that has these files.

    Raises:
        IntegrityError: the record lacks something, or has it in another length.
    """
    files = [
        StatedFile(
            key=line["key"],
            size_bytes=line["size_bytes"],
            checksums=_checksums(line, "md5", "adler32"),
            uploaded_key=line["bundle"] or line["key"],
            proven_by="manifest",
            original_name=line.get("original_name"),
        )
        for line in manifest["files"]
    ]
    sizes = {bundle["key"]: bundle["size_bytes"] for bundle in manifest["bundles"]}
    md5s = {bundle["key"]: bundle["md5"] for bundle in manifest["bundles"] if bundle["md5"]}
    sizes |= {file.key: file.size_bytes for file in files if file.uploaded_key == file.key}
    return _held_against(files, sizes, md5s, listed, by="manifest", recid=manifest["recid"])


def by_proof(proof: Mapping[str, Any], listed: Sequence[RemoteFile]) -> Statement:
    """Return what the proof of a record says of it; otherwise as `by_manifest`."""
    files = [
        StatedFile(
            key=line["key"],
            size_bytes=line["size_bytes"],
            checksums=(*_checksums(line, "md5", "adler32", "crc32"), *_declared(line)),
            uploaded_key=line["uploaded_key"],
            proven_by="proof",
            original_name=line.get("original_name"),
        )
        for line in proof["files"]
    ]
    ours = [upload for upload in proof["uploads"] if upload["kind"] != "attachment"]
    return _held_against(
        files,
        {upload["key"]: upload["size_bytes"] for upload in ours},
        {upload["key"]: upload["md5"] for upload in ours},
        listed,
        by="proof",
        recid=proof["recid"],
    )


def by_listing(listed: Sequence[RemoteFile], *, recid: int) -> Statement:
    """Return what the repository alone says of a record; bundles are known by their names.

    Raises:
        IntegrityError: it does not say the length of a file.
    """
    bundle_name = re.compile(rf"{recid}_bundle(_\d{{3,}})?\.zip")
    ours = [file for file in listed if file.key not in _attachments(recid)]
    for file in ours:
        if file.size_bytes is None:
            raise IntegrityError(f"{file.key}: expected its length in the repository's list, found none")
    loose = [file for file in ours if not bundle_name.fullmatch(file.key)]
    files = tuple(
        StatedFile(
            key=file.key,
            size_bytes=file.size_bytes or 0,
            checksums=_checksums({"md5": file.md5}, "md5"),
            uploaded_key=file.key,
            proven_by="repository",
        )
        for file in loose
    )
    unlisted = frozenset(file.key for file in ours) - {file.key for file in loose}
    return Statement("repository", files, unlisted=unlisted, md5s={file.key: file.md5 for file in ours if file.md5})


def _held_against(
    files: Sequence[StatedFile],
    sizes: Mapping[str, int],
    md5s: Mapping[str, str],
    listed: Sequence[RemoteFile],
    *,
    by: ProvenBy,
    recid: int,
) -> Statement:
    there = {file.key: file for file in listed}
    if lacking := sorted({file.uploaded_key for file in files} - sizes.keys()):
        raise IntegrityError(
            f"{lacking[0]}: expected it among the uploads that the {by} of {recid} names, found it not"
        )
    for key in sorted({file.uploaded_key for file in files}):
        if key not in there:
            raise IntegrityError(f"{recid}, {key}: expected it in the repository, as the {by} says, found none")
        if there[key].size_bytes != sizes[key]:
            raise IntegrityError(
                f"{recid}, {key}: expected {sizes[key]} bytes, as the {by} says, the repository lists "
                f"{there[key].size_bytes}"
            )
    foreign = tuple(sorted(there.keys() - sizes.keys() - _attachments(recid)))
    return Statement(by, tuple(files), foreign=foreign, md5s=md5s)


def _attachments(recid: int) -> frozenset[str]:
    return frozenset({source_key(recid), manifest_key(recid), RO_CRATE_KEY})


def _checksums(line: Mapping[str, Any], *names: str) -> tuple[Mapping[str, str], ...]:
    return tuple({"algorithm": name, "value": line[name]} for name in names if line[name])


def _declared(line: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    """Yield what the source declares, and what manifests beside its files state, but for what is there anyway."""
    declared = line["declared"] or {}
    stated: Iterable[Mapping[str, str] | None] = (declared.get("checksum"), *line.get("stated", ()))
    for checksum in stated:
        if checksum and checksum["algorithm"] not in ("md5", "adler32"):
            yield checksum
        elif checksum and checksum["value"] != line[checksum["algorithm"]] is not None:
            raise IntegrityError(f"{line['key']}: expected one {checksum['algorithm']} in its proof, found two")
