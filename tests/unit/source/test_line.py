"""What is under way to a server at once, and in what order it is asked for."""

import threading

import pytest

from ferry.source.line import MOST_BYTES, Line
from ferry.source.tasks import Answer, Tasks
from ferry.source.window import FIRST_REQUESTS, MOST_REQUESTS, RequestWindow

PIECE_BYTES = 1 << 20


class Server:
    """Is asked by `line`, and answers when it is told to."""

    def __init__(self):
        self.tasks = Tasks()
        self.line = Line(self.tasks, RequestWindow())
        self.asked = []
        self.begun = iter(())

    def ask(self, name, size_bytes=0):
        return self.line.ask("read", name, lambda say: self.asked.append((name, say)), size_bytes=size_bytes)

    def start(self, *coroutines):
        self.begun = iter(coroutines)
        self.tasks.start(lambda _working: next(self.begun, None))

    def answer(self, number=0):
        name, say = self.asked.pop(number)
        say(f"answer to {name}")

    def names(self):
        return [name for name, _ in self.asked]


def test_no_more_requests_are_under_way_than_the_window_says_and_those_that_wait_keep_their_order():
    server, came = Server(), []

    async def one(number):
        came.append(await server.line.take(server.ask(number)))

    server.start(*map(one, range(FIRST_REQUESTS + 50)))
    assert server.names() == list(range(FIRST_REQUESTS))
    server.answer(5)
    assert came == ["answer to 5"]
    assert server.names()[-1] == FIRST_REQUESTS
    while server.asked:
        server.answer()
    assert len(came) == FIRST_REQUESTS + 50
    assert server.tasks.ended.is_set()


def test_what_is_asked_for_and_not_yet_taken_is_bounded_by_memory_also_when_it_has_arrived():
    server, most = Server(), MOST_BYTES // PIECE_BYTES
    server.line.window.limit = MOST_REQUESTS

    async def file():
        requests = [server.ask(number, PIECE_BYTES) for number in range(2 * most)]
        await server.line.take(requests[0])
        await Answer("a disk that takes its time")

    server.start(file())
    assert server.names() == list(range(most))
    answered = 0
    while server.asked:
        server.answer()
        answered += 1
    assert answered == most + 1, "what was taken made room for one more"


def test_the_pieces_of_earlier_files_are_asked_for_first_and_one_of_each_file_at_least():
    server = Server()

    def asker(name, pieces):
        left = list(range(pieces))

        def ask_one():
            if left:
                server.ask(f"{name}{left.pop(0)}")
            return bool(left)

        return ask_one

    server.line.add_asker(asker("a", FIRST_REQUESTS - 1))
    server.line.add_asker(asker("b", 5))
    assert server.names()[-2:] == [f"a{FIRST_REQUESTS - 2}", "b0"]
    server.answer()
    assert server.names()[-1] == "b1"


def test_requests_that_nobody_wants_any_more_are_not_sent_and_those_under_way_are_waited_for():
    server, ended = Server(), []

    async def file():
        requests = [server.ask(number) for number in range(FIRST_REQUESTS + 10)]
        await server.line.drop(*requests)
        ended.append(True)

    server.start(file())
    for _ in range(FIRST_REQUESTS):
        assert not ended
        server.answer()
    assert (ended, server.asked) == ([True], [])


def test_a_mistake_ends_the_tasks_and_is_told():
    server = Server()

    async def mistaken():
        await server.line.take(server.ask("a"))
        raise ZeroDivisionError

    server.start(mistaken())
    server.answer()
    assert server.tasks.ended.is_set()
    with pytest.raises(ZeroDivisionError):
        server.tasks.check()


def test_answers_of_many_threads_are_each_taken_in_once():
    server, came = Server(), []

    async def one(number):
        for _ in range(20):
            came.append((number, await server.line.take(server.ask(number))))

    server.start(*map(one, range(100)))

    def answers():
        while not server.tasks.ended.is_set():
            try:
                server.answer()
            except IndexError:
                continue

    threads = [threading.Thread(target=answers) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(came) == sorted((number, f"answer to {number}") for number in range(100) for _ in range(20))
