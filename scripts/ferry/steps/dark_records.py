"""One's own records in the repository that carry an identifier of ours and that nobody here knows."""

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ferry.identity import recid_of
from ferry.repository.client import Repository
from ferry.repository.errors import NotFoundError
from ferry.repository.searches import MOST_FOUND, OWN_PAGE
from ferry.retry import RetryPolicy
from ferry.run.disk_budget import DEPOSIT
from ferry.steps.audit_checkpoint import Checkpoint


class DarkRecords:
    """The search for them."""

    def __init__(self, *, identifier_prefix: str | None, results_dir: Path, data_dir: Path, retry: RetryPolicy) -> None:
        """Prepare to search.

        Args:
            identifier_prefix: of records of one's own; None for those of the portal.
            results_dir, data_dir: what runs have left: whatever it remembers of a record is known.
            retry: how often to try.
        """
        self._prefix = identifier_prefix
        self._results_dir = results_dir
        self._data_dir = data_dir
        self._retry = retry

    async def find(
        self, repository: Repository, checkpoint: Checkpoint, *, known: Mapping[int, str]
    ) -> list[tuple[int, str, str]]:
        """Return one's own records that carry an identifier of ours and that no receipt here knows.

        `known` is recid -> id of those that were asked.
        """
        dark: dict[str, tuple[int, str, str]] = {}
        page, since, last_page = 1, None, MOST_FOUND // OWN_PAGE
        while True:
            name = f"{page} since {since}"
            if name not in checkpoint.pages:
                checkpoint.told_page(name, await self._page(repository, page=page, since=since))
            told = checkpoint.pages[name]
            for recid, record_id, url in told["ours"]:
                if record_id != known.get(recid) and record_id not in self._known_ids(recid):
                    dark[record_id] = (recid, record_id, url)
            if told["hits"] < OWN_PAGE:
                return sorted([each for each in dark.values() if await self._is_there(repository, each[1])])
            page += 1
            if page > last_page:  # a search shows no more: the next one begins where this one has ended
                page, since = 1, told["last_created"]

    async def _is_there(self, repository: Repository, record_id: str) -> bool:
        """Tell whether there is such a record: a search shows one for a while after it was deleted."""
        for read in (repository.read_draft, repository.read_published):
            with suppress(NotFoundError):
                await self._retry.retried(partial(read, record_id))
                return True
        return False

    async def _page(self, repository: Repository, *, page: int, since: str | None) -> dict[str, Any]:
        hits = await self._retry.retried(lambda: repository.list_own(page=page, since=since))
        ours = []
        for hit in hits:
            links = hit.get("links") or {}
            for entry in (hit.get("metadata") or {}).get("identifiers") or ():
                recid = recid_of(str(entry.get("identifier")), prefix=self._prefix)
                if recid is not None:
                    ours.append((recid, str(hit.get("id")), str(links.get("self_html") or links.get("self") or "")))
        return {"hits": len(hits), "ours": ours, "last_created": hits[-1].get("created") if hits else None}

    def _known_ids(self, recid: int) -> set[str]:
        """Return the ids that anything here remembers of a record, whether it is wanted now or not."""
        paths = [self._results_dir / str(recid) / f"{name}.json" for name in ("proof", "published", "upload")]
        known = set()
        for path in (*paths, self._data_dir / str(recid) / DEPOSIT):
            with suppress(OSError, ValueError, KeyError, TypeError):
                known.add(str(json.loads(path.read_bytes())["record_id"]))
        return known
