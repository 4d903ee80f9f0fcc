"""One change at a time to what a run has left, each found by `check`, and undone again."""

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ferry.receipts import take_seal, write_receipt

RECEIPTS = ("source", "download", "record", "mapping", "package", "upload", "published", "proof", "stats")
"""In the order of the chain."""


@dataclass(frozen=True)
class Tamper:
    """What was done, in words, what has to be named for it, and how it is undone."""

    what: str
    named: str
    undo: Callable[[], None]


def tamper_here(folder: Path, chance: random.Random) -> Tamper:
    """Change one thing below results/ or data/ of a run that is through."""
    acts = [_flip_receipt, _flip_receipt, _flip_data, _flip_data, _flip_data, _lose_data, _swap_data]
    acts += [_swap_receipt, _lose_receipt, _forge_proof, _change_manifest]
    done = None
    while done is None:  # not every record has each of it
        done = chance.choice(acts)(folder, chance)
    return done


def _flip_receipt(folder: Path, chance: random.Random) -> Tamper | None:
    path = _receipt(folder, chance, RECEIPTS)
    return path and _flip(path, chance)


def _flip_data(folder: Path, chance: random.Random) -> Tamper | None:
    kind = chance.choice(("files", "bundles", "attachments"))
    paths = [path for path in _data(folder, kind) if path.stat().st_size and not path.name.endswith(".packed.json")]
    return _flip(chance.choice(paths), chance) if paths else None


def _flip(path: Path, chance: random.Random) -> Tamper:
    data = bytearray(path.read_bytes())
    at, bit = chance.randrange(len(data)), chance.randrange(8)
    data[at] ^= 1 << bit
    return _replaced(f"changed bit {bit} of byte {at} of {path}", {path: bytes(data)}, named=path)


def _lose_data(folder: Path, chance: random.Random) -> Tamper | None:
    paths = [path for kind in ("files", "attachments") for path in _data(folder, kind)]
    path = chance.choice(paths)
    return _replaced(f"removed {path}", {path: None}, named=path)


def _swap_data(folder: Path, chance: random.Random) -> Tamper | None:
    one, other = chance.sample(_data(folder, "files"), 2)
    contents = {one: other.read_bytes(), other: one.read_bytes()}
    if contents[one] == contents[other]:
        return None
    return _replaced(f"swapped {one} and {other}", contents, named=one)


def _swap_receipt(folder: Path, chance: random.Random) -> Tamper | None:
    one = _receipt(folder, chance, RECEIPTS)
    other = one and _receipt(folder, chance, (one.stem,))
    if one is None or other is None or one == other:
        return None
    return _replaced(f"swapped {one} and {other}", {one: other.read_bytes(), other: one.read_bytes()}, named=one)


def _lose_receipt(folder: Path, chance: random.Random) -> Tamper | None:
    """Remove any but the last one: a record without it is one that a plain run goes on with."""
    path = _receipt(folder, chance, RECEIPTS[:-1])
    return path and _replaced(f"removed {path}", {path: None}, named=path.parent)


def _forge_proof(folder: Path, chance: random.Random) -> Tamper | None:
    """Change what a proof says, and close it with a digest that is right."""
    path = _receipt(folder, chance, ("proof",))
    assert path is not None
    before = path.read_bytes()
    document = json.loads(before)
    take_seal(document)
    listed = [*document["files"], *document["uploads"]]
    if not listed:
        return None
    entry = chance.choice(listed)
    name = chance.choice(["adler32", "size_bytes", "md5", "key"])
    value = entry[name]
    if value is None:
        return None
    entry[name] = value + 1 if isinstance(value, int) else _other_text(value, chance)
    write_receipt(path, "proof", document)
    forged = path.read_bytes()
    path.write_bytes(before)
    return _replaced(f"forged {name} of {entry['key']} in {path}", {path: forged}, named=path)


def _other_text(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text))
    return text[:at] + ("1" if text[at] == "0" else "0") + text[at + 1 :]


def _change_manifest(folder: Path, chance: random.Random) -> Tamper | None:
    path = folder / "results" / "manifest-sha256.txt"
    if chance.random() < 0.2:
        return _replaced(f"removed {path}", {path: None}, named=path)
    return _flip(path, chance)


def _receipt(folder: Path, chance: random.Random, names: "list[str] | tuple[str, ...]") -> Path | None:
    paths = sorted((folder / "results").glob(f"[1-9]*/{chance.choice(names)}.json"))
    return chance.choice(paths) if paths else None


def _data(folder: Path, kind: str) -> list[Path]:
    return sorted(path for path in (folder / "data").glob(f"[1-9]*/{kind}/**/*") if path.is_file())


def _replaced(what: str, contents: dict[Path, bytes | None], *, named: Path) -> Tamper:
    """Give files other contents, None removes one, and keep their times, as a disk that decays does."""
    before = {path: (path.read_bytes(), path.stat()) for path in contents}
    for path, content in contents.items():
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
            os.utime(path, ns=(before[path][1].st_atime_ns, before[path][1].st_mtime_ns))

    def undo() -> None:
        for path, (content, times) in before.items():
            path.write_bytes(content)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    return Tamper(what, "/".join(named.parts[-2:]), undo)
