"""What people write down of files beside them: manifests as sha256sum and md5sum make them, and those of BagIt.

A manifest says which files there are and what their bytes must be. It is believed only as a whole: each of its lines is
of a file that is there, each file has a line, and no two lines of one file differ.
"""

import hashlib
import logging
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferry.checksums import HEX_DIGITS
from ferry.errors import IntegrityError, MetadataError, disk_error
from ferry.source.local_files import LocalFile, named, same_form
from ferry.text.formatting import plural

log = logging.getLogger(__name__)

BAG = "bagit.txt"
_PAYLOAD = "data/"
_FETCH = "fetch.txt"
MOST_BYTES = 256 << 20
"""Of a manifest: a line of 200 bytes for each of a million files."""

_NAME = re.compile(r"(?:.*[._-])?(?:md5|sha1|sha256|sha512)(?:sums?)?(?:\.txt)?|checksums?(?:\.txt)?", re.IGNORECASE)
_OF_BAG = re.compile(r"manifest-(md5|sha1|sha256|sha512)\.txt")
_OF_TAGS = re.compile(r"tagmanifest-(md5|sha1|sha256|sha512)\.txt")
_NOT_READ = re.compile(
    r"(?:.*[._-])?(?:b[23]|blake[23]?[bs]?|sha224|sha384|sha3[-_]?\d*|sha512[-_]\d+|crc32c?|sfv)"
    r"(?:sums?)?(?:\.txt)?",
    re.IGNORECASE | re.DOTALL,
)
"""Names of manifests of other algorithms."""
_GNU = re.compile(r"(?P<digits>[0-9A-Fa-f]{32,128})(?: [ *]?|\t)(?P<name>.+)", re.DOTALL)
_BSD = re.compile(r"(?P<algorithm>[A-Za-z0-9-]+) ?\((?P<name>.+)\) ?= ?(?P<digits>[0-9A-Fa-f]{32,128})", re.DOTALL)
_BAGIT = re.compile(r"(?P<digits>[0-9A-Fa-f]{32,128})[ \t]+\*?(?P<name>.+)", re.DOTALL)
_ALGORITHMS = {digits: name for name, digits in HEX_DIGITS.items() if name != "adler32"}
_READ = ", ".join(_ALGORITHMS.values())
_STRONGEST = ("sha512", "sha256", "sha1", "md5")
_ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}
_ESCAPES_OF_BAG = {"%0A": "\n", "%0D": "\r", "%25": "%"}


@dataclass(frozen=True)
class SortedOut:
    """What of the files of a folder is data, and what lies beside them and is none.

    folder: for messages.
    there: all of it, by its path there.
    data: by their path as they are named from here on.
    manifests, beside: names of those that are manifests, and of all that is no data.
    is_bag: it has the form of BagIt.
    """

    folder: str
    there: Mapping[str, LocalFile]
    data: Mapping[str, LocalFile]
    manifests: Sequence[str]
    beside: Sequence[str]
    is_bag: bool

    @property
    def kind_beside(self) -> str:
        """What is no data, for messages."""
        return "what lies beside the payload of a bag" if self.is_bag else "what is named as a manifest"

    @property
    def not_read(self) -> str:
        """What is to be said of files that are manifests by their names, of an algorithm that is not read here."""
        names = [name for name in self.there if _NOT_READ.fullmatch(name.rpartition("/")[2])]
        return f"{named(names)} is by its name a manifest that is not read, as {_READ} are" if names else ""

    @property
    def prefix(self) -> str:
        """What comes before the names of data."""
        return _PAYLOAD if self.is_bag else ""


@dataclass(frozen=True)
class _Line:
    where: str
    name: str
    algorithm: str
    value: str


def sort_out(there: Mapping[str, LocalFile], *, folder: str, listed: Collection[Path] = ()) -> SortedOut:
    """Tell manifests from data, among the files of a folder by their paths in it; what is no data is told in the log.

    A manifest lies in any folder, and is told by its name; a file of the record (`listed`) is none. In a bag
    (bagit.txt) the data are what lies in data/, and keep their paths below that; manifests lie beside that.

    Raises:
        IntegrityError: it is a bag that is not whole.
    """
    may_be = {name: file for name, file in there.items() if file.path not in listed}
    is_bag = BAG in may_be
    if is_bag and may_be.get(_FETCH) and may_be[_FETCH].size_bytes:
        raise IntegrityError(f"{folder}: expected a bag with all its files, found {_FETCH}: fetch those that it lists")
    if is_bag:
        manifests = [name for name in may_be if _OF_BAG.fullmatch(name)]
        beside = [name for name in may_be if not name.startswith(_PAYLOAD)]
    else:
        manifests = beside = [name for name in may_be if _NAME.fullmatch(name.rpartition("/")[2])]
    left_out = set(beside)
    data = {name: file for name, file in there.items() if name not in left_out}
    if is_bag:
        data = {name.removeprefix(_PAYLOAD): file for name, file in data.items()}
    found = SortedOut(folder, there, data, manifests, beside, is_bag)
    if beside:
        log.info("%s: left out, %s: %d, %s", folder, found.kind_beside, len(beside), named(beside))
    return found


