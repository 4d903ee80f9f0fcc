"""The line that downloads and uploads are measured on (servers/tcp_proxy.py), by itself: what it hands on at most.

Who sends and who receives are processes of their own, so that the line has its own to itself.
"""

import socket
import socketserver
import time
from concurrent.futures import ProcessPoolExecutor

from loopback import serving

from bench.side_by_side import RUNS, Result, compared, report
from servers.tcp_proxy import TcpProxy, tcp_proxy

GOAL_MB_PER_S = 500
BYTES = 2 << 30
PIECE = bytes(1 << 20)


class Sender(socketserver.BaseRequestHandler):
    """Sends as many bytes as it is asked for."""

    def handle(self) -> None:
        """Read a number, and send."""
        for _ in range(int(self.request.recv(20)) // len(PIECE)):
            self.request.sendall(PIECE)


def main() -> None:
    """Measure one connection and four, near and far."""
    server = socketserver.ForkingTCPServer(("127.0.0.1", 0), Sender)
    with ProcessPoolExecutor(4) as pool, serving(server), tcp_proxy(server.server_address[1]) as line:
        report("line", [carried(line, pool, number, ms) for number in (1, 4) for ms in (1, 40, 150)])


def carried(line: TcpProxy, pool: ProcessPoolExecutor, connections: int, round_trip_ms: float) -> Result:
    """Return the seconds that a gigabyte takes beside those it may take."""
    line.delay_s = round_trip_ms / 2000
    taken_s = []
    for _ in range(RUNS):
        started = time.perf_counter()
        came = sum(pool.map(received, [line.port] * connections, [BYTES // connections] * connections))
        taken_s.append((time.perf_counter() - started) * 1e9 / came)
    case = f"{connections} connections, {round_trip_ms} ms: 1 GB vs {GOAL_MB_PER_S} MB/s"
    return compared(case, ours=taken_s, other=[1000 / GOAL_MB_PER_S], unit="s", goal=1)


def received(port: int, size_bytes: int) -> int:
    """Ask for so many bytes; return how many came."""
    buffer, came = bytearray(1 << 20), 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"%d" % size_bytes)
        while length := connection.recv_into(buffer):
            came += length
    return came


if __name__ == "__main__":
    main()
