"""Records and drafts: what may be done with them, by whom, and what is refused."""

import secrets
from typing import Any

from sandbox.answers import Refusal, denied, field_error, invalid, no_such_draft, no_such_record, server_error
from sandbox.draft_sides import NO_FILES, doi_taken, side_of
from sandbox.flavours import INDIVIDUAL, Flavour
from sandbox.metadata_rules import check_metadata
from sandbox.search import Index
from sandbox.store import Document, Store, now

DOI_PREFIX = "10.5072"  # DataCite's prefix for tests: never resolves
_ID_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id() -> str:
    """Return an identifier of the form that InvenioRDM gives its records."""
    letters = [secrets.choice(_ID_LETTERS) for _ in range(10)]
    return "".join(letters[:5]) + "-" + "".join(letters[5:])


class Deposits:
    """Every change of a record goes through here."""

    def __init__(self, store: Store, index: Index, flavour: Flavour, *, metadata_only: bool = True) -> None:
        self.store = store
        self.flavour = flavour
        self._metadata_only = metadata_only
        self._index = index

    def create(self, user: str | None, given: Document) -> tuple[Document, list[Any]]:
        """Make a record with a draft; return it and what was wrong with the metadata.

        Raises:
            Refusal: 403 without a user, 400 for an id that a vocabulary does not have or a workflow that is not there.
        """
        if user is None:
            raise denied()
        parent = given.get("parent")
        workflow = parent.get("workflow") if self.flavour.is_nrp and isinstance(parent, dict) else None
        if workflow is not None and workflow not in self.flavour.workflows:
            raise invalid(field_error("_schema", f"Workflow {workflow} does not exist in the configuration."))
        side, errors = self._side(given, None)
        record = {
            "id": new_id(),
            "parent": {"id": new_id(), "communities": [], "workflow": workflow},
            "owner": user,
            "index": 1,
            "draft": {**side, "bucket": self.store.new_bucket()},
            "published": None,
        }
        self._save(record)
        return record, errors

    def draft(self, user: str | None, record_id: str, *, to_read: bool = False) -> Document:
        """Return the record of this id, which has a draft that the user may see and change.

        Raises:
            Refusal: 404 for an unknown id or where no draft is, 403 for another's.
        """
        record = self.store.records.get(record_id)
        if record is None:
            raise no_such_record()
        if record["owner"] != user:
            raise denied()
        if record["draft"] is None:
            raise no_such_record() if to_read else no_such_draft()
        return record

    def published(self, record_id: str) -> Document:
        """Return the record of this id, which is published.

        Raises:
            Refusal: 404.
        """
        record = self.store.records.get(record_id)
        if record is None:
            raise no_such_record()
        if record["published"] is None:
            raise Refusal(404, "The persistent identifier is not registered.")
        return record

    def own_published(self, user: str | None, record_id: str) -> Document:
        """Return the published record of this id, which is the user's.

        Raises:
            Refusal: 404 or 403.
        """
        record = self.published(record_id)
        if record["owner"] != user:
            raise denied()
        return record

    def update(
        self, user: str | None, record_id: str, given: Document, if_match: str | None
    ) -> tuple[Document, list[Any]]:
        """Replace the draft's metadata; return the record and what was wrong with the metadata.

        Raises:
            Refusal: 404, 403, 412 when the draft is of another revision, 400.
        """
        record = self.draft(user, record_id)
        self._check_revision(record["draft"], if_match)
        side, errors = self._side(given, record["draft"]["bucket"])
        kept = {name: record["draft"][name] for name in ("created", "bucket", "locked", "review")}
        side = {
            **side,
            **kept,
            "pids": side["pids"] or record["draft"]["pids"],
            "revision": record["draft"]["revision"] + 1,
        }
        self._save({**record, "draft": side})
        return self.store.records[record_id], errors

    def delete_draft(self, user: str | None, record_id: str, if_match: str | None) -> None:
        """Delete the draft; a record that was never published goes with it.

        Raises:
            Refusal: 404, 403, 412.
        """
        record = self.draft(user, record_id)
        self._check_revision(record["draft"], if_match)
        if record["published"] is None:
            self.store.delete_record(record_id)
            self._index.forget(record_id)
        else:
            self._save({**record, "draft": None})
        self.store.drop_bucket(record["draft"]["bucket"])

    def publish(self, user: str | None, record_id: str, *, accepted: bool = False) -> Document:
        """Publish the draft.

        Raises:
            Refusal: 404, 403; 400 for wrong metadata, no files, pending files, an open review.
        """
        record = self.draft(user, record_id)
        draft = record["draft"]
        if not accepted and not self.is_published_by_owner(record):
            raise denied()
        if draft["review"] is not None and not accepted:
            raise Refusal(
                400, "You cannot publish a draft with an open review request. Please cancel the review request first."
            )
        errors = check_metadata(draft["metadata"], self.flavour).errors + doi_taken(
            draft["pids"].get("doi"), store=self.store, by_other_than=record_id
        )
        entries = self.store.entries(draft["bucket"])
        if draft["files_enabled"] and not entries:
            errors.append(field_error("files.enabled", NO_FILES))
        if any(entry["status"] != "completed" for entry in entries.values()):
            errors.append(field_error("files", "One or more files have not completed their transfer, please wait."))
        if errors:
            raise invalid(*errors)
        return self._put_in_public(record)

    def is_published_by_owner(self, record: Document) -> bool:
        """Tell whether the record's workflow leaves publishing to its owner."""
        return not self.flavour.is_nrp or (record["parent"].get("workflow") or INDIVIDUAL) == INDIVIDUAL

    def edit(self, user: str | None, record_id: str) -> Document:
        """Open a draft of a published record, for its metadata only; one that is open already is returned.

        Raises:
            Refusal: 404, 403.
        """
        record = self.own_published(user, record_id)
        if record["draft"] is None:
            bucket = self.store.new_bucket()
            self.store.copy_entries(record["published"]["bucket"], bucket)
            self._save({**record, "draft": {**record["published"], "bucket": bucket, "locked": True, "review": None}})
        return self.store.records[record_id]

    def new_version(self, user: str | None, record_id: str) -> Document:
        """Open a draft of the next version, without files and date; one that is open already is returned.

        Raises:
            Refusal: 404, 403.
        """
        record = self.own_published(user, record_id)
        latest = max(self.versions(record), key=lambda version: int(version["index"]))
        if latest["published"] is None:
            return latest
        metadata = {
            name: value for name, value in latest["published"]["metadata"].items() if name != "publication_date"
        }
        moment = now()
        if self.flavour.is_nrp:
            metadata["publication_date"] = moment[:10]
        draft = {
            **latest["published"],
            "metadata": metadata,
            "bucket": self.store.new_bucket(),
            "created": moment,
            "updated": moment,
            "revision": 4,
            "locked": False,
            "review": None,
            "pids": {},
        }
        version = {**latest, "id": new_id(), "index": latest["index"] + 1, "draft": draft, "published": None}
        self._save(version)
        return version

    def versions(self, record: Document) -> list[Document]:
        """Return all versions of a record, drafts of new ones too."""
        return [other for other in self.store.records.values() if other["parent"]["id"] == record["parent"]["id"]]

    def set_review(self, record: Document, review: str | None, community: str | None = None) -> None:
        """Tie a review request to the draft, or take it away; a community is one of the record's from now on."""
        parent = record["parent"]
        if community is not None:
            parent = {**parent, "communities": sorted({*parent["communities"], community})}
        draft = {**record["draft"], "review": review} if record["draft"] else None
        self._save({**record, "parent": parent, "draft": draft})

    def is_latest(self, record: Document, *, draft: bool) -> bool:
        """Tell whether no later version is published (or, for drafts, begun)."""
        return not any(
            other["index"] > record["index"] and (draft or other["published"] is not None)
            for other in self.versions(record)
        )

    def _put_in_public(self, record: Document) -> Document:
        moment, draft, before = now(), record["draft"], record["published"]
        pids = {"doi": {"identifier": f"{DOI_PREFIX}/{record['id']}", "provider": "datacite", "client": "datacite"}}
        published = {**draft, "updated": moment, "review": None, "locked": False, "pids": pids | draft["pids"]}
        if before is None:
            self._save({**record, "draft": None, "published": {**published, "created": moment}})
        else:
            published |= {"bucket": before["bucket"], "created": before["created"], "revision": before["revision"] + 1}
            self._save({**record, "draft": None, "published": published})
            self.store.drop_bucket(draft["bucket"])
        for version in self.versions(record):
            self._index.changed(version["id"])  # an older one is not the latest any more
        return self.store.records[str(record["id"])]

    def _side(self, given: Document, bucket: str | None) -> tuple[Document, list[Any]]:
        return side_of(given, bucket, store=self.store, flavour=self.flavour, metadata_only=self._metadata_only)

    def _check_revision(self, side: Document, if_match: str | None) -> None:
        if if_match is None:
            return
        if not if_match.isdecimal():
            raise invalid(field_error("if_match", "Not a valid integer."))
        if int(if_match) != side["revision"]:
            raise Refusal(412, f"Revision id provided({if_match}) doesn't match record's one({side['revision']})")

    def _save(self, record: Document) -> None:
        self.store.save_record(record)
        if self.flavour.is_nrp and any(_is_interval(side) for side in (record["draft"], record["published"])):
            raise server_error()  # the index takes single dates only: what is stored is never found
        self._index.changed(record["id"])


def _is_interval(side: Document | None) -> bool:
    dates = side["metadata"].get("dates", []) if side else []
    return any("/" in str(entry.get("date", "")) for entry in dates)
