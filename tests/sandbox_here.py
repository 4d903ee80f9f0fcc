"""The sandbox repository in this process, so that a test can reach into what it holds."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from sandbox.app import Application
from sandbox.server import HOST, listen
from sandbox.settings import Settings
from sandbox.site import Site
from sandbox.store import Store

TOKEN = "a-token-of-this-test-alone-0123456789"


@dataclass(frozen=True)
class SandboxHere:
    """A repository that answers."""

    site: Site
    url: str
    log: Path
    """A line of JSON for each request."""
    token: str = TOKEN


@contextmanager
def sandbox_here(directory: Path, settings: Settings | None = None) -> Iterator[SandboxHere]:
    """Let the sandbox answer in a thread of its own, and give it."""
    listening = listen(0)
    url = f"http://{HOST}:{listening.getsockname()[1]}"
    directory.mkdir(parents=True, exist_ok=True)
    site = Site(store=Store(directory), settings=settings or Settings(rate_limits=()), url=url, tokens={TOKEN: "1"})
    log = directory / "requests.jsonl"
    loop, ready, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        runner = web.ServerRunner(
            web.Server(Application(site, request_log=log).answer, access_log=None), shutdown_timeout=0.5
        )
        await runner.setup()
        await web.SockSite(runner, listening).start()
        ready.set()
        await ended.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield SandboxHere(site, url, log)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
