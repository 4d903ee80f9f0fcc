"""How a draft becomes public: published at once, by a community that takes it, or by a request that somebody accepts.

InvenioRDM has the first two. An NRP repository publishes by the workflow of a draft: where its rules want a review, the
only way is a request (`publish_draft`, `publish_new_version`, `publish_changed_metadata`), with or without a community.
"""

import contextlib
import html
import re
from collections.abc import Callable, Mapping
from typing import Any

from yarl import URL

from ferry.errors import FerryError, PermanentError
from ferry.repository.errors import DeadEndError, DeniedError, NotFoundError
from ferry.repository.models import Community, RemoteRecord, ReviewRequest
from ferry.text.safe_text import in_one_line, printable

_PUBLISHING = frozenset({"publish_draft", "publish_new_version", "publish_changed_metadata"})
_MOST_WORDS = 1000
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
        requests_url: URL,
    ) -> None:
        """Talk over nrp-cmd's connection; `asking(action)` is around each request and puts errors in our words."""
        self._connection = connection
        self._asking = asking
        self._communities_url = communities_url
        self._requests_url = requests_url

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
            lets_members_publish=(found.get("access") or {}).get("review_policy") == "open",
        )

    async def find_community(self, name: str) -> Community:
        """Return the community that the configuration names.

        Raises:
            PermanentError: there is none; says what to correct.
        """
        try:
            return await self.read_community(name)
        except NotFoundError as error:
            raise PermanentError(
                f"expected the community {name} in the repository, found none of this name; correct "
                "repository.community"
            ) from error

    async def publish(self, draft: RemoteRecord) -> None:
        """Publish a draft that has a way to be published at once."""
        if draft.publish_url is None:
            raise PermanentError(f"the draft {draft.id} cannot be published without a request")
        async with self._asking(f"publish the draft {draft.id}"):
            await self._connection.post(url=draft.publish_url, json={}, result_class=dict)

    # --- the request that decides about a draft ---

    async def read_request(self, request_id: str) -> ReviewRequest:
        """Return a request by its id."""
        async with self._asking(f"read the request {request_id}"):
            return _request(await self._connection.get(url=self._requests_url / request_id, result_class=dict))

    async def read_review(self, draft: RemoteRecord) -> ReviewRequest | None:
        """Return the latest request that decides, or has decided, whether the draft becomes public; None without one.

        The address is made of the draft's own: on an NRP repository `links.review` leads to another model's.
        """
        if draft.has_review:
            try:
                async with self._asking(f"read the review of {draft.id}"):
                    return _request(await self._connection.get(url=draft.self_url / "review", result_class=dict))
            except NotFoundError:
                return None
        if draft.publish_url is not None or draft.requests_url is None or draft.applicable_requests_url is None:
            return None
        async with self._asking(f"look for requests about {draft.id}"):
            answer = await self._connection.get(
                url=draft.requests_url.update_query(size="25", sort="newest"), result_class=dict
            )
        found = [hit for hit in (answer.get("hits") or {}).get("hits") or [] if hit.get("type") in _PUBLISHING]
        if not found:
            return None
        # the search shows what was indexed; what counts is the request itself
        return await self.read_request(str(max(found, key=lambda hit: str(hit.get("created")))["id"]))

    async def propose(self, draft: RemoteRecord, community: Community) -> ReviewRequest:
        """Tie the draft to a community, by a request that waits to be submitted.

        Raises:
            DeadEndError: the community does not take it.
        """
        receiver = {"receiver": {"community": community.id}, "type": "community-submission"}
        try:
            async with self._asking(f"propose {draft.id} to the community {community.slug}"):
                return _request(
                    await self._connection.put(url=draft.self_url / "review", json=receiver, result_class=dict)
                )
        except DeniedError as error:
            takes = ", ".join(community.workflows) or "any"
            raise DeadEndError(
                f"draft {draft.id}: the community {community.slug} does not take it: its workflow is "
                f"{draft.workflow or 'the default one'}, the community takes {takes}; a draft keeps its workflow: "
                f"delete it at {draft.page_url} and run again; if the workflow is right, the token's user may not "
                "submit there"
            ) from error

    async def ask_to_publish(self, draft: RemoteRecord) -> ReviewRequest:
        """Make the request that publishes the draft once it is accepted; it waits to be submitted.

        Raises:
            DeadEndError: the draft's workflow knows no such request.
        """
        found: Mapping[str, Any] = {}
        if draft.applicable_requests_url is not None:
            async with self._asking(f"look how {draft.id} can be published"):
                found = await self._connection.get(url=draft.applicable_requests_url, result_class=dict)
        links = {hit["type_id"]: hit["links"]["actions"] for hit in (found.get("hits") or {}).get("hits") or []}
        create = next((links[kind]["create"] for kind in sorted(_PUBLISHING & links.keys())), None)
        if create is None:
            raise DeadEndError(
                f"draft {draft.id}: expected a way to publish it, found none in its workflow "
                f"({draft.workflow or 'the default one'}); it may be for records of a community: set "
                "repository.community and run again; or set another repository.workflow, delete the draft, which keeps "
                f"its own, at {draft.page_url}, and run again"
            )
        async with self._asking(f"ask for {draft.id} to be published"):
            return _request(await self._connection.post(url=URL(create), json={}, result_class=dict))

    async def submit(self, draft: RemoteRecord, request: ReviewRequest) -> ReviewRequest:
        """Submit what waits to be submitted."""
        url = draft.self_url / "actions" / "submit-review"
        if request.type in _PUBLISHING:
            url = self._requests_url / request.id / "actions" / "submit"
        async with self._asking(f"submit {draft.id} for review"):
            return _request(await self._connection.post(url=url, json={}, result_class=dict))

    async def accept(self, request: ReviewRequest) -> ReviewRequest:
        """Accept a request that the token's user may decide."""
        async with self._asking(f"accept the request {request.id}"):
            return _request(
                await self._connection.post(
                    url=self._requests_url / request.id / "actions" / "accept", json={}, result_class=dict
                )
            )

    async def reviewers_words(self, request: ReviewRequest) -> str | None:
        """Return what was said last about a request, as one line of plain text; None if nothing can be read."""
        base = self._requests_url / request.id
        with contextlib.suppress(FerryError):
            if request.last_comment is not None:
                async with self._asking(f"read what was said about the request {request.id}"):
                    comment = await self._connection.get(
                        url=base / "comments" / request.last_comment, result_class=dict
                    )
                return _words([comment])
            async with self._asking(f"read what was said about the request {request.id}"):
                answer = await self._connection.get(url=base / "timeline", params={"size": "25"}, result_class=dict)
            events = [hit for hit in (answer.get("hits") or {}).get("hits") or [] if hit.get("type") == "C"]
            return _words(sorted(events, key=lambda event: str(event.get("created"))))
        return None


def _request(answer: Mapping[str, Any]) -> ReviewRequest:
    links = answer.get("links") or {}
    comment = (answer.get("last_reply") or {}).get("id")
    community = (answer.get("receiver") or {}).get("community")
    return ReviewRequest(
        id=str(answer.get("id")),
        status=str(answer.get("status") or answer.get("status_code")),
        url=in_one_line(printable(str(links.get("self_html") or links.get("self")))),
        type=str(answer.get("type")),
        actions=frozenset(links.get("actions") or ()),
        last_comment=str(comment) if comment else None,
        community=str(community) if community else None,
    )


def _words(comments: list[Mapping[str, Any]]) -> str | None:
    """Return the text of the last comment that has one; comments are HTML, and of any length."""
    for comment in reversed(comments):
        content = html.unescape(re.sub(r"<[^>]*>", " ", str((comment.get("payload") or {}).get("content") or "")))
        printable = "".join(letter if letter.isprintable() else " " for letter in content)
        if text := " ".join(printable.split()):
            return text if len(text) <= _MOST_WORDS else text[:_MOST_WORDS] + " …"
    return None
