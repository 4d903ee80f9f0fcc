"""A server that gives the portal's answers one after another."""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from loopback import serving

RECORD = {"id": "7", "metadata": {"recid": 7, "title": "A record", "files": []}}


@dataclass
class Answer:
    """What the portal says once; `keep` bytes of the body are sent, all of them by default."""

    status: int = 200
    body: bytes = json.dumps(RECORD).encode()
    kind: str = "application/json"
    keep: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Portal(ThreadingHTTPServer):
    """Gives its answers one after another, the last again and again."""

    daemon_threads = True

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Portal

    def do_GET(self) -> None:
        answer = self.server.answers[min(len(self.server.asked), len(self.server.answers) - 1)]
        self.server.asked.append(self.path)
        self.send_response(answer.status)
        for name, value in {
            "Content-Type": answer.kind, "Content-Length": str(len(answer.body)), **answer.headers
        }.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body[: answer.keep])

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def portal(*answers: Answer) -> AbstractContextManager[Portal]:
    """Give a portal on loopback that answers so."""
    return serving(Portal(list(answers)))
