"""Requests of all processes together keep within every limit, and nothing that dies or lies blocks them for long."""

import asyncio
import heapq
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferry.repository.rate_limit import LONGEST_PAUSE_S, Limit, RateLimiter
from ferry.run.open_repository import pace_path

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds


def run(limiter, count, clock):
    moments = []
    for _ in range(count):
        asyncio.run(limiter.wait_for_slot())
        moments.append(clock.now)
    return moments


def most_in_any_window(moments, window_s):
    return max(sum(start <= moment < start + window_s for moment in moments) for start in moments)


@settings(max_examples=30, deadline=None)
@given(
    limits=st.lists(
        st.builds(Limit, st.integers(1, 6), st.sampled_from([1.0, 7.0, 60.0])),
        max_size=3,
        unique_by=lambda x: x.window_s,
    ),
    gaps=st.lists(st.sampled_from([0.0, 0.1, 3.0, 30.0]), min_size=1, max_size=25),
)
def test_every_limit_holds_in_every_window(tmp_path_factory, limits, gaps):
    clock = Clock()
    limiter = RateLimiter(path=tmp_path_factory.mktemp("pace") / "p", limits=limits, clock=clock, sleep=clock.sleep)
    moments = []
    for gap in gaps:
        clock.now += gap
        moments += run(limiter, 1, clock)
    limiter.close()
    for limit in limits:
        assert most_in_any_window(moments, limit.window_s) <= limit.requests


def test_requests_within_the_limits_do_not_wait(tmp_path):
    clock = Clock()
    limiter = RateLimiter(path=tmp_path / "p", limits=[Limit(5, 60.0)], clock=clock, sleep=clock.sleep)
    assert run(limiter, 5, clock) == [1000.0] * 5
    assert run(limiter, 1, clock)[0] >= 1060.0


def test_another_process_shares_the_counts_and_the_pause(tmp_path):
    clock = Clock()
    first, second = (
        RateLimiter(path=tmp_path / "p", limits=[Limit(3, 60.0)], clock=clock, sleep=clock.sleep) for _ in range(2)
    )
    run(first, 3, clock)
    assert not second.take_slot().is_taken
    clock.now += 100
    first.pause(30)
    assert second.pause_left_s() == 30
    assert run(second, 1, clock)[0] >= 1130


def test_who_waits_for_a_turn_waits_on_when_everybody_is_told_to(tmp_path):
    clock = Clock()

    async def sleep(seconds):
        if other.pause_left_s() == 0 and clock.now < 1003:
            other.pause(50)
        clock.now += seconds

    limiter = RateLimiter(path=tmp_path / "p", limits=[Limit(1, 1.0)], clock=clock, sleep=sleep)
    other = RateLimiter(path=tmp_path / "p", limits=[], clock=clock, sleep=clock.sleep)
    run(limiter, 1, clock)
    assert run(limiter, 1, clock)[0] >= 1050


def test_a_pause_of_days_is_cut_to_an_hour(tmp_path):
    clock = Clock()
    limiter = RateLimiter(path=tmp_path / "p", limits=[], clock=clock, sleep=clock.sleep)
    limiter.pause(1e9)
    assert limiter.pause_left_s() <= LONGEST_PAUSE_S


def test_a_torn_file_or_one_of_an_earlier_boot_or_of_a_clock_far_ahead_is_begun_anew(tmp_path):
    clock = Clock()
    path = tmp_path / "p"
    for spoilt in (b"", b"nonsense" * 20, b"rate 1\n\0" + b"another boot" + b"\xff" * 200):
        path.write_bytes(spoilt)
        limiter = RateLimiter(path=path, limits=[Limit(2, 60.0)], clock=clock, sleep=clock.sleep)
        assert run(limiter, 2, clock) == [clock.now] * 2
        limiter.close()
    ahead = Clock()
    ahead.now = 1e9
    RateLimiter(path=path, limits=[], clock=ahead).pause(3600)
    assert RateLimiter(path=path, limits=[Limit(2, 60.0)], clock=clock).take_slot().wait_s == 0


