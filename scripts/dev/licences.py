"""What is installed for a run, with its licence: the packages of uv.lock without those for developers."""

import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NOT_SAID = "not said"
_LONGEST = 60


def locked() -> dict[str, str]:
    """Return the packages that a run may need on any system, with their versions, as uv.lock has them."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    packages: dict[str, dict[str, Any]] = {package["name"]: package for package in lock["package"]}
    found: set[str] = set()
    to_do = [(each["name"], tuple(each.get("extra", ()))) for each in packages["opendata-ferry"]["dependencies"]]
    while to_do:
        name, extras = to_do.pop()
        package = packages[name]
        needed = package.get("dependencies", []) if name not in found else []
        needed = [*needed, *(each for extra in extras for each in package["optional-dependencies"][extra])]
        found.add(name)
        to_do += [(each["name"], tuple(each.get("extra", ()))) for each in needed if each["name"] not in found]
    return {name: packages[name]["version"] for name in sorted(found)}


def installed() -> Iterator[tuple[str, str, str]]:
    """Yield name, version and licence of each of them that this system has."""
    for name in locked():
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # of another system
        yield name, found.version, licence_of(found)


def licence_of(found: Distribution) -> str:
    """Return what a package itself says: as SPDX, by its classifiers, in words, or in the first line of its licence."""
    said = found.metadata
    classifiers = [each.rpartition(" :: ")[2] for each in said.get_all("Classifier") or [] if "License :: " in each]
    files = [path.read_text() for path in found.files or [] if path.name.upper().startswith(("LICEN", "COPYING"))]
    words = (said.get("License-Expression"), "; ".join(classifiers), said.get("License"), *files)
    lines = (line.strip() for text in words if text for line in text.splitlines())
    return next((line[:_LONGEST] for line in lines if line and line != "UNKNOWN"), NOT_SAID)


def main() -> None:
    """Print all of them, or with --short how many of each licence; fail where a version is not the locked one."""
    rows, versions = list(installed()), locked()
    if "--short" in sys.argv:
        counts = Counter(licence for _, _, licence in rows).most_common()
        print(f"{len(rows)} packages of uv.lock: {', '.join(f'{licence} {count}' for licence, count in counts)}")  # noqa: T201
    else:
        print("\n".join(f"{name:40} {version:16} {licence}" for name, version, licence in rows))  # noqa: T201
    if others := [f"{name} {version}" for name, version, _ in rows if version != versions[name]]:
        sys.exit(f"expected the versions of uv.lock, found {', '.join(others)}; make install")


if __name__ == "__main__":
    main()
