"""All tests that there are, for tests that look for some by their names."""

import re
import subprocess
import sys

import pytest
from collected import NODE_IDS

from unit.project.named_tests import ROOT


@pytest.fixture(scope="session")
def all_tests(request: pytest.FixtureRequest) -> frozenset[str]:
    """Return the ids of all tests of the project: those collected for this session, unless it is of a part only."""
    found = request.config.stash[NODE_IDS]
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")}
    if files <= {node_id.partition("::")[0] for node_id in found}:
        return found
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return frozenset(re.findall(r"^\S+\.py::.+$", done.stdout, re.MULTILINE))
