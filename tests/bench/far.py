"""A sandbox at the other end of a line."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox import launcher
from sandbox.settings import Settings
from servers.tcp_proxy import TcpProxy, tcp_proxy


@contextmanager
def sandbox_behind_line(folder: Path, **settings: object) -> Iterator[tuple[launcher.Sandbox, str, TcpProxy]]:
    """Start a sandbox in a folder, with these of its settings; give it, its address there, and the line, short yet."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tcp_proxy(port) as line:
        url = f"http://127.0.0.1:{line.port}"
        far = launcher.start(folder, settings=Settings(public_url=url, **settings), port=port)  # type: ignore[arg-type]
        try:
            yield far, url, line
        finally:
            far.stop()
