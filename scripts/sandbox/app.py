"""Finds the route of a request, counts it for the rate limit, and puts refusals into answers.

Paths are matched after decoding, as a WSGI server does it, so that the same keys work and fail as in InvenioRDM.
"""

import logging
import re
from pathlib import Path
from urllib.parse import quote, unquote

from aiohttp import web
from aiohttp.web_request import BaseRequest

from ferry.jsonl import append
from sandbox.answers import Refusal, no_such_page, server_error, wrong_method
from sandbox.bodies import Interrupted
from sandbox.file_routes import FileRoutes
from sandbox.other_routes import OtherRoutes
from sandbox.rate_limit import LIMIT_HEADERS, RateLimiter
from sandbox.record_routes import RecordRoutes
from sandbox.site import Handler, Site, json_answer

LOG = logging.getLogger(__name__)


class Moved(Exception):  # noqa: N818 - an answer
    """A path with an empty piece: its place is without it."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Application:
    """Answers every request to a site."""

    def __init__(self, site: Site, *, request_log: Path | None = None) -> None:
        """Answer for the site; with `request_log`, one line of JSON per request is added to that file.

        A status of null: nobody was there any more to be answered.
        """
        self._clock = site.clock
        self._user = site.user
        self._model_route = f"/api/{site.flavour.model}/"
        self._public_url = site.views.url
        self._request_log = request_log
        routes = OtherRoutes(site).table() + FileRoutes(site).table() + RecordRoutes(site).table()
        self._routes = [(method, re.compile(pattern, re.DOTALL), handler) for method, pattern, handler in routes]
        self._limiter = RateLimiter(site.settings.rate_limits, site.clock)

    async def answer(self, request: BaseRequest) -> web.StreamResponse:
        """Answer one request, and write down which it was; what a query holds is not written down."""
        response = None
        try:
            response = await self._answer(request)
        finally:
            if self._request_log is not None:
                is_answered = response is not None and request.transport is not None
                line = {
                    "at": self._clock(),
                    "method": request.method,
                    "path": request.rel_url.raw_path,
                    "status": response.status if is_answered and response is not None else None,
                }
                append(self._request_log, line)
        return response

    async def _answer(self, request: BaseRequest) -> web.StreamResponse:
        """Answer one request; an unknown path does not count for the rate limit."""
        headers: dict[str, str] = {}
        try:
            handler, arguments = self._find(request)
            verdict = self._limiter.check(self._client(request))
            headers = verdict.headers
            if not verdict.allowed:
                return json_answer(429, {"message": verdict.limit, "status": 429}, headers)
            request[LIMIT_HEADERS] = headers
            response = await handler(request, *arguments)
        except Moved as moved:
            return web.Response(status=308, headers={"Location": self._public_url + quote(moved.path)})
        except Refusal as refusal:
            return json_answer(refusal.status, refusal.body(), headers)
        except Interrupted:
            return json_answer(400, {"status": 400, "message": "The body broke off."}, headers)
        except ConnectionError:
            raise  # nobody is there any more to be answered
        except Exception:
            LOG.exception("%s %s", request.method, request.path)
            return json_answer(500, server_error().body(), headers)
        if not response.prepared:
            response.headers.update(headers)
        return response

    def _client(self, request: BaseRequest) -> str:
        """Return who is counted: as InvenioRDM a User-Agent, but all who have no token of ours are one."""
        user = self._user(request)
        return f"{user} {request.headers.get('User-Agent', '')} {request.remote}" if user else ""

    def _find(self, request: BaseRequest) -> tuple[Handler, list[str]]:
        path = unquote(request.rel_url.raw_path, errors="replace")
        if "//" in path:
            raise Moved(re.sub(r"//+", "/", path))
        if path.startswith(self._model_route):  # each record is found below the name of its model too
            path = f"/api/records/{path.removeprefix(self._model_route)}"
        method = "GET" if request.method == "HEAD" else request.method
        known = False
        for route_method, pattern, handler in self._routes:
            if match := pattern.fullmatch(path):
                known = True
                if route_method == method:
                    return handler, list(match.groups())
        raise wrong_method() if known else no_such_page()
