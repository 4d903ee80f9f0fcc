"""What the rules that make tables of all records have left: by that, a table that was cut or edited since is told.

A table can be opened and saved by a program, or be cut by a copy that broke off, and Snakemake goes by times: one that
is newer counts as made. The manifest of the proofs is not among them: each of its lines is held against its proof.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from ferry.files import write_whole
from ferry.receipts import file_digest
from ferry.report.proof import manifest_text, read_manifest

DIGESTS = "digests"
"""In results/: a file for each rule, with the digests of its tables."""


def noted_path(rule: str, results_dir: Path) -> Path:
    """Return where it is written down how a rule has left its tables."""
    return results_dir / DIGESTS / f"{rule}.txt"


def note_tables(rule: str, tables: Iterable[Path], *, results_dir: Path) -> None:
    """Write down how a rule leaves its tables, which lie below `results_dir`.

    Raises:
        OSError: it could not be written.
    """
    noted = noted_path(rule, results_dir)
    noted.parent.mkdir(exist_ok=True)
    digests = {str(path.relative_to(results_dir)): file_digest(path) for path in sorted(tables)}
    write_whole(noted, manifest_text(digests))


def forget_tables(results_dir: Path, *, of: Iterable[str]) -> None:
    """Nothing is known any more of the tables that these rules make: they are about to be made otherwise."""
    for rule in of:
        noted_path(rule, results_dir).unlink(missing_ok=True)


def changed_tables(results_dir: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield each table that is not as it was left: the rule that makes it, where it is, and what is wrong."""
    for noted in sorted((results_dir / DIGESTS).glob("*.txt")):
        digests, text = read_manifest(noted)
        if manifest_text(digests) != text or not all(map(_is_table, digests)):
            yield noted.stem, noted, "holds other lines than those of tables: it was cut or edited"
            continue
        for name, expected in digests.items():
            path = results_dir / name
            found = file_digest(path)
            if not found:
                yield noted.stem, path, f"expected the table that {noted.stem} has made, found no file"
            elif found != expected:
                yield noted.stem, path, f"is not as {noted.stem} has left it: it was cut or edited since"


def _is_table(name: str) -> bool:
    """Whether a name is one of a table, and of nothing else: what is not as it was is deleted to be made again."""
    parts = PurePosixPath(name).parts
    return bool(parts) and ".." not in parts and not name.startswith("/") and not parts[0].isdecimal()
