"""What a repository is, asked once when a run begins, over a line that may fail at any request."""

import asyncio
import concurrent.futures
import contextlib
import json
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import aiohttp
from yarl import URL

from ferry.errors import PermanentError, TransientError
from ferry.repository.client import read_info
from ferry.repository.http import HttpSession
from ferry.repository.origins import refuse_elsewhere
from ferry.retry import RetryPolicy, Sleep
from ferry.waiting import REPOSITORY

ATTEMPTS = 5
LONGEST_S = 180.0
"""For all attempts together."""
ONE_S = 60.0
"""For one attempt by nrp-cmd, one of whose requests has no limit of its own."""
ANSWER_S = 20.0
_WELL_KNOWN = "/.well-known/repository"
_LINKS = {"self", "api", "records", "drafts", "requests", "models", "communities"}
"""Those that are asked."""


async def discover(
    *, url: str, verify_tls: bool, patience_s: float = 0, sleep: Sleep = asyncio.sleep
) -> dict[str, Any]:
    """Ask a repository what it is and return nrp-cmd's RepositoryInfo as plain JSON.

    What does not answer, or answers 5xx, is asked again, a few times and for a few minutes at most; for `patience_s` as
    often as need be, where that is longer.

    Raises:
        PermanentError: nothing there that nrp-cmd can talk to.
    """
    longest_s = max(LONGEST_S, patience_s)
    retry = RetryPolicy(
        attempts=ATTEMPTS if patience_s <= LONGEST_S else sys.maxsize,
        sleep=sleep,
        most_s=longest_s,
        waits_for=REPOSITORY,
    )
    why = f"nothing within {longest_s:.0f} s"
    with contextlib.suppress(TimeoutError):
        try:
            async with asyncio.timeout(longest_s):
                return await retry.retried(lambda: _discover(URL(url), verify_tls))
        except TransientError as error:
            why = str(error)
    raise PermanentError(
        f"{url}: expected an NRP or InvenioRDM repository, found none that answers ({why}); check repository.url and "
        "the network"
    )


async def _discover(url: URL, verify_tls: bool) -> dict[str, Any]:
    described = await _look(url, verify_tls)
    try:
        info = await asyncio.wait_for(in_thread(lambda: read_info(url=url, verify_tls=verify_tls)), ONE_S)
    except TimeoutError:
        raise TransientError(f"no answer to nrp-cmd within {ONE_S:.0f} s") from None
    # where one of its requests fails, nrp-cmd takes any repository for a plain InvenioRDM
    if described != bool(info["links"].get("models")):
        raise TransientError("what it told of itself was not what it told before")
    for model in info["models"].values():
        _expect_own(url, model["links"])
    return info


async def _look(url: URL, verify_tls: bool) -> bool:
    """Tell whether it describes itself, as NRP repositories do (an InvenioRDM says 404), and names its own address.

    All that nrp-cmd will read is read here before: nrp-cmd knows no bounds.
    """
    async with HttpSession(origin=url.origin(), verify_tls=verify_tls, stall_s=ANSWER_S) as http:
        described = await _ask(http, url.with_path(_WELL_KNOWN))
        if isinstance(described, dict) and "invenio_version" in described:
            links = described.get("links")
            _expect_own(url, links if isinstance(links, dict) else {})
            return True
        await _ask(http, url.with_path("/"))
        found = await _ask(http, url.with_path("/api/records").with_query(size="1"))
        links = found.get("links") if isinstance(found, dict) else None
        _expect_own(url, links if isinstance(links, dict) else {})
        return False


def _expect_own(url: URL, links: Mapping[str, Any]) -> None:
    """Expect that the repository has the name for itself by which it is asked: else its links lead elsewhere."""
    for name in _LINKS & links.keys():
        refuse_elsewhere(f"links.{name}", url.join(URL(str(links[name] or ""))), origin=url.origin())


async def _ask(http: HttpSession, url: URL) -> Any:
    """Return the JSON at an address; None if there is none."""
    try:
        async with http.request("GET", url) as answer:
            text = await answer.text(errors="replace")
    except aiohttp.ClientSSLError as error:
        raise PermanentError(f"{url}: expected a certificate that can be trusted, found {error}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise TransientError(f"{url.path}: {str(error) or type(error).__name__}") from error
    if answer.status >= 500 or answer.status == 429:
        raise TransientError(f"{url.path}: status {answer.status}")
    try:
        return json.loads(text) if answer.status == 200 else None
    except ValueError:
        return None


async def in_thread[Result](action: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run something that blocks in a loop and a thread of its own, which holds up nobody if it hangs for good."""
    done: concurrent.futures.Future[Result] = concurrent.futures.Future()

    def run() -> None:
        try:
            result = asyncio.run(action())
        except BaseException as error:  # noqa: BLE001 - raised where the result is taken
            with contextlib.suppress(concurrent.futures.InvalidStateError):
                done.set_exception(error)
        else:
            with contextlib.suppress(concurrent.futures.InvalidStateError):
                done.set_result(result)

    threading.Thread(target=run, name="discovery", daemon=True).start()
    return await asyncio.wrap_future(done)
