"""The sandbox repository as a process: `python -m sandbox.server --directory DIR`, on 127.0.0.1 only.

It ends when the process that holds the other end of its `--life-line` does, however that ends.
"""

import argparse
import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import signal
import socket
import sys
from pathlib import Path

from aiohttp import web

from ferry.files import own_lock
from sandbox.app import Application
from sandbox.flavours import CURATOR
from sandbox.settings import Settings, settings_from_json
from sandbox.site import Site
from sandbox.store import Store

HOST = "127.0.0.1"
IN_USE = 3
"""Exit status: another server works in this directory."""
TOKEN_FILES = {"1": "token", "2": "token2", CURATOR: "token_curator"}
"""File in the directory that holds the token of a user."""
_READ_BUFFER = 1 << 20


def main() -> int:
    """Serve until the life line is cut or a signal comes; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="where records and files are kept")
    parser.add_argument("--port", type=int, default=0, help="port to take if it is free")
    parser.add_argument("--settings", type=settings_from_json, default=Settings(), help="settings as JSON")
    parser.add_argument("--life-line", type=int, help="file descriptor whose end of file ends the server")
    arguments = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    directory: Path = arguments.directory
    os.umask(0o077)  # it holds the files of restricted records too
    with own_lock(directory / "lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return IN_USE
        asyncio.run(_serve(directory, arguments.port, arguments.settings, arguments.life_line))
    return 0


async def _serve(directory: Path, port: int, settings: Settings, life_line: int | None) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    listening = listen(port)
    url = f"http://{HOST}:{listening.getsockname()[1]}"
    tokens = {read_token(directory / name): user for user, name in TOKEN_FILES.items()}
    site = Site(store=Store(directory), settings=settings, url=url, tokens=tokens)
    app = Application(site, request_log=directory / "requests.jsonl")
    runner = web.ServerRunner(web.Server(app.answer, access_log=None, read_bufsize=_READ_BUFFER), shutdown_timeout=0.5)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    print(url, flush=True)  # noqa: T201 - whoever started the server waits for this line
    if life_line is not None:
        loop.add_reader(life_line, ended.set)
    parent = os.getppid()
    while not ended.is_set() and (life_line is None or os.getppid() == parent):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), timeout=1.0)
    await runner.cleanup()
    (directory / "endpoint.json").unlink(missing_ok=True)


def listen(port: int) -> socket.socket:
    """Return a socket that listens on loopback, on the given port or, if that is taken, on a free one."""
    for candidate in (port, 0):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, candidate))
            listening.listen(128)
        except OSError:
            listening.close()
            if candidate == 0:
                raise
        else:
            return listening
    raise AssertionError("unreachable")


def read_token(path: Path) -> str:
    """Return the token in the file; made at random, for its owner only, when there is none."""
    if not path.exists():
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_urlsafe(32))
        part.replace(path)
    return path.read_text(encoding="ascii").strip()


if __name__ == "__main__":
    sys.exit(main())
