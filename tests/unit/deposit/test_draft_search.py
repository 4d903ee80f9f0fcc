"""The search for a draft that may still be made."""

import asyncio
import time
from types import SimpleNamespace

from ferry.deposit.draft_search import DraftSearch
from ferry.retry import RetryPolicy
from ferry.waiting import LATE_EFFECT, read_wait, waits_told


def test_that_a_draft_is_waited_for_is_told_as_long_as_it_may_come(tmp_path):
    """Jobs stood still for two minutes, and the line of progress had them running."""
    note, seen, until = tmp_path / "upload_record.waits", [], time.time() + 5

    async def nothing():
        return None

    async def sleep(_):
        seen.append(read_wait(note))

    search = DraftSearch(
        one=SimpleNamespace(find=nothing, repository=None),
        state=SimpleNamespace(may_come_until=lambda *_: until, unknown={"creation": ["now"]}),
        retry=RetryPolicy(sleep=sleep),
        settle_s=5,
    )
    with waits_told(note):
        assert asyncio.run(search._find()) is None
    assert [wait.reason for wait in seen] == [LATE_EFFECT] * 3
    assert abs(seen[0].until - until) < 1
