"""What a repository really holds, asked past the proxy and without our own client."""

from dataclasses import dataclass
from typing import Any

from servers.deposit_faults.cargo import Cargo, Carried
from servers.raw_api import Api, Draft, eventually, md5


@dataclass(frozen=True)
class Held:
    """One record as the repository holds it."""

    id: str
    is_published: bool
    title: str
    keys: tuple[str, ...]
    """As listed: a key that stands twice is twice in it."""
    complete: dict[str, tuple[int, str, bytes]]
    """By key: size, checksum and the bytes themselves."""


class Truth:
    """Looks at one repository."""

    def __init__(self, url: str, token: str) -> None:
        self.api = Api(url, token, name="truth")
        self.api.session.headers["User-Agent"] = "truth"  # may ask as often as it likes

    def held(self, cargo: Cargo, *, expected: int | None = None) -> list[Held]:
        """Return every draft and record of the cargo's identifier; with `expected`, as soon as there are so many."""

        def ids() -> set[str]:
            found = self.api.search("/api/user/records", cargo.identifier, allversions="true")["hits"]["hits"]
            return {hit["id"] for hit in found}

        if expected is not None:
            eventually(lambda: len(ids()) >= expected)
        return [self.record(record_id) for record_id in sorted(ids())]

    def record(self, record_id: str) -> Held:
        """Return one record, read file by file."""
        draft = Draft(self.api, record_id)
        shown = self.api.call("GET", draft.record)
        path = draft.record if shown.status_code == 200 else draft.path
        body = self.api.call("GET", path).json()
        entries: list[dict[str, Any]] = self.api.call("GET", f"{path}/files").json().get("entries", [])
        complete = {
            entry["key"]: (
                entry["size"],
                entry["checksum"],
                self.api.call("GET", entry["links"]["content"]).content,
            )
            for entry in entries
            if entry["status"] == "completed"
        }
        return Held(
            id=record_id,
            is_published=body["is_published"],
            title=body["metadata"]["title"],
            keys=tuple(entry["key"] for entry in entries),
            complete=complete,
        )

    def assert_one_at_most(self, cargo: Cargo) -> None:
        """I2, I3: one draft or record of a recid, each key once."""
        held = self.held(cargo)
        assert len(held) <= 1, f"{len(held)} records of one recid"
        for record in held:
            assert len(set(record.keys)) == len(record.keys), record.keys
            if record.is_published:  # whatever was reported: what is public is whole
                assert record.complete == expected_files(cargo)

    def assert_holds(self, cargo: Cargo, carried: Carried) -> None:
        """I1, I2, I3, I7: what was called done is there, byte by byte, once, and nothing else."""
        (record,) = self.held(cargo, expected=1)
        assert record.id == carried.upload["record_id"]
        assert sorted(record.keys) == sorted(cargo.contents)
        assert record.complete == expected_files(cargo)
        assert record.is_published == (carried.published is not None)
        assert record.title == cargo.title
        told = {file["key"]: (file["size_bytes"], f"md5:{file['md5']}") for file in carried.upload["files"]}
        assert told == {key: (size, checksum) for key, (size, checksum, _) in record.complete.items()}


def expected_files(cargo: Cargo) -> dict[str, tuple[int, str, bytes]]:
    """Return what the repository has to hold in the end."""
    return {key: (len(content), md5(content), content) for key, content in cargo.contents.items()}
