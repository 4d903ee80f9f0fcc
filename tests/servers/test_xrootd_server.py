"""The tests' own XRootD server: a start that ends in a fault of memory is made again, another end is told."""

import os
import shutil

import pytest

from servers.xrootd_server import need_xrootd, running_server


def with_first_start(tmp_path, monkeypatch, ending: str) -> None:
    """Put a server on the PATH whose first start ends so; later ones are the real server."""
    need_xrootd()
    real = shutil.which("xrootd")
    stand_in = tmp_path / "xrootd"
    stand_in.write_text(
        f'#!/bin/sh\nif [ ! -e {tmp_path}/begun ]; then touch {tmp_path}/begun; {ending}; fi\nexec {real} "$@"\n'
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


def test_a_start_that_ends_in_a_fault_of_memory_is_made_again(tmp_path, monkeypatch):
    with_first_start(tmp_path, monkeypatch, "kill -SEGV $$")
    with running_server() as server:
        assert (tmp_path / "begun").exists()
        assert server.process is not None
        assert server.process.poll() is None


def test_a_server_that_ends_otherwise_is_told(tmp_path, monkeypatch):
    with_first_start(tmp_path, monkeypatch, "exit 3")
    with pytest.raises(RuntimeError, match="exit 3"), running_server():
        pass
