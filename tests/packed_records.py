"""Downloaded records for the tests of packaging: files on disk, the receipt that fits them, and the step run on it."""

import hashlib
import random
import zipfile
import zlib

from ferry.bundle.plan import Member, PackageSettings
from ferry.receipts import read_receipt, write_receipt
from ferry.steps.package_files import package

RECID = 7


def entry(key, data):
    """Return an entry of the receipt `download` for these bytes."""
    checks = {"adler32": f"{zlib.adler32(data):08x}", "crc32": f"{zlib.crc32(data):08x}"}
    return {"key": key, "size_bytes": len(data), **checks, "verified": "adler32"}


def member(key, data):
    """Return these bytes as a member."""
    return Member(key, len(data), zlib.adler32(data), zlib.crc32(data))


def write_files(data_dir, contents):
    """Write the files of a record below data_dir/files, and their receipt data_dir/download.json."""
    for key, data in contents.items():
        path = data_dir / "files" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    receipt = {"recid": RECID, "files": [entry(key, data) for key, data in contents.items()]}
    write_receipt(data_dir / "download.json", "download", receipt)
    source = {
        "recid": RECID,
        "origin": "metadata/7.json",
        "record": {"recid": str(RECID), "title": "Seven"},
        "files": [],
    }
    write_receipt(data_dir / "source.json", "source", source)


def measure_package(data_dir, threads=2, **changes):
    """Run the step and return what it measured."""
    return package(
        recid=RECID,
        source_path=data_dir / "source.json",
        download_path=data_dir / "download.json",
        receipt_path=data_dir / "package.json",
        data_dir=data_dir,
        settings=PackageSettings(**changes),
        threads=threads,
    )


def run_package(data_dir, threads=2, **changes):
    """Run the step and return the uploads of its receipt."""
    measure_package(data_dir, threads, **changes)
    return read_receipt(data_dir / "package.json", "package", recid=RECID)["uploads"]


def many(count, size=3000):
    """Return files of two kinds in three folders: texts (a few of them) and data, all of one length."""
    rng = random.Random(5)
    contents = {}
    for i in range(count):
        text = i % 4 == 0
        data = b"run %d ok\n" % rng.randrange(10**6) * (size // 8) if text else rng.randbytes(size)
        contents[f"run{i % 3}/f{i:04d}.{'txt' if text else 'al'}"] = data[:size]
    return contents


def sha256(path):
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def flip(path, offset):
    """Change one bit of the byte there."""
    with path.open("r+b") as stream:
        stream.seek(offset)
        byte = stream.read(1)[0]
        stream.seek(offset)
        stream.write(bytes([byte ^ 1]))


def data_offset(path, key):
    """Return where the bytes of a member begin in a zip archive."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(key)
    return info.header_offset + 30 + len(key.encode())
