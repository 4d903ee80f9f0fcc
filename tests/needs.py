"""What a test needs of the machine: asked for in one way, so that a bare machine skips the test and CI does not."""

import os
import shutil
from typing import NoReturn


def missing(need: str) -> NoReturn:
    """Skip the test for what this machine lacks; under CI=true fail it, where nothing may be lacking."""
    import pytest  # the killed processes of a test start faster without it

    if os.environ.get("CI") == "true":
        pytest.fail(need)
    pytest.skip(need)


def require_tool(*names: str, package: str) -> str:
    """Return the path of the first of these programs that is there; `package` is Debian's name of what has one."""
    path = next((found for name in names if (found := shutil.which(name))), None)
    return path or missing(f"{' or '.join(names)} is not installed (Debian: {package})")
