"""How many requests are under way, on lines that are simulated: their length, their width, what a server takes."""

import heapq
import itertools

import pytest

from ferry.source.window import FIRST_REQUESTS, LEAST_REQUESTS, MOST_REQUESTS, RequestWindow


class Line:
    """A line on which requests are answered one after the other, each in `service_s`, a round trip later."""

    def __init__(self, *, round_trip_s, service_s):
        self.round_trip_s, self.service_s = round_trip_s, service_s
        self.now = self.free_at = 0.0
        self.under_way = []
        self.limits = []

    def carry(self, window, requests, kinds=("read",)):
        """Keep as many under way as the window says, until all are answered; return the seconds it took."""
        began = self.now
        unasked = iter(zip(range(requests), itertools.cycle(kinds), strict=False))
        self.ask(window, unasked)
        while self.under_way:
            self.now, _, kind, asked_at = heapq.heappop(self.under_way)
            window.answered(kind, asked_at=asked_at, now=self.now)
            self.limits.append(window.limit)
            self.ask(window, unasked)
        return self.now - began

    def ask(self, window, unasked):
        while len(self.under_way) < window.limit and (each := next(unasked, None)) is not None:
            number, kind = each
            service_s = self.service_s if isinstance(self.service_s, float) else self.service_s[kind]
            self.free_at = max(self.now, self.free_at) + service_s
            heapq.heappush(self.under_way, (self.free_at + self.round_trip_s, number, kind, self.now))


@pytest.mark.parametrize("round_trip_s", [0.0002, 0.001, 0.040, 0.150, 0.300])
@pytest.mark.parametrize("service_s", [0.0002, 0.001, 0.010, 0.100], ids=lambda s: f"{s * 1e3} ms each")
def test_a_line_of_any_length_is_filled_and_not_much_more(round_trip_s, service_s):
    line, window = Line(round_trip_s=round_trip_s, service_s=service_s), RequestWindow()
    line.carry(window, 3000)
    fits = round_trip_s / service_s + 1
    taken_s = line.carry(window, 3000)
    if fits < MOST_REQUESTS:
        assert taken_s < 1.1 * (3000 * service_s + round_trip_s), "the line is never empty"
    assert window.limit <= max(LEAST_REQUESTS, 2.5 * fits), "and what waits is no more than what is on its way"


def test_the_number_doubles_with_each_round_trip_until_the_line_is_full():
    line, window = Line(round_trip_s=0.150, service_s=0.0001), RequestWindow()
    line.carry(window, FIRST_REQUESTS * (1 + 1 + 2 + 4))
    assert line.now < 5.5 * 0.150
    assert window.limit >= 4 * FIRST_REQUESTS


def test_it_never_grows_beyond_what_is_asked_of_a_server():
    line, window = Line(round_trip_s=2.0, service_s=0.0001), RequestWindow()
    line.carry(window, 20_000)
    assert max(line.limits) == MOST_REQUESTS


def test_opening_that_takes_a_server_long_is_not_taken_for_a_queue():
    opening_takes = 0.4  # at a server that opens many at once, and takes that long for each
    window, now, under_way = RequestWindow(), 0.0, []
    for number in range(4000):
        while len(under_way) >= window.limit:
            now, _, kind, asked_at = heapq.heappop(under_way)
            window.answered(kind, asked_at=asked_at, now=now)
        kind = ("open", "read")[number % 2]
        heapq.heappush(under_way, (now + 0.020 + (opening_takes if kind == "open" else 0), number, kind, now))
    assert window.limit == MOST_REQUESTS


def test_what_a_connection_takes_to_be_made_is_not_taken_for_the_length_of_a_short_line():
    line, window = Line(round_trip_s=0.0002, service_s=0.00015), RequestWindow()
    line.free_at = 0.1
    line.carry(window, 5000)
    assert window.limit <= 2 * FIRST_REQUESTS + 1


def test_a_line_that_gets_narrow_is_given_less():
    line, window = Line(round_trip_s=0.100, service_s=0.0005), RequestWindow()
    line.carry(window, 5000)
    before = window.limit
    line.service_s = 0.010
    line.carry(window, 4000)
    assert (before > 300, window.limit <= 30) == (True, True)