def read_statements(found: SortedOut) -> dict[Path, Sequence[Mapping[str, str]]]:
    """Return what manifests say of data, by the path where it was found, the strongest first.

    Raises:
        MetadataError: a manifest cannot be read as one, or says nothing.
        IntegrityError: lines of files that are not there, or lines that differ about one file.
    """
    lines = {name: list(_lines(found.there[name], name)) for name in found.manifests}
    for name, said in lines.items():
        if not said and found.data:
            raise MetadataError(
                f"{found.there[name].path}: expected a line for each file, found none: it is empty; write the manifest "
                "anew, or leave it out by source.ignore"
            )
    said_of = _by_file(lines, found)
    if found.is_bag:
        _require_whole_bag(found, said_of, lines)
    return {
        found.data[name].path: [
            {"algorithm": algorithm, "value": said[algorithm].value} for algorithm in _STRONGEST if algorithm in said
        ]
        for name, said in said_of.items()
    }


def _by_file(lines: Mapping[str, Sequence[_Line]], found: SortedOut) -> dict[str, dict[str, _Line]]:
    forms: defaultdict[str, list[str]] = defaultdict(list)
    for name in found.data:
        forms[same_form(name)].append(name)
    said: dict[str, dict[str, _Line]] = {}
    gone: list[_Line] = []
    manifests = set(found.manifests)

    def meant(line: _Line, folder: str) -> list[str]:
        """Return the data of a line: from the manifest's own folder, else from that of the record."""
        for name in (f"{folder}{line.name}", line.name) if folder else (line.name,):
            if name in manifests:
                return [name]
            bare = name.removeprefix(found.prefix)
            alike = [bare] if bare in found.data else forms[same_form(bare)]
            if alike and name.startswith(found.prefix):
                return alike
        return []

    for manifest in lines:
        folder = manifest[: manifest.rfind("/") + 1]
        for line in lines[manifest]:
            alike = meant(line, folder)
            if len(alike) != 1:
                gone.append(line)
            elif alike[0] in found.data:  # `sha256sum * > SHA256SUMS` writes of itself too, and cannot be right
                before = said.setdefault(alike[0], {}).setdefault(line.algorithm, line)
                if before.value != line.value:
                    raise IntegrityError(
                        f"{found.folder}: expected one {line.algorithm} of {line.name}, found {before.value} "
                        f"({before.where}) and {line.value} ({line.where}); correct the one that is wrong"
                    )
    if gone:
        raise IntegrityError(
            f"{found.folder}: expected each line of its manifests to be of a file that is there, found "
            f"{len(gone)} of none: {named((line.name for line in gone), among=found.data)} ({gone[0].where}); bring "
            "the files, or write the manifest anew"
        )
    return said


def _require_whole_bag(
    found: SortedOut, said_of: Mapping[str, Mapping[str, _Line]], lines: Mapping[str, Sequence[_Line]]
) -> None:
    """Refuse a bag that BagIt calls incomplete or invalid by its manifests, or by those of its tag files."""
    if not lines:
        read = f" that is read ({found.not_read})" if found.not_read else ""
        raise IntegrityError(
            f"{found.folder}: expected a manifest of the payload of this bag, as manifest-sha256.txt, found none{read}"
            f"; write one, or take {BAG} away if it is no bag"
        )
    for manifest in lines:
        algorithm = manifest.removeprefix("manifest-").removesuffix(".txt")
        lacking = [name for name in found.data if algorithm not in said_of.get(name, {})]
        if lacking:
            raise IntegrityError(
                f"{found.there[manifest].path}: expected a line for each file of the payload, as of each manifest of a "
                f"bag, found {plural(len(lacking), 'file')} without one: {named(lacking, among=found.data)}; write it "
                "anew, or take out what is no payload"
            )
    for name in filter(_OF_TAGS.fullmatch, found.beside):
        for line in _lines(found.there[name], name):
            file = None if line.name.startswith(_PAYLOAD) else found.there.get(line.name)
            if file is None:
                raise IntegrityError(
                    f"{found.folder}: expected each line of {name} to be of a file beside the payload, found "
                    f"{line.name} ({line.where}), which is not there; bring it, or write the manifest anew"
                )
            value = _digest(file, line.algorithm)
            if value != line.value:
                raise IntegrityError(
                    f"{file.path}: expected {line.algorithm} {line.value} ({line.where}), found {value}; it was "
                    f"changed after {name} was written: bring the right one, or write {name} anew"
                )


def _digest(file: LocalFile, algorithm: str) -> str:
    try:
        with file.opened() as descriptor, open(descriptor, "rb", closefd=False) as stream:
            return hashlib.file_digest(stream, algorithm).hexdigest()
    except OSError as error:
        raise disk_error(file.path, "be read", error) from error


def _lines(file: LocalFile, name: str) -> Iterator[_Line]:
    # Not by splitlines: a name may hold what that takes for the end of a line.
    text = os.fsdecode(_read(file)).removeprefix("\ufeff")
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        parsed = _parsed(line, f"{name} line {number}", is_of_bag=_is_of_bag(name))
        if parsed is None:  # what it says is not told: the file may be anything
            raise MetadataError(
                f"{file.path}: line {number}: expected a checksum ({_READ}) and a name, "
                "found none; a file of such a name is read as a manifest: correct it, or leave it out by source.ignore"
            )
        yield parsed


def _is_of_bag(name: str) -> bool:
    last = name.rpartition("/")[2].removeprefix("tag")
    return bool(_OF_BAG.fullmatch(last))


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
