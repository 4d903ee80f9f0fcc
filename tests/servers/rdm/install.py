"""Installs what an InvenioRDM needs: Debian's PostgreSQL and Redis, and its Python packages in a folder of their own."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[2]
REQUIREMENTS = HERE / "requirements.txt"
DEBIAN_PACKAGES = {"postgres": "postgresql-15", "redis-server": "redis-server"}


class MissingNeedError(Exception):
    """Something that is not there, and that cannot be installed from here."""


def program(name: str) -> Path | None:
    """Return the path of a program of PostgreSQL or Redis; Debian keeps the former off the path."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = shutil.which(name)
    return versions[-1] if versions else Path(found) if found else None


def install_debian_packages() -> None:
    """Install PostgreSQL and Redis where they are missing; their own services are not started.

    Raises:
        MissingNeedError: one is missing, and this is not root on a Debian.
    """
    missing = [package for name, package in DEBIAN_PACKAGES.items() if program(name) is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingNeedError(
            f"a real InvenioRDM needs {' and '.join(missing)}: install them (Debian: apt-get install)"
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    subprocess.run([*apt, "update"], check=True, env=environment)
    subprocess.run(
        [*apt, "install", "-y", "--no-install-recommends", *missing],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )


def install_python_packages(home: Path) -> Path:
    """Install requirements.txt into `home/venv`, unless that was done; return its bin folder.

    Raises:
        MissingNeedError: no uv.
        subprocess.CalledProcessError: uv could not install.
    """
    binaries = home / "venv" / "bin"
    stamp = home / "venv" / "installed"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return binaries
    uv = find_uv()
    python = sys.base_prefix + "/bin/python3.12" if sys.version_info[:2] == (3, 12) else "3.12"
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", python, home / "venv"], check=True)
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", binaries / "python", "--requirement", REQUIREMENTS], check=True
    )
    stamp.write_text(wanted)
    return binaries


def find_uv() -> Path:
    """Return a uv that runs: the project's own or the one on the path.

    Raises:
        MissingNeedError: there is none.
    """
    for candidate in (PROJECT / ".tools" / "bin" / "uv", shutil.which("uv")):
        if candidate and subprocess.run([candidate, "--version"], capture_output=True, check=False).returncode == 0:
            return Path(candidate)
    raise MissingNeedError("a real InvenioRDM needs uv to install it: `make .tools/bin/uv`, or put uv on the path")
