"""What a careless hand, a misplaced restore or a decaying disk does to the files that runs have left."""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tampering:
    """One thing that was done, in words, with the files that it touched."""

    what: str
    paths: tuple[Path, ...]


def tamper(folder: Path, chance: random.Random) -> Tampering | None:
    """Do one thing to one file below results/ or data/, of any kind; None where there is none yet."""
    kinds = _by_kind(folder)
    if not kinds:
        return None
    if chance.random() < 0.08:
        return _remove_folder(folder, chance)
    path = chance.choice(kinds[chance.choice(sorted(kinds))])
    act = chance.choice([_delete, _truncate, _flip, _flip, _swap, _swap, _overwrite])
    keeps_time = chance.random() < 0.5
    done = act(path, chance, _Times(keeps_time))
    if done is None:  # no other record has such a file
        done = _delete(path, chance, _Times(keeps_time))
    suffix = ", times kept" if keeps_time else ""
    return Tampering(f"{done[0]}{suffix}", tuple(each.relative_to(folder) for each in done[1]))


def _by_kind(folder: Path) -> dict[str, list[Path]]:
    """Return all files by what they are, so that each kind is as likely as another, however many there are of it."""
    kinds: dict[str, list[Path]] = {}
    for top in ("results", "data"):
        for path in sorted((folder / top).rglob("*")):
            parts = path.relative_to(folder).parts
            if path.is_symlink() or not path.is_file() or "sandbox" in parts:
                continue
            if not parts[1].isdecimal():
                kind = "results"
            elif len(parts) == 3:
                kind = path.name  # each receipt, and each state of a record
            else:
                kind = parts[2]  # files, bundles, attachments
            kinds.setdefault(kind, []).append(path)
    return kinds


@dataclass(frozen=True)
class _Times:
    """Writes a file as a tool does that keeps its time, or that does not."""

    kept: bool

    def write(self, path: Path, content: bytes) -> None:
        before = path.stat()
        path.write_bytes(content)
        if self.kept:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


_Done = tuple[str, list[Path]]
_Act = Callable[[Path, random.Random, _Times], _Done | None]


def _delete(path: Path, _chance: random.Random, _times: _Times) -> _Done:
    path.unlink()
    return f"deleted {path.name}", [path]


def _truncate(path: Path, chance: random.Random, times: _Times) -> _Done | None:
    content = path.read_bytes()
    if not content:
        return None
    length = chance.randrange(len(content))
    times.write(path, content[:length])
    return f"cut {path.name} to {length} of {len(content)} bytes", [path]


def _flip(path: Path, chance: random.Random, times: _Times) -> _Done | None:
    content = bytearray(path.read_bytes())
    if not content:
        return None
    place = chance.randrange(len(content))
    before = bytes([content[place]])
    content[place] ^= 1 << chance.randrange(7)
    times.write(path, bytes(content))
    return f"changed byte {place} of {path.name} from {before!r} to {bytes([content[place]])!r}", [path]


def _swap(path: Path, chance: random.Random, times: _Times) -> _Done | None:
    other = _same_of_another(path, chance)
    if other is None:
        return None
    ours, theirs = path.read_bytes(), other.read_bytes()
    times.write(path, theirs)
    times.write(other, ours)
    return f"swapped {path.name} with that of another record", [path, other]


def _overwrite(path: Path, chance: random.Random, times: _Times) -> _Done | None:
    other = _same_of_another(path, chance)
    if other is None:
        return None
    times.write(path, other.read_bytes())
    return f"overwrote {path.name} with that of another record", [path, other]


def _same_of_another(path: Path, chance: random.Random) -> Path | None:
    """Return the file of the same kind of another record, where the same name exists in its place."""
    top = next((parent for parent in path.parents if parent.name.isdecimal()), None)
    if top is None:
        return None
    inner = path.relative_to(top)
    if inner.parts[0] in ("bundles", "attachments"):
        pattern = str(inner).replace(top.name, "*")
    else:
        pattern = str(inner).replace("[", "[[]")
    others = sorted(each for each in top.parent.glob(f"[1-9]*/{pattern}") if top not in each.parents and each.is_file())
    return chance.choice(others) if others else None


def _remove_folder(folder: Path, chance: random.Random) -> Tampering | None:
    records = sorted(path for top in ("results", "data") for path in (folder / top).glob("[1-9]*") if path.is_dir())
    whole = [path for path in (folder / "data",) if path.is_dir()]
    if not records:
        return None
    path = chance.choice(whole) if whole and chance.random() < 0.2 else chance.choice(records)
    shutil.rmtree(path)
    return Tampering("deleted the folder", (path.relative_to(folder),))
