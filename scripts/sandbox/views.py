"""The JSON that goes out: records, drafts, files and lists, with their links."""

from datetime import UTC, datetime, timedelta
from mimetypes import guess_type
from typing import Any
from urllib.parse import quote

from sandbox.flavours import Flavour
from sandbox.store import Document

_TERMS = frozenset(["resource_type", "role", "type", "lang", "relation_type"])
_TERM_LISTS = frozenset(["languages", "rights"])
_PART_LINK_LIFE = timedelta(days=14)


class Views:
    """Makes answers; knows the address under which the server is seen."""

    def __init__(self, public_url: str, flavour: Flavour) -> None:
        self.flavour = flavour
        self.url = public_url.rstrip("/")
        self.api = self.url + "/api"

    def draft(
        self, record: Document, entries: dict[str, Document], *, latest: bool, review: Document | None, publishes: bool
    ) -> Document:
        """Return a draft as the API shows it.

        Args:
            record: that has it.
            entries: its files.
            latest: whether no later version was begun.
            review: the request that it is tied to.
            publishes: whether its owner may publish it without asking.
        """
        here = f"{self.api}/{self.flavour.model}/{record['id']}"
        links = {
            "self": f"{here}/draft",
            "self_html": f"{self.url}/uploads/{record['id']}",
            "files": f"{here}/draft/files",
            "record": here,
            "record_html": f"{self.url}/records/{record['id']}",
            "review": f"{self.api}/records/{record['id']}/draft/review",
            "versions": f"{here}/versions",
            "communities": f"{here}/communities",
            "requests": f"{here}/requests",
        }
        side = record["draft"]
        if publishes:
            links["publish"] = f"{here}/draft/actions/publish"
        if self.flavour.is_nrp:
            links |= self._request_links(record)
        if side["review"] is not None:
            links["submit-review"] = f"{self.api}/records/{record['id']}/draft/actions/submit-review"
        if record["published"] is not None:
            status = "published"
        elif self.flavour.is_nrp and review is not None and review["status"] == "submitted":
            status = "in_review"
        elif side["review"] is not None:
            status = "draft_with_review"
        else:
            status = "draft" if record["index"] == 1 else "new_version_draft"
        shown = self._record(record, side, entries, links)
        if side["review"] is not None:
            shown["parent"]["review"] = {"id": side["review"], "type": "community-submission"}
            if self.flavour.is_nrp and review is not None:
                shown["parent"]["review"] |= {"status": review["status"], "receiver": review["receiver"]}
        versions = {"is_latest": False, "is_latest_draft": latest, "index": record["index"]}
        is_published = record["published"] is not None
        return {**shown, "versions": versions, "is_published": is_published, "is_draft": True, "status": status}

    def published(
        self, record: Document, entries: dict[str, Document], *, latest: bool, latest_draft: bool
    ) -> Document:
        """Return a published record as the API shows it."""
        here = f"{self.api}/{self.flavour.model}/{record['id']}"
        links = {
            "self": here,
            "self_html": f"{self.url}/records/{record['id']}",
            "doi": f"https://handle.test.datacite.org/{record['published']['pids']['doi']['identifier']}",
            "files": f"{here}/files",
            "draft": f"{here}/draft",
            "versions": f"{here}/versions",
            "latest": f"{here}/versions/latest",
            "communities": f"{here}/communities",
            "requests": f"{here}/requests",
        }
        if self.flavour.is_nrp:
            links |= self._request_links(record)
        shown = self._record(record, record["published"], entries, links)
        versions = {"is_latest": latest, "is_latest_draft": latest_draft, "index": record["index"]}
        return {**shown, "versions": versions, "is_published": True, "is_draft": False, "status": "published"}

    def _request_links(self, record: Document) -> Document:
        topic = f"topic=record:{record['id']}"
        return {
            "requests": f"{self.api}/requests/?{topic}",
            "applicable-requests": f"{self.api}/requests/applicable?{topic}",
        }

    def file_list(self, record_id: str, side: Document, entries: dict[str, Document], *, draft: bool) -> Document:
        """Return the list of files of a record or a draft."""
        here = f"{self.api}/records/{record_id}" + ("/draft" if draft else "")
        shown: Document = {"enabled": side["files_enabled"], "links": {"self": f"{here}/files"}}
        if side["files_enabled"]:
            files = [self.file(record_id, side["bucket"], entry, draft=draft) for entry in entries.values()]
            shown |= {"entries": files, "default_preview": None, "order": []}
        return shown

    def file(self, record_id: str, bucket_id: str, entry: Document, *, draft: bool) -> Document:
        """Return one file entry."""
        here = f"{self.api}/records/{record_id}" + ("/draft" if draft else "") + "/files/" + quote(entry["key"])
        multipart = entry["transfer"]["type"] == "M"
        links: Document = {"self": here}
        if not multipart:
            links["content"] = f"{here}/content"
        if draft:
            links["commit"] = f"{here}/commit"
        if multipart:
            until = (datetime.now(UTC) + _PART_LINK_LIFE).replace(tzinfo=None).isoformat()
            links["parts"] = [
                {"part": number, "url": f"{here}/content/{number}", "expiration": until}
                for number in range(1, entry["transfer"]["parts"] + 1)
            ]
        names = ("created", "updated", "metadata", "key", "size", "checksum", "transfer", "status")
        shown = {name: entry[name] for name in names if name in entry}
        if multipart or entry["status"] == "completed":
            shown |= {
                "mimetype": mimetype(entry["key"]),
                "version_id": entry["version_id"],
                "file_id": entry["file_id"],
                "bucket_id": bucket_id,
                "storage_class": "L",
            }
        return {**shown, "access": {"hidden": False}, "links": links}

    def hits(
        self, path: str, found: list[Document], *, total: int, query: dict[str, str], page: int, size: int
    ) -> Document:
        """Return one page of a search."""

        def link(number: int) -> str:
            words = {**query, "page": str(number), "size": str(size)}
            return f"{self.url}{path}?" + "&".join(f"{name}={quote(words[name])}" for name in sorted(words))

        links = {"self": link(page)}
        if page > 1:
            links["prev"] = link(page - 1)
        if page * size < total:
            links["next"] = link(page + 1)
        sort = query.get("sort", "bestmatch" if query.get("q") else "newest")
        return {
            "hits": {"hits": found, "total": total},
            "aggregations": {},
            "sortBy": sort,
            "page": page,
            "links": links,
        }

    def discovery(self, *, multipart: bool) -> Document:
        """Return what an NRP repository tells about itself."""
        return {
            "schema": "local://introspection-v1.0.0.json",
            "name": "opendata-ferry sandbox",
            "description": "A stand-in on loopback; nothing in it is kept for anybody.",
            "version": "local development",
            "invenio_version": self.flavour.generator,
            "transfers": ["L", "M"] if multipart else ["L"],
            "default_model": self.flavour.model,
            "default_content_type": "application/json",
            "features": ["drafts", *(["workflows", "requests", "communities"] if self.flavour.is_nrp else [])],
            "links": {
                "self": f"{self.url}/.well-known/repository/",
                "api": self.api,
                "models": f"{self.url}/.well-known/repository/models",
                "records": f"{self.api}/records",
                "drafts": f"{self.api}/user/records",
                "requests": f"{self.api}/requests",
                "communities": f"{self.api}/communities",
            },
        }

    def models(self) -> list[Document]:
        """Return the one model that the sandbox has."""
        model, is_nrp = self.flavour.model, self.flavour.is_nrp
        schema = f"{model}-v1.0.0.json" if is_nrp else "records/record-v6.0.0.json"
        only = f"?type={model}" if is_nrp else ""
        content_type = {
            "content_type": "application/json",
            "name": "JSON" if is_nrp else "Invenio RDM JSON",
            "description": "Metadata as the model has them.",
            "schema": f"{self.url}/schemas/{schema}",
            "can_export": True,
            "can_deposit": True,
        }
        return [
            {
                "schema": f"local://{schema}",
                "type": model,
                "name": model,
                "description": "The model of the sandbox",
                "version": "1.0.0" if is_nrp else "6.0.0",
                "features": ["drafts", "files", "relations" if is_nrp else "requests"],
                "links": {
                    "html": f"{self.url}/{model}",
                    "records": f"{self.api}/{model}{only}",
                    "drafts": f"{self.api}/user/{model}{only}",
                    "deposit": f"{self.api}/{model}{only}",
                },
                "content_types": [content_type],
                "metadata": True,
            }
        ]

    def _record(self, record: Document, side: Document, entries: dict[str, Document], links: Document) -> Document:
        complete = {key: entry for key, entry in entries.items() if entry["status"] == "completed"}
        files = {
            "enabled": side["files_enabled"],
            "order": [],
            "count": len(complete),
            "total_bytes": sum(entry["size"] for entry in complete.values()),
            "entries": {key: _short_entry(entry) for key, entry in complete.items()},
        }
        communities = record["parent"]["communities"]
        workflow = {"workflow": record["parent"].get("workflow")} if self.flavour.is_nrp else {}
        return {
            "id": record["id"],
            "created": side["created"],
            "updated": side["updated"],
            "revision_id": side["revision"],
            "links": links,
            "parent": {
                "id": record["parent"]["id"],
                "access": {"owned_by": {"user": record["owner"]}, "grants": [], "links": []},
                "communities": {"ids": communities, "default": communities[0]} if communities else {},
                "pids": {},
                **workflow,
            },
            "pids": side["pids"],
            "metadata": {name: _with_titles(name, value) for name, value in side["metadata"].items()},
            "custom_fields": {},
            "access": {**side["access"], "embargo": {"active": False, "reason": None}, "status": "open"},
            "files": files,
            "media_files": {"enabled": False, "order": [], "count": 0, "total_bytes": 0, "entries": {}},
        }


def mimetype(key: str) -> str:
    """Return the media type that a name stands for."""
    return guess_type(key)[0] or "application/octet-stream"


def _short_entry(entry: Document) -> Document:
    extension = entry["key"].rsplit(".", 1)[-1] if "." in entry["key"] else "bin"
    shown = {name: entry.get(name) for name in ("key", "checksum", "size", "metadata")}
    return {**shown, "id": entry["file_id"], "ext": extension, "mimetype": mimetype(entry["key"]), "storage_class": "L"}


def _with_titles(name: str, value: Any) -> Any:
    """Add to each vocabulary term the title that the API shows beside its id."""
    if isinstance(value, list):
        return [_with_titles(name if name in _TERM_LISTS else "", item) for item in value]
    if not isinstance(value, dict):
        return value
    shown = {inner: _with_titles(inner, item) for inner, item in value.items()}
    if (name in _TERMS or name in _TERM_LISTS) and "id" in value and "title" not in value:
        shown["title"] = {"en": value["id"]}
        if name == "rights":
            shown |= {"description": {"en": ""}, "icon": f"{value['id']}-icon", "props": {"scheme": "spdx"}}
    return shown
