"""One environment, told twice: uv.lock for pip, envs/workflow.yaml for conda."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]


def test_the_conda_environment_pins_what_the_lock_file_pins():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {re.split(r"[<>=! \[]", requirement)[0] for requirement in project["dependencies"]}
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    locked = {package["name"]: package.get("version") for package in lock["package"]}
    environment = yaml.safe_load((ROOT / "envs" / "workflow.yaml").read_text(encoding="utf-8"))
    pins = dict(line.split("==") for line in environment["dependencies"][-1]["pip"])
    assert pins == {name: locked[name] for name in wanted}


def test_only_one_module_talks_to_each_of_the_two_outside_clients():
    imports = {"nrp_cmd": set(), "XRootD": set()}
    for path in (ROOT / "scripts").rglob("*.py"):
        for name, found in imports.items():
            if re.search(rf"^\s*(?:from|import) {name}\b", path.read_text(encoding="utf-8"), re.MULTILINE):
                found.add(str(path.relative_to(ROOT / "scripts")))
    assert imports == {"nrp_cmd": {"ferry/repository/client.py"}, "XRootD": {"ferry/source/xrootd.py"}}


def test_what_is_installed_is_named_with_its_digest():
    lists = [ROOT / "envs" / "uv.txt", *(ROOT / "tests" / "servers").rglob("requirements-*.txt")]
    assert len(lists) == 6
    for path in lists:
        named = re.findall(r"^[\w.-]+(?:\[.*?\])?==.*?(?=^\S|\Z)", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        assert named, path
        assert [pin for pin in named if not re.search(r"--hash=sha256:[0-9a-f]{64}", pin)] == [], path
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    files = [file for each in lock["package"] for file in (*each.get("wheels", ()), each.get("sdist"))]
    assert all(file["hash"].startswith("sha256:") for file in files if file)
    for path in (ROOT / "Makefile", ROOT / ".ci" / "run"):
        installed = re.findall(r"^.*\bpip install\b.*$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert all("--require-hashes" in line for line in installed), path
