"""What a repository is, asked once when a run begins, over a line that may fail at any request."""

import asyncio
import concurrent.futures
import contextlib
import json
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
from yarl import URL

from ferry.errors import PermanentError, TransientError
from ferry.repository.client import read_info
from ferry.retry import RetryPolicy, Sleep

ATTEMPTS = 5
LONGEST_S = 180.0
"""For all attempts together."""
ONE_S = 60.0
"""For one attempt by nrp-cmd, one of whose requests has no limit of its own."""
ANSWER_S = 20.0
_WELL_KNOWN = "/.well-known/repository"


async def discover(*, url: str, verify_tls: bool, sleep: Sleep = asyncio.sleep) -> dict[str, Any]:
    """Ask a repository what it is and return nrp-cmd's RepositoryInfo as plain JSON.

    What does not answer, or answers 5xx, is asked again, a few times and for a few minutes at most.

    Raises:
        PermanentError: nothing there that nrp-cmd can talk to.
    """
    retry = RetryPolicy(attempts=ATTEMPTS, sleep=sleep)
    why = f"nothing within {LONGEST_S:.0f} s"
    with contextlib.suppress(TimeoutError):
        try:
            async with asyncio.timeout(LONGEST_S):
                return await retry.retried(lambda: _discover(URL(url), verify_tls))
        except TransientError as error:
            why = str(error)
    raise PermanentError(
        f"{url}: expected an NRP or InvenioRDM repository, found none that answers ({why}); check repository.url and "
        "the network"
    )


async def _discover(url: URL, verify_tls: bool) -> dict[str, Any]:
    describes_itself = await _describes_itself(url, verify_tls)
    try:
        info = await asyncio.wait_for(in_thread(lambda: read_info(url=url, verify_tls=verify_tls)), ONE_S)
    except TimeoutError:
        raise TransientError(f"no answer to nrp-cmd within {ONE_S:.0f} s") from None
    # where one of its requests fails, nrp-cmd takes any repository for a plain InvenioRDM
    if describes_itself != bool(info["links"].get("models")):
        raise TransientError("what it told of itself was not what it told before")
    return info


async def _describes_itself(url: URL, verify_tls: bool) -> bool:
    """Tell whether it describes itself, as NRP repositories do; an InvenioRDM says 404."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    connector = aiohttp.TCPConnector(ssl=verify_tls, force_close=True)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            session.get(url.with_path(_WELL_KNOWN)) as answer,
        ):
            text = await answer.text(errors="replace")
    except aiohttp.ClientSSLError as error:
        raise PermanentError(f"{url}: expected a certificate that can be trusted, found {error}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise TransientError(f"{_WELL_KNOWN}: {str(error) or f'no answer within {ANSWER_S:.0f} s'}") from error
    if answer.status >= 500 or answer.status == 429:
        raise TransientError(f"{_WELL_KNOWN}: status {answer.status}")
    try:
        return answer.status == 200 and "invenio_version" in json.loads(text)
    except (ValueError, TypeError):
        return False


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