WORKER = textwrap.dedent("""
    import asyncio, sys, time
    from pathlib import Path
    from ferry.repository.rate_limit import Limit, RateLimiter
    async def main():
        limiter = RateLimiter(path=Path(sys.argv[1]), limits=[Limit(int(sys.argv[2]), float(sys.argv[3]))])
        end = time.monotonic() + float(sys.argv[4])
        while time.monotonic() < end:
            await asyncio.wait_for(limiter.wait_for_slot(), 30)
            print(time.monotonic(), flush=True)
    asyncio.run(main())
""")


def worker(path, requests, window_s, duration_s):
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path), str(requests), str(window_s), str(duration_s)],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_several_processes_keep_a_limit_together_also_when_one_is_killed_amid(tmp_path):
    workers = [worker(tmp_path / "p", 20, 1.0, 2.5) for _ in range(3)]
    victim = worker(tmp_path / "p", 20, 1.0, 60)
    assert victim.stdout.readline()
    time.sleep(0.3)
    victim.send_signal(signal.SIGKILL)
    moments = [float(line) for each in [*workers, victim] for line in each.communicate(timeout=60)[0].split()]
    assert all(each.returncode == 0 for each in workers)
    # a process may be delayed between its turn and the moment it notes: allowed for by its own slack
    assert len(moments) > 20
    assert most_in_any_window(moments, 1.0) <= 20


HOST = """
import asyncio, json, sys, time
from pathlib import Path
from ferry.repository import rate_limit
time.monotonic = lambda since_boot=time.monotonic: since_boot() + 7 * {ahead_s}
time.time = lambda now=time.time: now() + {ahead_s}
moments = []
async def ask():
    shared = rate_limit.RateLimiter(path=Path(sys.argv[1]), limits=[rate_limit.Limit(6, 2.0)], across_nodes=True)
    for _ in range(8):
        await shared.wait_for_slot()
        moments.append(time.clock_gettime(time.CLOCK_BOOTTIME))
asyncio.run(ask())
print(json.dumps(moments))
"""


@pytest.mark.slow
def test_nodes_whose_clocks_differ_share_one_budget(tmp_path):
    """Two processes with other boot times and wall clocks an hour apart, as two nodes have them."""
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    hosts = [
        subprocess.Popen(
            [sys.executable, "-c", HOST.format(ahead_s=ahead_s), str(tmp_path / "p")],
            env=environment,
            stdout=subprocess.PIPE,
        )
        for ahead_s in (0, 3600)
    ]
    try:
        moments = sorted(moment for host in hosts for moment in json.loads(host.communicate(timeout=60)[0]))
    finally:
        for host in hosts:
            host.kill()
            host.communicate()
    assert len(moments) == 16
    assert most_in_any_window(moments, 2.0) <= 6
    assert moments[-1] - moments[0] >= 4, "the limit was met"


def test_one_machine_and_many_nodes_count_in_files_of_their_own(monkeypatch):
    names = {}
    for host in ("n1", "n2"):
        monkeypatch.setattr(socket, "gethostname", lambda host=host: host)
        names[host] = [pace_path("https://r.example.org:8443/x", across_nodes=across) for across in (False, True)]
    assert names["n1"][1] == names["n2"][1]
    assert len({*names["n1"], *names["n2"]}) == 3


class Windowed:
    """A repository that takes so many requests in each minute, and tells with each answer how many it takes yet."""

    def __init__(self, limit, *, others=()):
        self.limit, self.used, self.window, self.refused = limit, 0, 0, 0
        self.others = list(others)

    def answer(self, now):
        """Count a request that arrives; return what its answer has left."""
        if now // 60 != self.window:
            self.window, self.used = now // 60, 0
        while self.others and self.others[0] <= now:
            self.others.pop(0)
            self.used += 1
        if self.used >= self.limit:
            self.refused += 1
        self.used += 1
        return max(0, self.limit - self.used), (self.window + 1) * 60 - now + 1.0


