"""A portal that has records, keeps connections open, and gives each record an ETag and a time of its last change.

`python tests/record_portal.py FOLDER` serves <recid>.json of a folder in a process of its own, and prints its address.
"""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from loopback import serving

UPDATED = "2024-01-01T00:00:00+00:00"


class RecordPortal(ThreadingHTTPServer):
    """Has bare records by their recids; what is none is not found."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, records: Mapping[int, bytes], *, tells_etags: bool = True) -> None:
        self.records = dict(records)
        self.updated: dict[int, str] = {}
        self.tells_etags = tells_etags
        self.asked: list[str] = []
        self.unchanged = 0
        self.connections = 0
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def change(self, recid: int, record: dict, updated: str) -> None:
        """Have another record by that recid, from that time on."""
        self.records[recid], self.updated[recid] = json.dumps(record).encode(), updated


class Handler(BaseHTTPRequestHandler):
    server: RecordPortal
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self) -> None:
        self.server.connections += 1
        super().setup()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        last = parts.path.rpartition("/")[2]
        if last == "counts":
            return self._answer({"asked": len(self.server.asked), "connections": self.server.connections})
        self.server.asked.append(self.path)
        if not last:
            return self._list(parse_qs(parts.query))
        recid = int(last)
        if recid not in self.server.records:
            return self._answer({"status": 404, "message": "PID does not exist."}, status=404)
        etag = f'"{abs(hash(self.server.records[recid]))}"' if self.server.tells_etags else None
        if etag and self.headers.get("If-None-Match") == etag:
            self.server.unchanged += 1
            self.send_response(304)
            self.send_header("ETag", etag)
            return self.end_headers()
        return self._answer(self._record(recid), etag=etag)

    def _list(self, query: dict[str, list[str]]) -> None:
        number, size = int(query["page"][0]), int(query["size"][0])
        recids = sorted(self.server.records)[(number - 1) * size : number * size]
        hits = [self._record(recid) for recid in recids]
        return self._answer({"hits": {"total": len(self.server.records), "hits": hits}})

    def _record(self, recid: int) -> dict:
        updated = self.server.updated.get(recid, UPDATED)
        return {
            "id": str(recid), "created": UPDATED, "updated": updated, "links": {},
            "metadata": json.loads(self.server.records[recid]),
        }  # fmt: skip

    def _answer(self, document: dict, *, status: int = 200, etag: str | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if etag:
            self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def record_portal(records: Mapping[int, dict], *, tells_etags: bool = True) -> AbstractContextManager[RecordPortal]:
    """Give a portal on loopback that has these records."""
    texts = {recid: json.dumps(record).encode() for recid, record in records.items()}
    return serving(RecordPortal(texts, tells_etags=tells_etags))


@contextmanager
def portal_process(folder: Path) -> Iterator[str]:
    """Give the address of a portal that has the records of a folder, in a process of its own."""
    with subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True) as portal:
        assert portal.stdout is not None
        try:
            yield portal.stdout.readline().strip()
        finally:
            portal.terminate()


def counts(address: str) -> dict[str, int]:
    """Return what a portal has been asked so far; this question is no request, but a connection."""
    with urllib.request.urlopen(f"{address}/counts") as answer:
        found = json.load(answer)
    return {"asked": found["asked"], "connections": found["connections"]}


if __name__ == "__main__":
    portal = RecordPortal({int(path.stem): path.read_bytes() for path in Path(sys.argv[1]).glob("*.json")})
    print(portal.url, flush=True)
    portal.serve_forever()
