"""Where requests may go by what a repository answers: to itself. Only the parts of files may lie elsewhere."""

import aiohttp
from yarl import URL

from ferry.config import is_loopback
from ferry.errors import PermanentError
from ferry.text.formatting import truncate


def origin_of(url: URL | str) -> URL | None:
    """Return scheme, host and port of an address; None if it is none."""
    try:
        return URL(url).origin()
    except ValueError:
        return None


def refuse_elsewhere(method: str, url: URL, *, origin: URL, is_part: bool = False) -> None:
    """Refuse an address of another origin, unless a part of a file goes there, and nobody on the way can read it.

    Raises:
        PermanentError: names both origins.
    """
    there = origin_of(url)
    if there == origin:
        return
    if there is None:
        raise PermanentError(
            f"{method} {truncate(str(url), 200)!r}: expected an address in the repository's answer, found none"
        )
    if not is_part:
        raise PermanentError(
            f"{method} {url.path}: expected an address at {origin}, as all of the repository's but those of parts of "
            f"files are, found one at {there}; if that is the same repository, set repository.url to {there}, the name "
            "that it has for itself"
        )
    if url.scheme != "https" and not (is_loopback(url.host or "") and is_loopback(origin.host or "")):
        raise PermanentError(
            f"{method} {url.path}: expected https:// for a part of a file that lies elsewhere, found one at {there}; "
            "nothing was sent, tell the repository's operators"
        )


def redirect_target(method: str, response: aiohttp.ClientResponse, *, origin: URL) -> URL:
    """Return where a redirect leads, if it may be followed: with the token to no other host, and no change.

    Raises:
        PermanentError: it may not.
    """
    try:
        target = response.url.join(URL(response.headers.get("Location", "")))
    except ValueError:
        target = URL()
    there = origin_of(target)
    if there != origin:
        raise PermanentError(
            f"{origin}: redirects to another host ({there}), where the token must not go; check repository.url"
        )
    if method not in ("GET", "HEAD"):
        raise PermanentError(f"{response.url.path}: a {method} is redirected to {target.path}; check repository.url")
    return target
