"""Pages of the documentation, followed to the letter: their blocks, a clone to do it in, and a shell that does it."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from workflow.conftest import ROOT, SNAKEMAKE


class Block(NamedTuple):
    """A block of a page: what it is marked as (`sh`, `yaml`, nothing …), and its text."""

    language: str
    text: str


def blocks(page: str, *, after: str = "") -> list[Block]:
    """Return the blocks of a page (its path in the project), or of what comes after a text of it."""
    whole = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", whole[whole.index(after) :], re.MULTILINE | re.DOTALL)
    return [Block(language, re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)) for indent, language, text in found]


def clone(folder: Path, *, with_tests: bool = False) -> Path:
    """Copy what git has of the project, as it is now, and lay the environment beside it: `make install` is done."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in listed:
        if name and (ROOT / name).is_file() and (with_tests or not name.startswith("tests/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(SNAKEMAKE.parents[1])
    return folder


def follow(
    folder: Path, commands: str, *, home: Path | None = None, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run commands as a person does who has copied them into a shell; `make` takes the installation as done."""
    environment = {**os.environ, **({"HOME": str(home)} if home else {}), "MAKEFLAGS": "-o .venv/.installed"}
    return subprocess.run(
        ["bash", "-O", "expand_aliases", "-eu", "-o", "pipefail", "-c", commands],
        cwd=folder, env=environment, input=typed, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
