"""How a draft becomes public: published at once, or by a community that accepts it. One method, one request or two."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from yarl import URL

from ferry.errors import PermanentError
from ferry.repository.errors import NotFoundError
from ferry.repository.models import Community, RemoteRecord, ReviewRequest

_WITH_PERMISSIONS = "application/vnd.inveniordm.v1+json"
"""The form for pages, which tells also what the user may do."""


class RepositoryReviews:
    """The part of `Repository` that finishes drafts.

    Every method raises TransientError (worth another try), PermanentError (refused for good), or NotFoundError.
    """

    def __init__(
        self,
        *,
        connection: Any,
        asking: Callable[..., contextlib.AbstractAsyncContextManager[None]],
        communities_url: URL,
    ) -> None:
        """Talk over nrp-cmd's connection; `asking(action)` is around each request and puts errors in our words."""
        self._connection = connection
        self._asking = asking
        self._communities_url = communities_url

    async def publish(self, draft: RemoteRecord) -> ReviewRequest | None:
        """Publish the draft. An NRP repository may answer with a request that somebody has to accept first."""
        if draft.publish_url is None:
            raise PermanentError(
                f"the draft {draft.id} offers no way to publish it; its community may want a review: "
                "set repository.finish to review"
            )
        async with self._asking(f"publish the draft {draft.id}"):
            answer = await self._connection.post(url=draft.publish_url, json={}, result_class=dict)
        return _request(answer) if "topic" in answer and "receiver" in answer else None

    async def read_review(self, draft: RemoteRecord) -> ReviewRequest | None:
        """Return the request that a draft is tied to, None if there is none."""
        try:
            async with self._asking(f"read the review of {draft.id}"):
                return _request(await self._connection.get(url=_review_url(draft), result_class=dict))
        except NotFoundError:
            return None

    async def read_community(self, name: str) -> Community:
        """Return the community of this slug or id."""
        async with self._asking(f"find the community {name}"):
            found = await self._connection.get(
                url=self._communities_url / name, headers={"Accept": _WITH_PERMISSIONS}, result_class=dict
            )
        fields = found.get("custom_fields") or {}
        permissions = (found.get("ui") or {}).get("permissions") or {}
        return Community(
            id=str(found["id"]),
            slug=str(found.get("slug") or name),
            workflow=fields.get("workflow"),
            allowed_workflows=tuple(fields.get("allowed_workflows") or ()),
            may_submit=permissions.get("can_submit_record"),
        )

    async def propose(self, draft: RemoteRecord, community: str) -> ReviewRequest:
        """Tie the draft to a community (slug or id), by a request that waits to be submitted."""
        found = await self.read_community(community)
        receiver = {"receiver": {"community": found.id}, "type": "community-submission"}
        async with self._asking(f"propose {draft.id} to the community {community}"):
            return _request(await self._connection.put(url=_review_url(draft), json=receiver, result_class=dict))

    async def submit(self, draft: RemoteRecord) -> ReviewRequest:
        """Submit the draft to its community."""
        url = draft.self_url / "actions" / "submit-review"
        async with self._asking(f"submit {draft.id} for review"):
            return _request(await self._connection.post(url=url, json={}, result_class=dict))


def _review_url(draft: RemoteRecord) -> URL:
    return draft.review_url or draft.self_url / "review"


def _request(answer: Mapping[str, Any]) -> ReviewRequest:
    links = answer.get("links") or {}
    return ReviewRequest(
        id=str(answer.get("id")),
        status=str(answer.get("status") or answer.get("status_code")),
        url=str(links.get("self_html") or links.get("self")),
    )
