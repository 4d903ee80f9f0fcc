"""Bundles beyond what plain zip holds, and of other Pythons: everybody reads the same, and the bytes are the same."""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packed_records import RECID, entry, many, run_package, sha256, write_files

from ferry.checksums import digest_file
from ferry.receipts import write_receipt
from needs import missing, require_tool

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[3]
LIMITS = {"max_files": 1, "max_bundle_bytes": None, "max_upload_bytes": None}


def read_by_all(bundle, expected):
    """See that unzip, 7z, Java and Python find the bundle whole, with these members (key -> bytes) and a manifest."""
    names = {*expected, "MANIFEST"}
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        assert {info.filename: info.file_size for info in archive.infolist()}.items() >= expected.items()
        assert set(archive.namelist()) == names
    subprocess.run([require_tool("unzip", package="unzip"), "-tqq", bundle], check=True, capture_output=True)
    done = subprocess.run(
        [require_tool("7z", package="p7zip-full"), "t", bundle], check=True, capture_output=True, text=True
    )
    assert f"Files: {len(names)}\n" in done.stdout
    listed = subprocess.run(
        [require_tool("jar", package="openjdk-17-jdk-headless"), "-tf", bundle],
        check=True,
        capture_output=True,
        text=True,
    )
    assert set(listed.stdout.splitlines()) == names


@pytest.mark.parametrize("mode", ["file", "stream"])
def test_more_members_than_plain_zip_can_count(tmp_path, mode):
    (tmp_path / "files").mkdir()
    for number in range(65_600):
        path = tmp_path / "files" / f"m{number:05d}.al"
        if number % 10_000 == 0:  # a file takes only so many links
            path.write_bytes(b"same")
        else:
            os.link(tmp_path / "files" / f"m{number // 10_000}0000.al", path)
    files = [entry(f"m{number:05d}.al", b"same") for number in range(65_600)]
    write_receipt(tmp_path / "download.json", "download", {"recid": RECID, "files": files})
    (packed,) = run_package(tmp_path, mode=mode, **LIMITS)
    read_by_all(laid(packed, tmp_path), {file["key"]: 4 for file in files})


@pytest.mark.parametrize("mode", ["file", "stream"])
def test_a_member_and_offsets_beyond_four_gibibytes(tmp_path, mode):
    if shutil.disk_usage(tmp_path).free < 12 * 10**9:
        missing("12 GB of free disk")
    (tmp_path / "files").mkdir()
    sizes = {"a.al": 10, "huge.al": (4 << 30) + 5, "z.al": 20}
    files = []
    for key, size_bytes in sizes.items():
        path = tmp_path / "files" / key
        with path.open("wb") as stream:
            stream.truncate(size_bytes)  # takes no disk
        checks = {name: value for name, value in digest_file(path).values().items() if name in ("adler32", "crc32")}
        files.append({"key": key, "size_bytes": size_bytes, **checks, "verified": "adler32"})
    write_receipt(tmp_path / "download.json", "download", {"recid": RECID, "files": files})
    (packed,) = run_package(tmp_path, mode=mode, **LIMITS)
    read_by_all(laid(packed, tmp_path), sizes)


def laid(packed, data_dir):
    """Return the path of a bundle; one that would be generated for the upload is generated onto the disk."""
    path = data_dir / packed["path"]
    if packed.get("generated"):
        from ferry.bundle.reader import read_chunks

        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as stream:
            for chunk in read_chunks(packed, data_dir=data_dir):
                stream.write(chunk)
    assert path.stat().st_size == packed["size_bytes"]
    return path


def test_another_python_makes_the_same_bytes(tmp_path):
    contents = {**many(60), "large.txt": b"0123456789 some text\n" * 200_000, "Übung ü.al": b"x" * 99}
    write_files(tmp_path, contents)
    run_package(tmp_path, threads=2)
    ours = sha256(tmp_path / f"bundles/{RECID}_bundle.zip")
    shutil.rmtree(tmp_path / "bundles")
    environment = tmp_path / "environment"
    subprocess.run([other_python(), "-m", "venv", environment], check=True)
    needs = [f"{name}=={version(name)}" for name in ("deflate", "isal", "jsonschema-rs", "orjson")]
    subprocess.run([environment / "bin/pip", "install", "--quiet", *needs], check=True)
    script = "import sys, pathlib, packed_records; packed_records.run_package(pathlib.Path(sys.argv[1]), threads=1)"
    subprocess.run(
        [environment / "bin/python", "-c", script, tmp_path],
        env={"PYTHONPATH": os.pathsep.join([str(ROOT / "scripts"), str(ROOT / "tests")]), "LC_ALL": "C"},
        check=True,
    )
    assert sha256(tmp_path / f"bundles/{RECID}_bundle.zip") == ours


def other_python():
    """Return a Python of another minor version than this one; without any the test is skipped, and fails under CI."""
    names = [f"python3.{minor}" for minor in (13, 14, 12) if minor != sys.version_info.minor]
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for name in names:
        for path in (*managed.glob(f"*/bin/{name}"), *filter(None, [shutil.which(name)])):
            if subprocess.run([path, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
                return path
    return missing(f"{' or '.join(names)} is not installed, of which a bundle's bytes could depend")
