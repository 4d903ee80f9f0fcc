"""The line that the tests and benchmarks put between a client and a server is as long and as narrow as it says."""

import contextlib
import socket
import socketserver
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from loopback import serving

from servers.tcp_proxy import tcp_proxy


class Echo(socketserver.BaseRequestHandler):
    """Sends back what comes."""

    def handle(self):
        with contextlib.suppress(OSError):
            while data := self.request.recv(1 << 16):
                self.request.sendall(data)


@pytest.fixture
def line():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    with serving(server), tcp_proxy(server.server_address[1]) as proxy:
        yield proxy


def connect(line):
    return socket.create_connection(("127.0.0.1", line.port), timeout=20)


def there_and_back_s(connection, content):
    started = time.monotonic()
    writer = threading.Thread(target=connection.sendall, args=(content,))
    writer.start()
    back = bytearray()
    while len(back) < len(content):
        data = connection.recv(1 << 16)
        assert data, "the connection has ended"
        back += data
    writer.join()
    assert back == content
    return time.monotonic() - started


@pytest.mark.parametrize("round_trip_s", [0.001, 0.040])
def test_an_answer_takes_a_round_trip_and_the_first_on_a_connection_two(line, round_trip_s):
    line.delay_s = round_trip_s / 2
    started = time.monotonic()  # a connection is made before its client hears of it
    with connect(line) as connection:
        there_and_back_s(connection, b"a")
        first_s = time.monotonic() - started
        later_s = [there_and_back_s(connection, b"b") for _ in range(9)]
    assert first_s >= 2 * round_trip_s
    assert round_trip_s <= min(later_s) < round_trip_s + 0.010, "the least: the machine has other things to do"
    assert line.connections == 1


def test_the_width_of_the_line_is_shared_by_its_connections_and_is_there_each_way(line):
    line.bytes_per_s, content = 20e6, bytes(2_000_000)
    with ThreadPoolExecutor(3) as pool, connect(line) as a, connect(line) as b, connect(line) as c:
        tries = [list(pool.map(there_and_back_s, (a, b, c), (content,) * 3)) for _ in range(3)]
    assert min(map(min, tries)) >= 0.2, "each had a third of it"
    assert 0.3 <= min(map(max, tries)) < 0.6, "6 MB at 20 MB/s, both ways at once"
    assert line.bytes_back == 18_000_000


def test_a_line_does_not_run_full_of_what_nobody_takes(line):
    line.bytes_per_s = None
    with connect(line) as connection:
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.sendall(bytes(400 << 20))  # and nobody reads what comes back
    assert line.bytes_back < 200 << 20


def test_a_line_can_be_cut_and_then_carries_again(line):
    line.cut_after = 1000
    with connect(line) as connection:
        connection.sendall(bytes(5000))
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(5000) == b"", "what would have come before the cut is lost too"
    with connect(line) as connection:
        there_and_back_s(connection, bytes(1000))
    assert line.cut_after is None
    assert line.connections == 2
