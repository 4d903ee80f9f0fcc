"""Routes beside the records: home page, discovery, vocabularies, communities and requests."""

from aiohttp import web
from aiohttp.web_request import BaseRequest

from sandbox.answers import denied, no_such_page, no_such_record, server_error
from sandbox.record_routes import DRAFT
from sandbox.search import matches
from sandbox.site import Route, Site, json_answer, json_body
from sandbox.store import Document


class OtherRoutes:
    """What a client asks before and beside its deposits."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def table(self) -> list[Route]:
        """Return the routes."""
        return [
            ("GET", r"/", self._home),
            ("GET", r"/\.well-known/repository/?", self._discovery),
            ("GET", r"/\.well-known/repository/models/?", self._models),
            ("GET", r"/api/(subjects)/(.+)", self._read_term),
            ("GET", r"/api/vocabularies/([a-z_]+)", self._list_vocabulary),
            ("GET", r"/api/vocabularies/([a-z_]+)/(.+)", self._read_term),
            ("GET", r"/api/communities", self._list_communities),
            ("POST", r"/api/communities", self._create_community),
            ("GET", r"/api/communities/([^/]+)", self._read_community),
            ("GET", DRAFT + "/review", self._read_review),
            ("PUT", DRAFT + "/review", self._propose_review),
            ("DELETE", DRAFT + "/review", self._drop_review),
            ("POST", DRAFT + "/actions/submit-review", self._submit_review),
            ("GET", r"/api/requests/?", self._list_requests),
            ("GET", r"/api/requests/applicable", self._list_applicable),
            ("POST", r"/api/requests/record:([^/]+)/([a-z_]+)", self._ask_to_publish),
            ("GET", r"/api/requests/([^/]+)", self._read_request),
            ("GET", r"/api/requests/([^/]+)/timeline", self._list_comments),
            ("POST", r"/api/requests/([^/]+)/actions/([a-z]+)", self._act_on_request),
        ]

    async def _home(self, request: BaseRequest) -> web.Response:
        del request
        generator = self._site.flavour.generator
        text = f'<!DOCTYPE html>\n<html><head><meta name="generator" content="{generator}"/></head></html>\n'
        return web.Response(text=text, content_type="text/html")

    async def _discovery(self, request: BaseRequest) -> web.Response:
        del request
        self._refuse_plain()
        return json_answer(200, self._site.views.discovery(multipart=self._site.settings.multipart))

    async def _models(self, request: BaseRequest) -> web.Response:
        del request
        self._refuse_plain()
        return json_answer(200, self._site.views.models())

    def _refuse_plain(self) -> None:
        if not self._site.settings.discovery:
            raise no_such_page()

    async def _list_vocabulary(self, request: BaseRequest, name: str) -> web.Response:
        terms = [self._term(name, term) for term in sorted(self._site.flavour.vocabularies.get(name, []))]
        return self._site.page_answer(request, terms, sort="oldest")

    async def _read_term(self, request: BaseRequest, name: str, term: str) -> web.Response:
        del request
        if term not in self._site.flavour.vocabularies.get(name, ()):
            raise no_such_record()
        return json_answer(200, self._term(name, term))

    def _term(self, name: str, term: str) -> Document:
        links = {"self": f"{self._site.views.api}/vocabularies/{name}/{term}"}
        return {"id": term, "created": "", "title": {"en": term}, "type": name, "revision_id": 1, "links": links}

    async def _list_communities(self, request: BaseRequest) -> web.Response:
        query = request.query.get("q", "")
        found = [community for community in self._site.reviews.communities() if matches(query, community)]
        return self._site.page_answer(request, found)

    async def _create_community(self, request: BaseRequest) -> web.Response:
        given = await json_body(request)
        return json_answer(201, self._site.reviews.create_community(self._site.user(request), given))

    async def _read_community(self, request: BaseRequest, name: str) -> web.Response:
        del request
        return json_answer(200, self._site.reviews.show_community(self._site.reviews.community(name)))

    async def _read_review(self, request: BaseRequest, record_id: str) -> web.Response:
        record = self._site.draft_of(request, record_id)
        if self._site.flavour.is_nrp:
            is_there = record["draft"]["review"] is not None
            if is_there is request.path.startswith("/api/records/"):
                raise server_error()  # it answers below /api/records where there is none, below the model where one is
        return json_answer(200, self._site.reviews.show(self._site.reviews.of_draft(record)))

    async def _propose_review(self, request: BaseRequest, record_id: str) -> web.Response:
        given = await json_body(request)
        return json_answer(200, self._site.reviews.propose(self._site.draft_of(request, record_id), given))

    async def _drop_review(self, request: BaseRequest, record_id: str) -> web.Response:
        record = self._site.draft_of(request, record_id)
        self._site.reviews.of_draft(record)
        self._site.deposits.set_review(record, None)
        return web.Response(status=204)

    async def _submit_review(self, request: BaseRequest, record_id: str) -> web.Response:
        record = self._site.draft_of(request, record_id)
        return json_answer(202, self._site.reviews.submit(record, self._site.user(request)))

    async def _list_requests(self, request: BaseRequest) -> web.Response:
        record = self._topic(request)
        return self._site.page_answer(
            request, [self._site.reviews.show(each) for each in self._site.reviews.about(record)]
        )

    async def _list_applicable(self, request: BaseRequest) -> web.Response:
        record = self._topic(request)
        here = f"{self._site.views.api}/requests/record:{record['id']}"
        hits = [
            {"type_id": kind, "links": {"actions": {"create": f"{here}/{kind}"}}}
            for kind in self._site.reviews.applicable(record)
        ]
        links = {"self": f"{self._site.views.api}/requests/applicable"}
        return json_answer(200, {"hits": {"hits": hits, "total": len(hits)}, "links": links})

    async def _ask_to_publish(self, request: BaseRequest, record_id: str, kind: str) -> web.Response:
        self._refuse_without_workflows()
        return json_answer(201, self._site.reviews.ask(self._site.draft_of(request, record_id), kind))

    def _topic(self, request: BaseRequest) -> Document:
        """The record that is asked about: one's own, with a draft or published."""
        self._refuse_without_workflows()
        record = self._site.store.records.get(request.query.get("topic", "").removeprefix("record:"))
        if record is None:
            raise no_such_record()
        if record["owner"] != self._site.user(request):
            raise denied()
        return record

    def _refuse_without_workflows(self) -> None:
        if not self._site.flavour.is_nrp:
            raise no_such_page()

    async def _read_request(self, request: BaseRequest, request_id: str) -> web.Response:
        found = self._site.reviews.request(request_id, self._site.user(request))
        return json_answer(200, self._site.reviews.show(found))

    async def _list_comments(self, request: BaseRequest, request_id: str) -> web.Response:
        found = self._site.reviews.request(request_id, self._site.user(request))
        return self._site.page_answer(request, self._site.reviews.timeline(found), sort="oldest")

    async def _act_on_request(self, request: BaseRequest, request_id: str, action: str) -> web.Response:
        given = await json_body(request)
        return json_answer(200, self._site.reviews.act(request_id, action, self._site.user(request), given))
