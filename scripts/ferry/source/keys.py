"""Keys: the one name a file of a record has in data/<recid>/files, in a bundle and in the repository.

A key is a relative path with "/". It is the last part of the file's path at the source; where that would be ambiguous
it keeps the folders that tell the files apart, and where even these are equal to a file system that ignores case or
Unicode form it gets eight digits of a hash of the whole address. What some system cannot have as the name of a file, or
shows as another one, is escaped as in an address (%3A): so bundles unpack anywhere. Keys are stable (they depend on the
addresses only, not on their order), one-to-one, and reversible: source.json pairs each with its address.
"""

import hashlib
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import takewhile
from urllib.parse import unquote, urlsplit

from ferry.errors import MetadataError

# InvenioRDM takes at most 255 characters, Linux at most 255 bytes between two "/".
LONGEST_KEY_BYTES = 255
# As an inner segment these are the repository's own addresses: <key>/content, <key>/commit, <key>/container/<member>.
_REPOSITORY_ADDRESSES = {"content", "commit", "container"}
# Control characters, lone surrogates, line and paragraph separators.
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
# What Windows takes in no name, and what cannot be seen; most of that, and the marks of direction, is in Cf.
_NOT_IN_NAMES = re.compile(
    '[<>:"|?*\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]'
)
_UNSEEN = "Cf"
# Devices of Windows, whatever ending follows.
_DEVICE = re.compile(
    r"(con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$) *(\.|$)", re.I
)
_ESCAPES = re.compile("(?:%[0-9A-F]{2})+")


def file_keys(uris: Sequence[str], *, reserved: Iterable[str] = ()) -> list[str]:
    """Return one key for each address, in the same order.

    `reserved` are the names that the record's own uploads have (its metadata, its bundles): no file gets one. The
    addresses must differ from each other.
    """
    paths = [_segments(uri) for uri in uris]
    keys = [_no_address(key) for key in _with_folders(paths)]
    taken = Counter(_folded(name) for name in reserved)
    marks = [_mark(uri) for uri in uris]
    return _told_apart([_shortened(key, mark) for key, mark in zip(keys, marks, strict=True)], marks, taken)


def relative_keys(paths: Sequence[str], *, reserved: Iterable[str] = ()) -> list[str]:
    """Return one key for each relative path, folders kept: for data that lies on disk and that no record lists."""
    keys = [_no_address("/".join(_safe_path(path.split("/")))) for path in paths]
    taken = Counter(_folded(name) for name in reserved)
    marks = [_mark(path) for path in paths]
    return _told_apart([_shortened(key, mark) for key, mark in zip(keys, marks, strict=True)], marks, taken)


def former_key(key: str) -> str | None:
    """Return the key that the same file was given when fewer names were escaped, None if it is the same."""
    first, *inner = key.split("/")
    former = "/".join([_formerly(first), *map(_formerly, inner)])
    is_that = former != key and _no_address("/".join(_safe_path(former.split("/")))) == key
    return former if is_that else None


def _formerly(part: str) -> str:
    if part in {"%2E%2E", "%63ontent", "%63ommit"}:
        return part
    return _ESCAPES.sub(lambda found: "".join(map(_as_before, unquote(found[0], errors="surrogateescape"))), part)


def _as_before(char: str) -> str:
    return _escaped(char) if char in "%\\" or unicodedata.category(char) in _UNPRINTABLE else char


def path_of(uri: str) -> str:
    """Return the path of an address as the source means it: verbatim for root:// and file://, unquoted for http(s)."""
    scheme, _, rest = uri.partition("://")
    if scheme in {"http", "https"}:
        return unquote(urlsplit(uri).path)
    return rest if scheme == "file" else rest.partition("/")[2].partition("?")[0]


def _segments(uri: str) -> list[str]:
    return _safe_path(path_of(uri).split("/")) or ["unnamed"]


def _safe_path(parts: Iterable[str]) -> list[str]:
    return [_safe(part) for part in parts if part not in {"", "."}]


def _safe(part: str) -> str:
    if part == "..":
        return "%2E%2E"
    safe = "".join(map(_safe_char, part))
    if safe[-1] in ". ":  # Windows drops these
        safe = safe[:-1] + _escaped(safe[-1])
    return _escaped(safe[0]) + safe[1:] if _DEVICE.match(safe) else safe


@cache
def _safe_char(char: str) -> str:
    is_unseen = unicodedata.category(char) == _UNSEEN
    is_unsafe = is_unseen or _NOT_IN_NAMES.match(char) or _as_before(char) != char
    return _escaped(char) if is_unsafe else char


def _escaped(char: str) -> str:
    # a byte of a name on disk that is no UTF-8 is read as one of these, and is itself again
    errors = "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass"
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", errors))


def _no_address(key: str) -> str:
    first, *inner = key.split("/")
    return "/".join([first, *(_escaped(p[0]) + p[1:] if p in _REPOSITORY_ADDRESSES else p for p in inner)])


def _folded(name: str) -> str:
    # Equal for names that a file system without case, or with one Unicode form, takes for one.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _with_folders(paths: list[list[str]]) -> list[str]:
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index, path in enumerate(paths):
        groups[_folded(path[-1])].append(index)
    keys = [path[-1] for path in paths]
    for members in groups.values():
        if len(members) > 1:
            levels = zip(*([_folded(part) for part in paths[i][:-1]] for i in members), strict=False)
            common = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))
            for index in members:
                keys[index] = "/".join(paths[index][common:])
    return keys


def _told_apart(keys: list[str], marks: list[str], taken: Counter[str]) -> list[str]:
    names = Counter(_folded(key) for key in keys) + taken
    folders = {folder for key in keys for folder in _folders(key)}
    apart = [
        _marked(key, mark) if names[_folded(key)] > 1 or _folded(key) in folders else key
        for key, mark in zip(keys, marks, strict=True)
    ]
    if len({_folded(key) for key in apart}) < len(apart):
        raise MetadataError(
            f"expected addresses that differ from each other, found keys that do not: {sorted(apart)[:5]}"
        )
    return apart


def _folders(key: str) -> Iterable[str]:
    parts = _folded(key).split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


def _shortened(key: str, mark: str) -> str:
    return key if len(key.encode()) <= LONGEST_KEY_BYTES else _marked(key.rpartition("/")[2], mark)


def _marked(key: str, mark: str) -> str:
    stem, ext = os.path.splitext(key)
    if len(ext.encode()) > 20:
        stem, ext = key, ""
    room = LONGEST_KEY_BYTES - len(f"~{mark}{ext}".encode())
    return f"{stem.encode()[:room].decode(errors='ignore')}~{mark}{ext}"


def _mark(uri: str) -> str:
    return hashlib.sha256(uri.encode("utf-8", "surrogatepass")).hexdigest()[:8]
