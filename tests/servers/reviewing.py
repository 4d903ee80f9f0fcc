"""Deposits that somebody has to decide about, at a real repository: each of a recid that no other test has."""

import asyncio
import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferry.deposit.deposit import Deposit
from ferry.deposit.publish import publish_record
from ferry.deposit.settings import DepositSettings
from ferry.deposit.state import DepositState
from ferry.identity import source_identifier
from ferry.repository.client import Repository
from ferry.repository.discovery import discover
from servers.depositing import reading, uploads
from servers.nrp.server import DATASET, NrpRepository
from servers.raw_api import Api

_recids = itertools.count(1000 * random.SystemRandom().randrange(10**5, 10**6))
"""Two processes that test one repository at a time have other ones."""
CONTENTS = {"a.al": b"first" * 1000}


@dataclass
class Case:
    """One record on its way into the repository, as the two steps carry it."""

    nrp: NrpRepository
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    """Of `DepositSettings`."""
    recid: int = field(default_factory=lambda: next(_recids))
    title: str = "A record that is decided about"
    contents: dict[str, bytes] = field(default_factory=lambda: dict(CONTENTS))

    @property
    def review_path(self) -> Path:
        """Where it is remembered what was submitted."""
        return self.folder / "review.json"

    @property
    def curator(self) -> Api:
        """The one who decides."""
        return Api(self.nrp.url, self.nrp.curator_token)

    @property
    def owner(self) -> Api:
        """The one who deposits."""
        return Api(self.nrp.url, self.nrp.token)

    def document(self) -> dict[str, Any]:
        """Return the target metadata."""
        metadata = {
            "title": self.title,
            "resource_type": {"id": DATASET[self.nrp.base]},
            "publication_date": "2024",
            "publisher": "CERN Open Data Portal",
            "creators": [{"person_or_org": {"type": "organizational", "name": "DELPHI Collaboration"}}],
            "identifiers": [source_identifier(self.recid)],
        }
        if self.nrp.model != "records":
            metadata["recid"] = self.recid
        access = {"record": "public", "files": "public"}
        return {"metadata": metadata, "access": access, "files": {"enabled": bool(self.contents)}}

    def act(self, action: Any) -> Any:
        """Run `action(repository)`."""

        async def opened() -> Any:
            info = await discover(url=self.nrp.url, verify_tls=True)
            async with Repository(
                name=self.nrp.url, url=self.nrp.url, token=self.nrp.token, info=info, model=self.nrp.model
            ) as repository:
                return await action(repository)

        return asyncio.run(opened())

    def upload(self) -> dict[str, Any]:
        """Bring it into the repository as a draft; return the receipt."""

        async def run(repository: Repository) -> Any:
            return await Deposit(
                repository=repository,
                recid=self.recid,
                identifier=source_identifier(self.recid)["identifier"],
                document=self.document(),
                uploads=uploads(self.contents),
                open_upload=reading(self.contents),
                state=DepositState.load(
                    path=self.folder / "deposit.json", recid=self.recid, repository=repository.name
                ),
                given_path=self.folder / "given.json",
                settings=DepositSettings(settle_s=2, **self.settings),
            ).run()

        return dict(self.act(run).receipt)

    def publish(self, **options: Any) -> dict[str, Any]:
        """Upload what is missing, and publish or submit it; return the receipt."""
        uploaded = self.upload()
        return self.publish_only(uploaded, **options).receipt

    def publish_only(self, uploaded: dict[str, Any], **options: Any) -> Any:
        """Publish or submit what the receipt tells of."""
        given = {
            "document": self.document(),
            "community": self.settings.get("community"),
            "review_path": self.review_path,
            "given_path": self.folder / "given.json",
            **options,
        }
        return self.act(lambda repository: publish_record(repository=repository, uploaded=uploaded, **given))

    def decide(self, receipt: dict[str, Any], action: str, words: str | None = None) -> None:
        """Have the curator accept or decline the request of a receipt `published`."""
        said = {"payload": {"content": words, "format": "html"}} if words else {}
        path = f"/api/requests/{receipt['request']['id']}/actions/{action}"
        answer = self.curator.call("POST", path, json=said)
        assert answer.status_code == 200, answer.text

    def read(self, record_id: str) -> dict[str, Any]:
        """Return the published record."""
        answer = self.owner.call("GET", f"/api/{self.nrp.model}/{record_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def requests_about(self, record_id: str) -> list[dict[str, Any]]:
        """Return all requests about the record."""
        answer = self.owner.call("GET", f"/api/requests/?topic=record:{record_id}")
        return list(answer.json()["hits"]["hits"])
