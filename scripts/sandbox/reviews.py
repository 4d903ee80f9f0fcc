"""Communities and the requests by which a draft gets into one: as little of it as a deposit needs."""

import uuid
from typing import Any

from sandbox.answers import Refusal, denied, field_error, invalid, no_such_record
from sandbox.deposits import Deposits
from sandbox.flavours import COMMUNITY, CURATOR, REVIEWED
from sandbox.store import Document, Store, now

COMMUNITY_FIELDS = {"workflow": COMMUNITY, "allowed_workflows": [COMMUNITY]}


class Reviews:
    """A draft is tied to a community, submitted, and published when the community's owner accepts."""

    def __init__(self, store: Store, deposits: Deposits, api_url: str) -> None:
        self._store = store
        self._deposits = deposits
        self._flavour = deposits.flavour
        self._api = api_url
        known = {community["slug"] for community in store.others["communities"].values()}
        for slug, owner in (self._flavour.communities or {}).items():
            if slug not in known:
                self._new_community(slug=slug, title=slug.upper(), owner=owner, access={}, fields=COMMUNITY_FIELDS)

    def create_community(self, user: str | None, given: Any) -> Document:
        """Make a community of the user.

        Raises:
            Refusal: 403, 400.
        """
        if user is None or self._flavour.is_nrp:  # there, those who run the repository make them
            raise denied()
        given = given if isinstance(given, dict) else {}
        slug, title = given.get("slug"), (given.get("metadata") or {}).get("title")
        if not slug or not title:
            raise invalid(field_error("slug" if not slug else "metadata.title", "Missing data for required field."))
        if any(community["slug"] == slug for community in self._store.others["communities"].values()):
            raise invalid(field_error("slug", "A community with this identifier already exists."))
        return self.show_community(
            self._new_community(slug=slug, title=title, owner=user, access=given.get("access") or {}, fields={})
        )

    def _new_community(self, *, slug: str, title: str, owner: str, access: Document, fields: Document) -> Document:
        moment = now()
        community = {
            "id": str(uuid.uuid4()),
            "slug": slug,
            "metadata": {"title": title},
            "access": {"visibility": "public", "review_policy": "closed"} | access,
            "custom_fields": fields,
            "owner": owner,
            "created": moment,
            "updated": moment,
        }
        self._store.save_other("communities", community)
        return community

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
            Refusal: 400 for a community that is not there, for a later version, and while a review is open; 403 for a
                record whose workflow takes none.
        """
        if self._flavour.is_nrp and record["parent"].get("workflow") != COMMUNITY:
            raise denied()
        if record["index"] > 1:
            raise Refusal(400, "You cannot create a review for a new version of a published record.")
        before = self._store.others["requests"].get(record["draft"]["review"] or "")
        if before is not None and before["status"] == "submitted":
            raise Refusal(400, "An open review cannot be deleted.")
        receiver = given.get("receiver") if isinstance(given, dict) else None
        name = receiver.get("community") if isinstance(receiver, dict) else None
        try:
            community = self.community(str(name))
        except Refusal as refusal:
            raise Refusal(400, "A validation error occurred.", [field_error("receiver", refusal.message)]) from refusal
        request = self._new_request(record, "community-submission", {"community": community["id"]})
        self._deposits.set_review(record, request["id"])
        return self.show(request)

    def _new_request(self, record: Document, kind: str, receiver: Document) -> Document:
        moment = now()
        request: Document = {
            "id": str(uuid.uuid4()),
            "type": kind,
            "title": "",
            "status": "created",
            "created": moment,
            "updated": moment,
            "created_by": {"user": record["owner"]},
            "receiver": receiver,
            "topic": {"record": record["id"]},
        }
        self._store.save_other("requests", request)
        return request

    def applicable(self, record: Document) -> list[str]:
        """Return the kinds of request by which the record's draft may ask to be published."""
        # as on the real one: what its owner has cancelled is the last request about a draft
        is_taken = any(request["status"] in ("created", "submitted", "cancelled") for request in self.about(record))
        if record["draft"] is None or record["parent"].get("workflow") != REVIEWED or is_taken:
            return []
        if record["published"] is not None:
            return ["publish_changed_metadata"]
        return ["publish_draft" if record["index"] == 1 else "publish_new_version"]

    def ask(self, record: Document, kind: str) -> Document:
        """Make a request to publish the draft, which waits to be submitted.

        Raises:
            Refusal: 403 where the record's workflow or state has none of this kind.
        """
        if kind not in self.applicable(record):
            raise denied()
        return self.show(self._new_request(record, kind, {"group": "reviewer"}))

    def about(self, record: Document) -> list[Document]:
        """Return all requests about a record."""
        return [each for each in self._store.others["requests"].values() if each["topic"]["record"] == record["id"]]

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
        if request["status"] != "created":
            raise Refusal(400, "Error for action 'submit': Could not execute the action")
        community = self.community(request["receiver"]["community"])
        request = self._submitted(request, record)
        if self._flavour.is_nrp:
            return self.show(request)
        if community["access"]["review_policy"] == "open" and community["owner"] == user:
            return self._accept(request)
        return self.show(request)

    def act(self, request_id: str, action: str, user: str | None, given: Any = None) -> Document:
        """Submit, accept, decline or cancel a request; what is said with that becomes a comment.

        A draft that was declined stays tied to its request, so that its owner sees what became of it.

        Raises:
            Refusal: 404, 403, 400 where the action does not fit the state.
        """
        request = self.request(request_id, user)
        allowed = {"submit": request["created_by"]["user"], "cancel": request["created_by"]["user"]}
        if allowed.get(action, self._decider(request)) != user:
            raise denied()
        if action not in self.show(request)["links"]["actions"]:
            raise Refusal(400, f"Error for action '{action}': Could not execute the action")
        request = self._comment(request, user, given)
        if action == "accept":
            return self._accept(request)
        record = self._deposits.draft(request["created_by"]["user"], request["topic"]["record"])
        if action == "submit":
            is_review = request["type"] == "community-submission"
            return self.submit(record, user) if is_review else self.show(self._submitted(request, record))
        if action == "cancel":
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
        if user not in (request["created_by"]["user"], self._decider(request)):
            raise denied()
        return request

    def _decider(self, request: Document) -> str:
        receiver = request["receiver"]
        return CURATOR if "group" in receiver else str(self.community(receiver["community"])["owner"])

    def _submitted(self, request: Document, record: Document) -> Document:
        return self._change(request, status="submitted", title=record["draft"]["metadata"].get("title", ""))

    def show(self, request: Document) -> Document:
        """Return a request as the API shows it."""
        here = f"{self._api}/requests/{request['id']}"
        actions = {"created": ["submit"], "submitted": ["accept", "decline", "cancel"]}.get(request["status"], [])
        is_open = request["status"] == "submitted"
        return {
            **{name: value for name, value in request.items() if name != "said"},
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

    def timeline(self, request: Document) -> list[Document]:
        """Return what was said about a request, the oldest first."""
        return list(request.get("said", []))

    def _comment(self, request: Document, user: str | None, given: Any) -> Document:
        payload = given.get("payload") if isinstance(given, dict) else None
        if not isinstance(payload, dict) or not payload.get("content"):
            return request
        comment = {"id": str(uuid.uuid4()), "created": now(), "type": "C", "created_by": {"user": user}}
        return self._change(request, said=[*request.get("said", []), {**comment, "payload": payload}])

    def _accept(self, request: Document) -> Document:
        author = request["created_by"]["user"]
        record = self._deposits.publish(author, request["topic"]["record"], accepted=True)
        self._deposits.set_review(record, None, community=request["receiver"].get("community"))
        return self.show(self._change(request, status="accepted"))

    def _change(self, request: Document, **changes: Any) -> Document:
        changed = {**request, **changes, "updated": now()}
        self._store.save_other("requests", changed)
        return changed
