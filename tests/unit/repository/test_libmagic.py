"""nrp-cmd needs libmagic, which a bare machine has not."""

import subprocess
import sys

from workflow.conftest import ROOT


def test_libmagic_is_that_of_the_wheel_so_that_none_has_to_be_installed():
    """It was installed and found by nobody: on a machine without one every upload failed."""
    mapped = "import ferry.repository.client; print(open('/proc/self/maps').read())"
    done = subprocess.run(
        [sys.executable, "-c", mapped], env={"PYTHONPATH": str(ROOT / "scripts")}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    found = {line.split()[-1] for line in done.stdout.splitlines() if "libmagic" in line}
    assert found
    assert all("/pylibmagic/" in path for path in found), found
