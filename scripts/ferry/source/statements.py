"""What people write down of files beside them: manifests as sha256sum and md5sum make them, and those of BagIt.

A manifest says which files there are and what their bytes must be. It is believed only as a whole: each of its lines is
of a file that is there, each file has a line, and no two lines of one file differ.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ferry.checksums import HEX_DIGITS
from ferry.errors import IntegrityError, MetadataError, disk_error
from ferry.source.local_files import LocalFile, named, same_form

BAG = "bagit.txt"
_PAYLOAD = "data/"
_FETCH = "fetch.txt"
MOST_BYTES = 256 << 20
"""Of a manifest: a line of 200 bytes for each of a million files."""

_NAME = re.compile(r"(?:.*[._-])?(?:md5|sha1|sha256|sha512)(?:sums?)?(?:\.txt)?|checksums?(?:\.txt)?", re.IGNORECASE)
_OF_BAG = re.compile(r"manifest-(md5|sha1|sha256|sha512)\.txt")
_GNU = re.compile(r"(?P<digits>[0-9A-Fa-f]{32,128})(?: [ *]?|\t)(?P<name>.+)", re.DOTALL)
_BSD = re.compile(r"(?P<algorithm>[A-Za-z0-9-]+) ?\((?P<name>.+)\) ?= ?(?P<digits>[0-9A-Fa-f]{32,128})", re.DOTALL)
_BAGIT = re.compile(r"(?P<digits>[0-9A-Fa-f]{32,128})[ \t]+\*?(?P<name>.+)", re.DOTALL)
_ALGORITHMS = {digits: name for name, digits in HEX_DIGITS.items() if name != "adler32"}
_STRONGEST = ("sha512", "sha256", "sha1", "md5")
_ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}
_ESCAPES_OF_BAG = {"%0A": "\n", "%0D": "\r", "%25": "%"}


@dataclass(frozen=True)
class Stated:
    """The data among the files of a folder, and what manifests beside them say of each.

    files: by their path as they are named from here on.
    checksums: of each file that has a line, the strongest first.
    manifests: names of those that were read.
    """

    files: Mapping[str, LocalFile]
    checksums: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    manifests: Sequence[str] = ()


@dataclass(frozen=True)
class _Line:
    where: str
    name: str
    algorithm: str
    value: str


def read_statements(there: Mapping[str, LocalFile], *, folder: str) -> Stated:
    """Read the manifests among the files of a folder, by their paths in it.

    A manifest lies in the folder itself, is told by its name, and is no data. In a bag (bagit.txt) the data are what
    lies in data/, and keep their paths below that.

    Raises:
        MetadataError: a manifest cannot be read as one.
        IntegrityError: lines of files that are not there, or lines that differ about one file.
    """
    is_bag = BAG in there
    if is_bag and there.get(_FETCH) and there[_FETCH].size_bytes:
        raise IntegrityError(f"{folder}: expected a bag with all its files, found {_FETCH}: fetch those that it lists")
    names = [name for name in there if (_OF_BAG if is_bag else _NAME).fullmatch(name)]
    data = {
        name.removeprefix(_PAYLOAD) if is_bag else name: file
        for name, file in there.items()
        if (name.startswith(_PAYLOAD) if is_bag else name not in names)
    }
    lines = [line for name in names for line in _lines(there[name], name)]
    return Stated(data, _by_file(lines, data, names, folder=folder, prefix=_PAYLOAD if is_bag else ""), names)


def _by_file(
    lines: Sequence[_Line], data: Mapping[str, LocalFile], manifests: Sequence[str], *, folder: str, prefix: str
) -> dict[str, list[Mapping[str, str]]]:
    forms: defaultdict[str, list[str]] = defaultdict(list)
    for name in data:
        forms[same_form(name)].append(name)
    said: dict[str, dict[str, _Line]] = {}
    gone = []
    for line in lines:
        if line.name in manifests:
            continue  # `sha256sum * > SHA256SUMS` writes of itself too, and cannot be right
        name = line.name.removeprefix(prefix)
        alike = [name] if name in data else forms[same_form(name)]
        if not line.name.startswith(prefix) or len(alike) != 1:
            gone.append(line)
            continue
        before = said.setdefault(alike[0], {}).setdefault(line.algorithm, line)
        if before.value != line.value:
            raise IntegrityError(
                f"{folder}: expected one {line.algorithm} of {line.name}, found {before.value} ({before.where}) and "
                f"{line.value} ({line.where}); correct the one that is wrong"
            )
    if gone:
        raise IntegrityError(
            f"{folder}: expected each line of its manifests to be of a file that is there, found "
            f"{len(gone)} of none: {named((line.name for line in gone), among=data)} ({gone[0].where}); bring the "
            "files, or write the manifest anew"
        )
    return {
        name: [
            {"algorithm": algorithm, "value": found[algorithm].value} for algorithm in _STRONGEST if algorithm in found
        ]
        for name, found in said.items()
    }


def _lines(file: LocalFile, name: str) -> Iterator[_Line]:
    # Not by splitlines: a name may hold what that takes for the end of a line.
    text = os.fsdecode(_read(file)).removeprefix("\ufeff")
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        parsed = _parsed(line, f"{name} line {number}", is_of_bag=bool(_OF_BAG.fullmatch(name)))
        if parsed is None:  # what it says is not told: the file may be anything
            raise MetadataError(
                f"{file.path}: line {number}: expected a checksum ({', '.join(_ALGORITHMS.values())}) and a name, "
                "found none; a file of such a name is read as a manifest: correct it, or leave it out by source.ignore"
            )
        yield parsed


def _parsed(line: str, where: str, *, is_of_bag: bool) -> _Line | None:
    is_escaped = line.startswith("\\")
    bare = line.removeprefix("\\")
    found = (_BAGIT if is_of_bag else _GNU).fullmatch(bare) or _BSD.fullmatch(bare)
    algorithm = _ALGORITHMS.get(len(found["digits"])) if found else None
    tag = found.groupdict().get("algorithm") if found else None
    if found is None or algorithm is None or (tag and tag.lower().replace("-", "") != algorithm):
        return None
    name = found["name"]
    if is_escaped:
        name = re.sub(r"\\[\\nr]", lambda each: _ESCAPES[each[0]], name)
    elif is_of_bag:
        name = re.sub(r"%(?:0A|0D|25)", lambda each: _ESCAPES_OF_BAG[each[0].upper()], name, flags=re.IGNORECASE)
    return _Line(where, re.sub(r"^(?:\./+)+", "", name), algorithm, found["digits"].lower())


def _read(file: LocalFile) -> bytes:
    if file.size_bytes > MOST_BYTES:
        raise MetadataError(f"{file.path}: expected a manifest of at most {MOST_BYTES} bytes, found {file.size_bytes}")
    try:
        with file.opened() as descriptor, open(descriptor, "rb", closefd=False) as stream:
            return stream.read(MOST_BYTES)
    except OSError as error:
        raise disk_error(file.path, "be read", error) from error
