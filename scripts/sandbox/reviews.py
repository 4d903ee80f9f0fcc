"""Communities and the requests by which a draft gets into one: as little of it as a deposit needs."""

import uuid
from typing import Any

from sandbox.answers import Refusal, denied, field_error, invalid, no_such_record
from sandbox.deposits import Deposits, now
from sandbox.store import Document, Store


class Reviews:
    """A draft is tied to a community, submitted, and published when the community's owner accepts."""

    def __init__(self, store: Store, deposits: Deposits, api_url: str) -> None:
        self._store = store
        self._deposits = deposits
        self._api = api_url

    def create_community(self, user: str | None, given: Any) -> Document:
        """Make a community of the user.

        Raises:
            Refusal: 403, 400.
        """
        if user is None:
            raise denied()
        given = given if isinstance(given, dict) else {}
        slug, title = given.get("slug"), (given.get("metadata") or {}).get("title")
        if not slug or not title:
            raise invalid(field_error("slug" if not slug else "metadata.title", "Missing data for required field."))
        if any(community["slug"] == slug for community in self._store.others["communities"].values()):
            raise invalid(field_error("slug", "A community with this identifier already exists."))
        moment = now()
        access = {"visibility": "public", "review_policy": "closed"} | (given.get("access") or {})
        community = {
            "id": str(uuid.uuid4()),
            "slug": slug,
            "metadata": {"title": title},
            "access": access,
            "owner": user,
            "created": moment,
            "updated": moment,
        }
        self._store.save_other("communities", community)
        return self.show_community(community)

    def communities(self) -> list[Document]:
        """Return all communities as the API shows them."""
        return [self.show_community(community) for community in self._store.others["communities"].values()]

    def community(self, name: str) -> Document:
        """Return the community of this id or slug.

        Raises:
            Refusal: 404.
        """
        for community in self._store.others["communities"].values():
            if name in (community["id"], community["slug"]):
                return community
        raise no_such_record()

    def show_community(self, community: Document) -> Document:
        """Return a community as the API shows it."""
        shown = {name: value for name, value in community.items() if name != "owner"}
        return {**shown, "revision_id": 2, "links": {"self": f"{self._api}/communities/{community['id']}"}}

    def propose(self, record: Document, given: Any) -> Document:
        """Tie the draft to a community, by a request that waits to be submitted.

        Raises:
            Refusal: 400 for a community that is not there.
        """
        receiver = given.get("receiver") if isinstance(given, dict) else None
        name = receiver.get("community") if isinstance(receiver, dict) else None
        try:
            community = self.community(str(name))
        except Refusal as refusal:
            raise Refusal(400, "A validation error occurred.", [field_error("receiver", refusal.message)]) from refusal
        moment = now()
        request: Document = {
            "id": str(uuid.uuid4()),
            "type": "community-submission",
            "title": "",
            "status": "created",
            "created": moment,
            "updated": moment,
            "created_by": {"user": record["owner"]},
            "receiver": {"community": community["id"]},
            "topic": {"record": record["id"]},
        }
        self._store.save_other("requests", request)
        self._deposits.set_review(record, request["id"])
        return self.show(request)

    def of_draft(self, record: Document) -> Document:
        """Return the request that the draft is tied to.

        Raises:
            Refusal: 404.
        """
        review = record["draft"]["review"]
        if review is None:
            raise Refusal(404, "Review for draft not found")
        return self._store.others["requests"][review]

    def submit(self, record: Document, user: str | None) -> Document:
        """Submit the draft; a community with an open review policy accepts its own people's at once.

        Raises:
            Refusal: 400 for a draft that could not be published, 404 without a request.
        """
        request = self.of_draft(record)
        community = self.community(request["receiver"]["community"])
        request = self._change(request, status="submitted", title=record["draft"]["metadata"].get("title", ""))
        if community["access"]["review_policy"] == "open" and community["owner"] == user:
            return self._accept(request)
        return self.show(request)

    def act(self, request_id: str, action: str, user: str | None) -> Document:
        """Submit, accept, decline or cancel a request.

        Raises:
            Refusal: 404, 403, 400 where the action does not fit the state.
        """
        request = self.request(request_id, user)
        owner = self.community(request["receiver"]["community"])["owner"]
        allowed = {"submit": request["created_by"]["user"], "cancel": request["created_by"]["user"]}
        if allowed.get(action, owner) != user:
            raise denied()
        if action not in self.show(request)["links"]["actions"]:
            raise Refusal(400, f"Error for action '{action}': Could not execute the action")
        if action == "accept":
            return self._accept(request)
        record = self._deposits.draft(request["created_by"]["user"], request["topic"]["record"])
        if action == "submit":
            return self.submit(record, user)
        self._deposits.set_review(record, None)
        return self.show(self._change(request, status={"decline": "declined", "cancel": "cancelled"}[action]))

    def request(self, request_id: str, user: str | None) -> Document:
        """Return a request that the user made or may decide.

        Raises:
            Refusal: 404, 403.
        """
        request = self._store.others["requests"].get(request_id)
        if request is None:
            raise no_such_record()
        if user not in (request["created_by"]["user"], self.community(request["receiver"]["community"])["owner"]):
            raise denied()
        return request

    def show(self, request: Document) -> Document:
        """Return a request as the API shows it."""
        here = f"{self._api}/requests/{request['id']}"
        actions = {"created": ["submit"], "submitted": ["accept", "decline", "cancel"]}.get(request["status"], [])
        is_open = request["status"] == "submitted"
        return {
            **request,
            "revision_id": 2,
            "number": "1",
            "is_open": is_open,
            "is_closed": request["status"] in ("accepted", "declined", "cancelled"),
            "is_expired": False,
            "expires_at": None,
            "reviewers": [],
            "links": {
                "self": here,
                "comments": f"{here}/comments",
                "timeline": f"{here}/timeline",
                "actions": {action: f"{here}/actions/{action}" for action in actions},
            },
        }

    def _accept(self, request: Document) -> Document:
        author = request["created_by"]["user"]
        record = self._deposits.publish(author, request["topic"]["record"], accepted=True)
        self._deposits.set_review(record, None, community=request["receiver"]["community"])
        return self.show(self._change(request, status="accepted"))

    def _change(self, request: Document, **changes: Any) -> Document:
        changed = {**request, **changes, "updated": now()}
        self._store.save_other("requests", changed)
        return changed
