"""Whatever bytes of a record are at hand, read and held against its proof: files, bundles, attachments, packed texts.

Bytes that are nowhere here are no fault: data/ may have been taken away once all had arrived. Where some are here, the
others of their kind must be too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isal import isal_zlib

from ferry.bundle.attachments import FOLDER
from ferry.bundle.receipt import layout_of
from ferry.bundle.write import texts_path
from ferry.bundle.zip_format import DEFLATED
from ferry.chain import DOWNLOAD_STEP, PACKAGE_STEP
from ferry.checksums import digest_file
from ferry.run.disk_budget import DROPPED

_FILES = "files"


@dataclass(frozen=True)
class WrongBytes:
    """A file below data/<recid> that is not what the proof says."""

    path: Path
    step: str
    """That brings or makes it."""
    problem: str


@dataclass(frozen=True)
class BytesAtHand:
    """What was found of one record."""

    wrong: Sequence[WrongBytes]
    files_read: int
    bytes_read: int
    files_away: int
    """Source files whose bytes are not here."""
    strangers: Sequence[Path]
    """Files of which no receipt knows."""


@dataclass(frozen=True)
class _Expected:
    path: Path
    step: str
    size_bytes: int
    find_wrong: Callable[[Path], str | None]
    """Reads it and says what is wrong with its bytes; its length is right."""


def check_bytes(
    proof: Mapping[str, Any], uploads: Sequence[Mapping[str, Any]], *, data_dir: Path, pool: Executor
) -> BytesAtHand:
    """Read all bytes of a record that are at hand.

    Args:
        proof: of the record.
        uploads: of its receipt `package`.
        data_dir: data/<recid>.
        pool: reads files at the same time.
    """
    expected = list(_expected(proof, uploads, data_dir))
    there = [each for each in expected if (data_dir / each.path.relative_to(data_dir).parts[0]).is_dir()]
    found = list(pool.map(_problem, there))
    wrong = [WrongBytes(each.path, each.step, problem) for each, problem in zip(there, found, strict=True) if problem]
    known = {each.path for each in expected}
    # notes on how texts were packed are a hint: what they tell of is compared with the receipt
    known |= {path.with_name(f"{path.name}.packed.json") for path in _bundle_paths(uploads, data_dir)}
    return BytesAtHand(
        wrong=wrong,
        files_read=len(there),
        bytes_read=sum(each.size_bytes for each in there),
        files_away=0 if (data_dir / _FILES).is_dir() else len(proof["files"]),
        strangers=[path for path in _all_files(data_dir) if path not in known],
    )


def _expected(proof: Mapping[str, Any], uploads: Sequence[Mapping[str, Any]], data_dir: Path) -> Iterator[_Expected]:
    for file in proof["files"]:
        digests = {name: file[name] for name in ("adler32", "crc32", "md5") if file[name]}
        for checksum in ((file["declared"] or {}).get("checksum"), *file.get("stated", ())):
            if checksum:
                digests[checksum["algorithm"]] = checksum["value"]
        path = data_dir / _FILES / file["key"]
        yield _Expected(path, DOWNLOAD_STEP, file["size_bytes"], _comparison(digests))
    held = {upload["key"]: upload for upload in proof["uploads"]}
    were_dropped = (data_dir / DROPPED).exists()  # attachments went with the bytes; one that was changed since is back
    for upload in held.values():
        path = data_dir / FOLDER / upload["key"]
        if upload["kind"] == "attachment" and (path.exists() or not were_dropped):
            yield _Expected(path, PACKAGE_STEP, upload["size_bytes"], _comparison(_digests(upload)))
    for upload in uploads:
        path = data_dir / upload["path"]
        if upload["kind"] != "bundle":
            continue
        if not upload.get("generated"):
            yield _Expected(path, PACKAGE_STEP, upload["size_bytes"], _comparison(_digests(held[upload["key"]])))
            continue
        texts = [packed for packed in layout_of(upload).members if packed.method == DEFLATED]
        if texts:
            sizes = [(packed.packed_bytes, packed.packed_adler32) for packed in texts]
            size_bytes = sum(length for length, _ in sizes)
            yield _Expected(texts_path(path), PACKAGE_STEP, size_bytes, _comparison_of_texts(sizes))


def _digests(upload: Mapping[str, Any]) -> dict[str, str]:
    return {name: upload[name] for name in ("adler32", "md5")}


def _problem(expected: _Expected) -> str | None:
    try:
        size_bytes = expected.path.stat().st_size
        if size_bytes != expected.size_bytes:
            return f"expected {expected.size_bytes} bytes, found {size_bytes}"
        return expected.find_wrong(expected.path)
    except FileNotFoundError:
        return "expected it beside the others of the record, found no file"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _comparison(digests: Mapping[str, str]) -> Callable[[Path], str | None]:
    def find_wrong(path: Path) -> str | None:
        found = digest_file(path, *(name for name in digests if name != "crc32")).values()
        wrong = next((name for name, value in digests.items() if found[name] != value), None)
        return wrong and f"expected {wrong} {digests[wrong]}, found {found[wrong]}"

    return find_wrong


def _comparison_of_texts(packed: Sequence[tuple[int, int]]) -> Callable[[Path], str | None]:
    """Compare texts that lie one behind the other: the length and Adler-32 of each."""

    def find_wrong(path: Path) -> str | None:
        with path.open("rb") as stream:
            for length, adler32 in packed:
                found = isal_zlib.adler32(stream.read(length))
                if found != adler32:
                    at = stream.tell() - length
                    return f"expected adler32 {adler32:08x} of the {length} bytes from {at} on, found {found:08x}"
        return None

    return find_wrong


def _bundle_paths(uploads: Iterable[Mapping[str, Any]], data_dir: Path) -> Iterator[Path]:
    return (data_dir / upload["path"] for upload in uploads if upload["kind"] == "bundle")


def _all_files(data_dir: Path) -> Iterator[Path]:
    for name in (_FILES, "bundles", FOLDER):
        yield from sorted(path for path in (data_dir / name).rglob("*") if not path.is_dir())
