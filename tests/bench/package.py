"""Packing beside cp and Info-ZIP, from page cache to a file system in memory (so that no disk is measured).

Timed is the whole packaging step, from the receipt of the download to the receipt `package`, in a process that has
its modules loaded; cp, which checks nothing, copies the same files into a folder. Bytes and compressibility are as
the names of the cases say; the text is event data printed as numbers.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from packed_records import RECID, measure_package

from bench.side_by_side import RUNS, Result, compared, measure, report, seconds
from ferry.bundle.receipt import layout_of
from ferry.bundle.repair import repair_bundle
from ferry.receipts import read_receipt, write_receipt

MEMORY = Path("/dev/shm")


def main() -> None:
    """Measure all cases."""
    results = []
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-package-") as folder:
        small, large, text = (Path(folder) / name for name in ("small", "large", "text"))
        lay_record(small, files=600, size_bytes=500_000, blocks=noise())
        results += stored_cases(small, "600x0.5MB")
        shutil.rmtree(small)
        lay_record(large, files=4, size_bytes=1_000_000_000, blocks=noise())
        results += stored_cases(large, "4x1GB")
        shutil.rmtree(large)
        lay_record(text, files=25, size_bytes=4_000_000, blocks=numbers(), suffix=".txt")
        results += deflated_cases(text)
        shutil.rmtree(text)
        many = Path(folder) / "many"
        lay_record(many, files=10_000, size_bytes=50_000, blocks=noise())
        results += repair_cases(many, "repair 1 of 10000")
        shutil.rmtree(many)
        lay_record(many, files=10_000, size_bytes=20_000, blocks=numbers(lines=400), suffix=".txt")
        results += repair_cases(many, "repair 1 of 10000 texts")
    results.append(memory_case())
    report("package", results)


def stored_cases(record: Path, size: str) -> Iterator[Result]:
    """Compare packing without compression with a copy and with `zip -0`."""
    yield case(f"stored {size} vs cp", record, threads=2, other=["cp", "-r", "files", "bundles"], goal=0.8)
    name = "stored vs zip -0" if size == "4x1GB" else f"stored {size} vs zip -0"
    yield case(name, record, threads=2, other=["zip", "-0", "-q", "-r", "bundles/other.zip", "files"], goal=1.5)


def deflated_cases(record: Path) -> Iterator[Result]:
    """Compare compression with `zip -6`: time on one core and on two, and the size."""
    zip_ = ["zip", "-6", "-q", "-r", "bundles/other.zip", "files"]
    yield case("deflate 1 core vs zip -6", record, threads=1, other=zip_, goal=6)
    yield case("deflate 2 cores vs zip -6", record, threads=2, other=zip_, goal=10)
    clear(record)
    subprocess.run(zip_, cwd=record, check=True)
    other = (record / "bundles/other.zip").stat().st_size
    pack(record, threads=2)
    ours = (record / f"bundles/{RECID}_bundle.zip").stat().st_size
    yield compared("deflated size vs zip -6", ours=[ours / 1e6], other=[other / 1e6], unit="MB", goal=0.95)


def repair_cases(record: Path, name: str) -> Iterator[Result]:
    """Compare bringing one damaged member right with packing all of them.

    First as an upload does it, which has laid out and read the bundle and so knows the place; then as the packaging
    step does it, which has to read all of the bundle to find the place.
    """
    bundle = record / f"bundles/{RECID}_bundle.zip"
    mended, found, rebuilt = [], [], []
    for _ in range(RUNS):
        clear(record)
        rebuilt.append(seconds(lambda: pack(record, threads=2)))
        whole, place = bundle.read_bytes(), bundle.stat().st_size // 2
        (entry,) = read_receipt(record / "package.json", "package", recid=RECID)["uploads"]
        damage(bundle, place)
        layout = layout_of(entry)
        repair = partial(repair_bundle, bundle, layout, files_dir=record / "files", offset=place)
        mended.append(seconds(repair))
        assert bundle.read_bytes() == whole
        damage(bundle, place)
        found.append(seconds(lambda: pack(record, threads=2)))
        assert bundle.read_bytes() == whole
    yield compared(f"{name} vs rebuild", ours=mended, other=rebuilt, unit="s", goal=10)
    yield compared(f"find and {name} vs rebuild", ours=found, other=rebuilt, unit="s", goal=1)


def damage(bundle: Path, place: int) -> None:
    """Write something else into a member."""
    with bundle.open("r+b") as stream:
        stream.seek(place)
        stream.write(b"damaged")


def memory_case() -> Result:
    """Return the most memory that packing 600 files of 0.5 MB and one of 300 MB took, beside 200 MB."""
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-package-") as folder:
        lay_record(Path(folder), files=600, size_bytes=500_000, blocks=noise())
        script = (
            "import sys; from pathlib import Path; from packed_records import measure_package\n"
            "measure_package(Path(sys.argv[1]), 2)\n"
            "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
        )
        done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    return compared("peak memory vs 200 MB", ours=[int(done.stdout) / 1000], other=[200], unit="MB", goal=1)


def case(name: str, record: Path, *, threads: int, other: list[str], goal: float) -> Result:
    """Time the step beside another command, both run in the record's folder."""
    return measure(
        name,
        ours=lambda: pack(record, threads=threads),
        other=lambda: subprocess.run(other, cwd=record, check=True),
        before=lambda: clear(record),
        goal=goal,
    )


def pack(record: Path, *, threads: int) -> None:
    """Run the step."""
    measure_package(record, threads, max_files=1, max_bundle_bytes=None, max_upload_bytes=None)


def clear(record: Path) -> None:
    """Leave only what was downloaded."""
    shutil.rmtree(record / "bundles", ignore_errors=True)
    (record / "bundles").mkdir()
    (record / "package.json").unlink(missing_ok=True)


def lay_record(record: Path, *, files: int, size_bytes: int, blocks: Iterator[bytes], suffix: str = ".al") -> None:
    """Write the files of a record and the receipt of its download."""
    entries = []
    (record / "files").mkdir(parents=True)
    for number in range(files):
        key = f"data{number:04d}{suffix}"
        adler32, crc32, left = 1, 0, size_bytes
        with (record / "files" / key).open("wb") as stream:
            while left:
                block = next(blocks)[:left]
                stream.write(block)
                adler32, crc32, left = zlib.adler32(block, adler32), zlib.crc32(block, crc32), left - len(block)
        checks = {"adler32": f"{adler32:08x}", "crc32": f"{crc32:08x}", "verified": "adler32"}
        entries.append({"key": key, "size_bytes": size_bytes, **checks})
    write_receipt(record / "download.json", "download", {"recid": RECID, "files": entries})


def noise() -> Iterator[bytes]:
    """Give blocks that cannot be compressed."""
    while True:
        yield os.urandom(1 << 20)


def numbers(lines: int = 20_000) -> Iterator[bytes]:
    """Give blocks of event data printed as text, some 60 bytes a line."""
    random_ = random.Random(1)
    while True:
        block = (
            f"{random_.randrange(10**6):8d} {random_.gauss(0, 12.5):12.6f} {random_.gauss(0, 45.6):12.6f} "
            f"{random_.expovariate(0.1):10.4f} {random_.choice((-1, 1)):3d}\n"
            for _ in range(lines)
        )
        yield "".join(block).encode()


if __name__ == "__main__":
    main()
