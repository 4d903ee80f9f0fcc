"""Nothing is called done as long as a request that nobody has answered may still come and change it."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from ferry.deposit.state import Asked, DepositState, told_unanswered
from ferry.errors import TransientError
from ferry.retry import RetryPolicy
from ferry.waiting import LATE_EFFECT, waiting

log = logging.getLogger(__name__)


async def bring_settled[Brought](
    bring: Callable[[], Awaitable[Brought]],
    *,
    state: DepositState,
    what: Sequence[Asked],
    settle_s: float,
    retry: RetryPolicy,
) -> Brought:
    """Bring a record, and once more when all that was asked for in vain has had its time; return what was read last.

    A gateway that answers 504 may hand the request on later. Content that is put on a file which is complete by then
    makes InvenioRDM drop the file.

    Args:
        bring: makes the record in the repository what it is to be, and reads it back; changes nothing if it is that.
        state: of the record, where it is written down what was asked for in vain.
        what: of that, what may change what is read.
        settle_s: how late that may be done.
        retry: how often to bring it, and what to wait with.

    Raises:
        TransientError: requests are lost each time.
    """
    begun = time.time()
    for _ in range(retry.attempts + 1):  # the first one may but wait for what an earlier run has asked
        brought = await bring()
        until = state.may_come_until(settle_s, *what)
        if begun >= until:
            return brought
        wait_s = min(settle_s, max(0.0, until - time.time()))
        log.warning(
            "requests that nobody has answered (%s) may still be done: reading again in %.0f s",
            told_unanswered(state.path),
            wait_s,
        )
        with waiting(LATE_EFFECT, wait_s):
            await retry.sleep(wait_s)
        begun = max(time.time(), until)
    raise TransientError("each time the record was brought, a request was lost that may be done later; run again")
