"""One environment, told twice: uv.lock, and for conda envs/workflow.post-deploy.sh."""

import re
import tomllib
from pathlib import Path

import yaml

from dev.licences import locked

ROOT = Path(__file__).resolve().parents[3]


def test_the_conda_environment_is_what_the_lock_file_says():
    script = (ROOT / "envs" / "workflow.post-deploy.sh").read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+)==(\S+)(.*?)(?=^\S)", script, re.MULTILINE | re.DOTALL)
    assert {name: version for name, version, _ in pins} == locked()
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    digests = {each["name"]: _digests(each) for each in lock["package"]}
    for name, _, rest in pins:
        found = set(re.findall(r"--hash=(sha256:[0-9a-f]{64})", rest))
        assert found, name
        assert found <= digests[name], name
    environment = yaml.safe_load((ROOT / "envs" / "workflow.yaml").read_text(encoding="utf-8"))
    assert environment["dependencies"] == ["python =3.12", "pip"], "else pip is asked for what has no digest"


def _digests(package):
    return {file["hash"] for file in (*package.get("wheels", ()), package.get("sdist")) if file}


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
    assert all(digest.startswith("sha256:") for package in lock["package"] for digest in _digests(package))
    for path in (ROOT / "Makefile", ROOT / ".ci" / "run", ROOT / "envs" / "workflow.post-deploy.sh"):
        installed = re.findall(r"^.*\bpip install\b.*$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert all("--require-hashes" in line for line in installed), path
