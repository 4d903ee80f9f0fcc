"""How many files are on their way at once: as many as the line holds and the repository bears, found by measuring."""

import asyncio
import heapq
import itertools

import pytest

from ferry.deposit.in_flight import FIRST, FLAG, LEAST, InFlight
from ferry.flags import RunFlags
from ferry.repository.traffic import RequestStats


class Time:
    """Time that passes only when nothing else is left to do."""

    def __init__(self):
        self.now, self._sleeping, self._order = 0.0, [], itertools.count()

    async def sleep(self, seconds):
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleeping, (self.now + seconds, next(self._order), woken))
        await woken

    async def pass_until(self, done):
        while not done.done():
            for _ in range(20):
                await asyncio.sleep(0)
            if self._sleeping:
                self.now, _, woken = heapq.heappop(self._sleeping)
                woken.set_result(None)


def upload(flags, *, round_trip_s, each_s=0.0, workers=1000, files=200, size_bytes=1000, most=100):
    """Have a repository take files, which works on so many at once, for so long each; return the most on their way."""

    async def run():
        traffic, at_once, time, found = RequestStats(), asyncio.Semaphore(workers), Time(), []
        traffic.note_round_trip(round_trip_s)
        in_flight, busy = InFlight(most=most, traffic=traffic, flags=flags), 0

        async def send():
            nonlocal busy
            async with in_flight.slot(size_bytes):
                busy += 1
                found.append(busy)
                begun = time.now
                async with at_once:
                    await time.sleep(each_s)
                await time.sleep(round_trip_s)
                traffic.note_round_trip(time.now - begun)
                busy -= 1

        sending = asyncio.gather(*(send() for _ in range(files)))
        await time.pass_until(sending)
        await sending
        in_flight.remember()
        return max(found)

    return asyncio.run(run())


@pytest.fixture
def flags(tmp_path):
    return RunFlags("run", tmp_path)


def test_far_away_as_many_go_as_may(flags):
    assert upload(flags, round_trip_s=0.15) == 100


def test_a_repository_that_is_busy_gets_no_more_than_it_bears(flags):
    assert upload(flags, round_trip_s=0.002, each_s=0.05, workers=2, files=60) <= 2 * FIRST


def test_fewer_go_when_requests_wait_at_the_repository(flags):
    flags.set(FLAG, "100")
    upload(flags, round_trip_s=0.002, each_s=0.02, workers=2)
    assert int(flags.get(FLAG) or 100) < 100


def test_a_repository_near_that_does_one_thing_at_a_time_gets_little_more_than_keeps_it_busy(flags):
    flags.set(FLAG, "40")
    upload(flags, round_trip_s=0.002, each_s=0.0025, workers=1, files=300)
    assert LEAST <= int(flags.get(FLAG)) <= 2 * FIRST


def test_far_away_enough_go_to_keep_a_repository_busy_that_does_one_thing_at_a_time(flags):
    round_trip_s, each_s = 0.15, 0.005
    upload(flags, round_trip_s=round_trip_s, each_s=each_s, workers=1, files=500)
    assert 1 < int(flags.get(FLAG)) / (round_trip_s / each_s) < 2


def test_the_farther_the_repository_is_the_more_go_at_first():
    limits = []
    for round_trip_s in (0.002, 0.04, 0.15):
        traffic = RequestStats()
        traffic.note_round_trip(round_trip_s)
        limits.append(InFlight(most=98, traffic=traffic, flags=None).limit)
    assert limits[0] == FIRST < limits[1] < limits[2] == 98


def test_no_more_than_is_configured(flags):
    assert upload(flags, round_trip_s=0.05, most=3, files=30) == 3
    assert upload(flags, round_trip_s=0.05, most=1, files=5) == 1


def test_the_next_record_of_the_run_begins_with_what_was_found(flags):
    flags.set(FLAG, "20")
    upload(flags, round_trip_s=0.1)
    assert InFlight(most=100, traffic=RequestStats(), flags=flags).limit == 100
    assert InFlight(most=100, traffic=RequestStats(), flags=None).limit == FIRST


def test_large_files_are_as_many_as_memory_allows(flags):
    assert upload(flags, round_trip_s=0.05, size_bytes=10**9, files=40) == 12


def test_after_trouble_fewer_go(flags):
    in_flight = InFlight(most=100, traffic=RequestStats(), flags=flags)
    in_flight.back_off()
    assert in_flight.limit == LEAST
    for _ in range(9):
        in_flight.back_off()
    assert in_flight.limit == 1