def carry(limiter, clock, repository, *, workers, count, trips, begin_s=0.0):
    """Have so many workers send `count` requests in all; `trips` gives the seconds there and back of each."""
    clock.now = 6000.0 + begin_s
    events = [(clock.now, number, "take", None) for number in range(workers)]
    heapq.heapify(events)
    order, left, done = itertools.count(workers), count, []
    while events:
        clock.now, _, what, told = heapq.heappop(events)
        if what == "take" and left > 0:
            slot = limiter.take_slot()
            left -= slot.is_taken
            then = ("arrive", slot) if slot.is_taken else ("take", None)
            there = next(trips) if slot.is_taken else 0.0
            heapq.heappush(events, (clock.now + slot.wait_s + there, next(order), *then))
        elif what == "arrive":
            answered = (told, repository.answer(clock.now))
            heapq.heappush(events, (clock.now + next(trips), next(order), "end", answered))
        elif what == "end":
            limiter.note_end(told[0], is_answered=True, left=told[1])
            done.append(clock.now)
            heapq.heappush(events, (clock.now, next(order), "take", None))
    return done[-1] - 6000.0 - begin_s


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    workers=st.integers(1, 98),
    limit=st.integers(1, 120),
    seed=st.integers(0, 10**6),
    begin_s=st.floats(0, 59),
)
def test_what_the_repository_has_left_is_never_asked_for_twice_nor_left_unused(
    tmp_path_factory, workers, limit, seed, begin_s
):
    clock, chance = Clock(), random.Random(seed)
    limiter = RateLimiter(path=tmp_path_factory.mktemp("pace") / "p", limits=[], clock=clock)
    repository, count = Windowed(limit), 120
    # all together before anything was told: a repository that takes fewer refuses some of them
    first = carry(limiter, clock, repository, workers=1, count=1, trips=iter(lambda: 0.01, None), begin_s=begin_s)
    took_s = first + carry(
        limiter,
        clock,
        repository,
        workers=workers,
        count=count,
        trips=iter(lambda: chance.uniform(0.001, 0.2), None),
        begin_s=begin_s + first,
    )
    assert repository.refused == 0
    windows = -(-(count + 1) // limit)
    assert took_s <= 60 * windows + 0.4 * count + 3 * windows


def test_what_others_use_up_is_heeded_too(tmp_path):
    clock = Clock()
    limiter = RateLimiter(path=tmp_path / "p", limits=[], clock=clock)
    repository = Windowed(50, others=[6000.0 + second / 10 for second in range(30)])
    carry(limiter, clock, repository, workers=1, count=60, trips=iter(lambda: 0.05, None))
    assert repository.refused == 0


def test_a_process_that_is_killed_with_requests_on_their_way_holds_up_nobody_beyond_the_window(tmp_path):
    clock = Clock()
    limiter = RateLimiter(path=tmp_path / "p", limits=[], clock=clock)
    clock.now = 6000.0
    for _ in range(5):
        limiter.take_slot()
    repository = Windowed(20)
    assert carry(limiter, clock, repository, workers=4, count=40, trips=iter(lambda: 0.05, None), begin_s=1) < 190
    assert repository.refused == 0


class Silent(Windowed):
    """Tells what is left only where it refuses."""

    def answer(self, now):
        refused, told = self.refused, super().answer(now)
        return told if self.refused > refused else None


def test_a_repository_that_tells_what_is_left_only_when_it_refuses_is_not_asked_one_by_one_for_good(tmp_path):
    clock = Clock()
    limiter, repository = RateLimiter(path=tmp_path / "p", limits=[], clock=clock), Silent(50)
    took_s = carry(limiter, clock, repository, workers=8, count=140, trips=iter(lambda: 0.05, None))
    assert 120 < took_s < 135, "three windows of 60 s, of which the last was hardly begun"
    assert 2 <= repository.refused <= 16, "each window: what was on its way when the first refusal came"


def test_who_goes_alone_and_is_not_answered_opens_the_way_to_nobody(tmp_path):
    clock = Clock()
    limiter = RateLimiter(path=tmp_path / "p", limits=[], clock=clock)
    limiter.note_end(limiter.take_slot(), is_answered=True, left=(0, 2.0))
    alone = limiter.take_slot()
    limiter.note_end(alone)
    clock.now += alone.wait_s
    assert not limiter.take_slot().is_taken
    clock.now += 10.0
    assert [limiter.take_slot().goes_alone, limiter.take_slot().is_taken] == [True, False]
