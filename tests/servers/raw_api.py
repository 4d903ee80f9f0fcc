"""Requests to a repository without any client in between, for tests of what it answers."""

import hashlib
import itertools
import os
import socket
import time
import weakref
from collections.abc import Callable, Iterable
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from servers.flavours import Words
from servers.invenio_stack import LIMITED_AGENT

OCTETS = {"Content-Type": "application/octet-stream"}
_numbers = itertools.count()


def metadata(**changes: Any) -> dict[str, Any]:
    """Return metadata that a repository takes; a change to None leaves a field out."""
    fields: dict[str, Any] = {
        "title": "A record of a test",
        "resource_type": {"id": "dataset"},
        "publication_date": "2024-01-31",
        "publisher": "opendata-ferry tests",
        "creators": [{"person_or_org": {"type": "organizational", "name": "DELPHI Collaboration"}}],
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def document(**changes: Any) -> dict[str, Any]:
    """Return a whole record with such metadata."""
    access = {"record": "public", "files": "public"}
    return {"metadata": metadata(**changes), "access": access, "files": {"enabled": True}}


def multipart(key: str, size: int, part_size: int, **more: Any) -> dict[str, Any]:
    """Return the announcement of a file in parts."""
    parts = -(-size // part_size) if part_size else 1
    return {"key": key, "size": size, "transfer": {"type": "M", "parts": parts, "part_size": part_size}, **more}


def md5(content: bytes) -> str:
    """Return a checksum as the repository writes it."""
    return f"md5:{hashlib.md5(content).hexdigest()}"


def fields(answer: requests.Response) -> dict[str, str]:
    """Return what an answer objects to: the first message of each field."""
    return {error["field"]: error["messages"][0] for error in answer.json().get("errors", [])}


def new_identifier() -> str:
    """Return an address that no record has yet."""
    return f"https://example.org/{os.getpid()}/{time.time_ns()}/{next(_numbers)}"


class Api:
    """One user at one repository, with a User-Agent of its own: rate limits are counted by it."""

    def __init__(self, url: str, token: str | None, *, name: str = "", words: Words = Words()) -> None:  # noqa: B008
        self.url = url
        self.words = words
        self.token = token
        self.session = requests.Session()
        weakref.finalize(self, self.session.close)  # an open one is a warning, and here warnings are errors
        self.session.trust_env = False
        self.session.cookies.set_policy(
            DefaultCookiePolicy(allowed_domains=[])
        )  # a kept one brings CSRF checks with it
        self.agent = f"{LIMITED_AGENT}-{name}-{os.getpid()}-{next(_numbers)}"
        self.session.headers["User-Agent"] = self.agent
        if token is not None:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send one request; `path` may be a whole address."""
        url = path if path.startswith("http") else self.url + path
        return self.session.request(method, url, timeout=60, allow_redirects=False, **more)

    def document(self, **changes: Any) -> dict[str, Any]:
        """Return a whole record that this repository takes."""
        return document(**{"resource_type": {"id": self.words.dataset}, **changes})

    def create(self, *, workflow: str | None = None, **changes: Any) -> "Draft":
        """Make a draft; of an NRP repository, one that is published in another way than usual."""
        given = self.document(**changes)
        if workflow is not None:
            given["parent"] = {"workflow": workflow}
        answer = self.call("POST", "/api/records", json=given)
        assert answer.status_code == 201, answer.text
        return Draft(self, answer.json()["id"])

    def search(self, path: str, identifier: str, **query: str) -> dict[str, Any]:
        """Search for an identifier, once."""
        words = {"q": f'metadata.identifiers.identifier:"{identifier}"', **query}
        answer = self.call("GET", path, params=words)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


class Draft:
    """One draft, or the record that became of it."""

    def __init__(self, api: Api, record_id: str) -> None:
        self.api = api
        self.id = record_id
        self.record = f"/api/records/{record_id}"
        self.path = f"{self.record}/draft"

    def get(self) -> requests.Response:
        return self.api.call("GET", self.path)

    def publish(self) -> requests.Response:
        return self.api.call("POST", f"{self.path}/actions/publish")

    def init(self, *keys: str | dict[str, Any]) -> requests.Response:
        items = [{"key": key} if isinstance(key, str) else key for key in keys]
        return self.api.call("POST", f"{self.path}/files", json=items)

    def file(self, key: str) -> str:
        return f"{self.path}/files/{quote(key, safe='')}"

    def entry(self, key: str) -> requests.Response:
        return self.api.call("GET", self.file(key))

    def entries(self) -> dict[str, dict[str, Any]]:
        return {entry["key"]: entry for entry in self.api.call("GET", f"{self.path}/files").json()["entries"]}

    def put(self, key: str, content: bytes | Iterable[bytes], **headers: str) -> requests.Response:
        return self.api.call("PUT", f"{self.file(key)}/content", data=content, headers={**OCTETS, **headers})

    def part(self, key: str, number: int, content: bytes) -> requests.Response:
        return self.api.call("PUT", f"{self.file(key)}/content/{number}", data=content, headers=OCTETS)

    def commit(self, key: str) -> requests.Response:
        return self.api.call("POST", f"{self.file(key)}/commit")

    def delete(self, key: str) -> requests.Response:
        return self.api.call("DELETE", self.file(key))

    def content(self, key: str, **more: Any) -> requests.Response:
        return self.api.call("GET", f"{self.file(key)}/content", **more)

    def upload(self, key: str, content: bytes) -> dict[str, Any]:
        """Send one file, from announcement to commit."""
        assert self.init(key).status_code == 201
        assert self.put(key, content).status_code == 200
        answer = self.commit(key)
        assert answer.status_code == 200, answer.text
        entry: dict[str, Any] = answer.json()
        return entry

    def begin_put(self, path: str, *, announced: int, sent: bytes) -> socket.socket:
        """Send the head of a PUT and the beginning of its body; return the open connection."""
        where = urlsplit(self.api.url)
        connection = socket.create_connection((where.hostname, where.port), timeout=20)
        head = (
            f"PUT {path} HTTP/1.1\r\nHost: {where.netloc}\r\nUser-Agent: {self.api.agent}\r\n"
            f"Authorization: Bearer {self.api.token}\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Length: {announced}\r\n\r\n"
        )
        connection.sendall(head.encode() + sent)
        return connection


def eventually(condition: Callable[[], Any], *, within_s: float = 8.0) -> Any:
    """Return what the condition gives as soon as it is true; a late index gets its time."""
    deadline = time.monotonic() + within_s
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return result
