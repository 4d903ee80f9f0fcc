"""HTML of a record becomes HTML that InvenioRDM shows, with an account of what it cannot show.

InvenioRDM keeps a short list of elements and drops all others with what they point to. What says something is put into
the elements of that list first: an image, a video or an embedded page becomes a link, a list of definitions a list, a
cell that spans rows stands in each of them. What is for the eye only (classes, widths, colours) goes without a word.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard
from urllib.parse import urljoin

import nh3

from ferry.identity import PORTAL
from ferry.mapping.clean import absolute_url, doi, line, printable
from ferry.mapping.html_elements import Element, flat, parsed, span, with_texts_escaped
from ferry.text.formatting import truncate

# What InvenioRDM allows by default (invenio-config, ALLOWED_HTML_TAGS), without what is unsafe in itself.
ALLOWED_TAGS = set(
    "a abbr acronym b blockquote br code div table tbody td tr em h1 h2 h3 h4 h5 i li ol p pre span strike strong sub "
    "sup u ul".split()
)
_ALLOWED_ATTRIBUTES = {"a": {"href", "title"}, "abbr": {"title"}, "acronym": {"title"}}
_RENAMED = {
    **dict.fromkeys(("del", "s"), "strike"),
    **dict.fromkeys(("ins", "mark"), "u"),
    **dict.fromkeys(("tt", "kbd", "samp"), "code"),
    **dict.fromkeys(("var", "cite", "dfn"), "i"),
    **dict.fromkeys(("dir", "menu"), "ul"),
    **dict.fromkeys(("figcaption", "summary", "legend", "caption"), "p"),
    **dict.fromkeys(("center", "section", "article", "aside", "figure", "details", "address"), "div"),
    "q": "i",
    "h6": "h5",
}
_MEDIA = {"img": "image", "iframe": "embedded page", "embed": "embedded file", "object": "embedded file"}
_MEDIA |= {"video": "video", "audio": "audio recording"}
_READ_TAGS = ALLOWED_TAGS | set(_RENAMED) | set(_MEDIA) | set("dl dt dd th thead tfoot source".split())
_READ_ATTRIBUTES = {
    **_ALLOWED_ATTRIBUTES,
    **{tag: {"src", "data", "alt", "title"} for tag in _MEDIA},
    "source": {"src"},
    "td": {"rowspan", "colspan"},
    "th": {"rowspan", "colspan"},
}
_LOST = re.compile(
    r"<(script|svg|canvas|math|input|select|textarea|button|applet|map|meter|progress)(?=[\s/>])", re.IGNORECASE
)
_DROPPED_WHOLE = {"script", "style", "svg", "math"}
_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_LINKED_SCHEMES = {"http", "https", "mailto"}  # of links that InvenioRDM keeps
_NO_SUPPORT = re.compile(r"\b(does not|doesn't|cannot) (support|play|display)\b", re.IGNORECASE)
"""What is shown in place of a medium says nothing of it."""
_EMPTY = re.compile(r"<p>\s*</p>")
_PARAGRAPHS = re.compile(r"\n[ \t]*\n\s*")
_MAX_PASSES = 4  # a tag that is taken out changes how the rest is read: until nothing changes any more
_MOST_REPEATED = 100_000  # characters of the cells that spans make; then a text stands in its first cell alone


@dataclass(frozen=True)
class RichText:
    """HTML as it is sent, and what of the source is not in it."""

    html: str
    lost: tuple[str, ...] = ()

    @property
    def plain(self) -> str:
        """The text alone, in one line."""
        return line(plain_text(self.html))


def rich_text(value: str, *, page: str = f"{PORTAL}/") -> RichText:
    """Return HTML that holds only what InvenioRDM allows: no scripts, no styles, no handlers; links absolute.

    Args:
        value: HTML, or a plain text, whose empty lines part its paragraphs.
        page: address of the page that it stands on: a link to a place in it leads there.
    """
    value = printable(value)
    if not any(mark in value for mark in "<&>"):
        parts = _PARAGRAPHS.split(value.strip())
        return RichText(parts[0] if len(parts) == 1 else "\n".join(f"<p>{part}</p>" for part in parts))
    value = with_texts_escaped(value.replace("&nbsp;", " ").replace("&#160;", " "))
    lost = [f"<{name.lower()}>" for name in _LOST.findall(value)]
    writer = _Writer(page)
    value = writer.write(parsed(_read(value)))
    for _ in range(_MAX_PASSES):
        cleaned = _safe(value)
        if cleaned == value:
            break
        value = cleaned
    shown = printable(value.replace("&nbsp;", " ")).strip()
    return RichText(shown, tuple(dict.fromkeys([*lost, *writer.lost])))


def plain_text(value: str) -> str:
    """Return a text without its elements of HTML; entities stay."""
    if "<" not in value:
        return value
    return nh3.clean(with_texts_escaped(value), tags=set(), clean_content_tags=_DROPPED_WHOLE)


def _read(value: str) -> str:
    """Return what is to be written again, as well-formed HTML with the addresses as they are."""
    schemes = {found.lower() for found in re.findall(r"[a-zA-Z][a-zA-Z0-9+.-]{0,30}(?=:)", value)}
    return nh3.clean(
        value,
        tags=_READ_TAGS,
        attributes=_READ_ATTRIBUTES,
        clean_content_tags=_DROPPED_WHOLE,
        url_schemes=schemes,
        link_rel=None,
    )


def _safe(value: str) -> str:
    cleaned = nh3.clean(
        value,
        tags=ALLOWED_TAGS,
        attributes=_ALLOWED_ATTRIBUTES,
        clean_content_tags=_DROPPED_WHOLE,
        url_schemes=_LINKED_SCHEMES,
        link_rel=None,
    )
    return _EMPTY.sub("", cleaned)


class _Writer:
    def __init__(self, page: str) -> None:
        self.lost: list[str] = []
        self._page = page
        self._after_link: list[str] | None = None  # media inside of a link: their own links follow it

    def write(self, element: Element) -> str:
        """Return what is inside of an element."""
        return "".join(self._child(child) for child in element.children)

    def _child(self, child: Element | str) -> str:
        if isinstance(child, str):
            return html.escape(child, quote=False)
        write = self._SPECIAL.get(child.tag)
        if write:
            return write(self, child)
        tag = _RENAMED.get(child.tag, child.tag)
        if tag not in ALLOWED_TAGS:
            return self.write(child)
        if tag == "br":
            return "<br>"
        titled = f' title="{html.escape(child.attributes["title"])}"' if child.attributes.get("title") else ""
        return f"<{tag}{titled}>{self.write(child)}</{tag}>"

    def _link(self, element: Element) -> str:
        given = element.attributes.get("href", "").strip()
        self._after_link = []
        inside, after = self.write(element), "".join(self._after_link)
        self._after_link = None
        if not given:
            return inside + after
        address = given if given.lower().startswith("mailto:") else self._absolute(given)
        if address is None or address.partition(":")[0].lower() not in _LINKED_SCHEMES:
            told = given if not given.lower().startswith(("javascript:", "data:")) and len(given) < 200 else ""
            self.lost.append(f"the link to {truncate(given, 60)}")
            return inside + (f" ({html.escape(told, quote=False)})" if told and told not in inside else "") + after
        title = element.attributes.get("title", "")
        titled = f' title="{html.escape(title)}"' if title else ""
        return f'<a href="{html.escape(address)}"{titled}>{inside or html.escape(address, quote=False)}</a>{after}'

    def _medium(self, element: Element) -> str:
        name, own = _MEDIA[element.tag], element.attributes
        sources = [each.attributes.get("src", "") for each in element.elements("source")]
        given = list(dict.fromkeys(each.strip() for each in (own.get("src"), own.get("data"), *sources) if each))
        words = own.get("alt") or own.get("title") or ""
        text = html.escape(" ".join(words.split()) or name, quote=False)
        inside = Element("", children=[child for child in element.children if not _is_source(child)])
        within = "" if _NO_SUPPORT.search(line(_text_of(inside))) else self.write(inside).strip()
        within = f" {within} " if within else ""
        found = [self._absolute(each) for each in given if not each.startswith("data:")]
        addresses = list(dict.fromkeys(address for address in found if address is not None))
        if len(found) < len(given) or None in found or not given:
            self.lost.append(f"an {name}" if name[0] in "aei" else f"a {name}")
        if not addresses:
            return f"{text if words else ''}{within}"
        links = [f'<a href="{html.escape(address)}">{text}</a>' for address in addresses]
        if self._after_link is None:
            return f"{' '.join(links)} {within.lstrip()}"
        self._after_link += [f" ({link.replace(f'>{text}<', f'>{name}<')})" for link in links]
        return f"{text}{within}"

    def _definitions(self, element: Element) -> str:
        items: list[str] = []
        for child in _in_groups(element):
            is_term = isinstance(child, Element) and child.tag == "dt"
            inside = (self.write(child) if _is_of_list(child) else self._child(child)).strip()
            if is_term or not items:
                items += [f"<b>{inside.rstrip(':')}</b>" if is_term else inside] if inside else []
            elif inside:
                items[-1] += f"{':' if items[-1].endswith('</b>') else ';'} {inside}"
        return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>" if items else ""

    def _table(self, element: Element) -> str:
        caption = "".join(f"<p>{self.write(each)}</p>" for each in element.elements("caption"))
        rows = [[*row.elements("td", "th")] for row in flat(element, "tr")]
        written = ("".join(f"<td>{cell}</td>" for cell in row) for row in self._grid(rows))
        return f"{caption}<table><tbody>{''.join(f'<tr>{row}</tr>' for row in written)}</tbody></table>"

    def _grid(self, rows: Sequence[Sequence[Element]]) -> Iterable[Sequence[str]]:
        """Return the cells row by row, each cell that spans rows in every one of them."""
        grid: list[dict[int, str]] = [{} for _ in rows]
        made = 0
        for number, row in enumerate(rows):
            column = 0
            for cell in row:
                while column in grid[number]:
                    column += 1
                text = self.write(cell)
                text = f"<b>{text}</b>" if cell.tag == "th" and text.strip() else text
                down, across = (span(cell, name) for name in ("rowspan", "colspan"))
                for cells in grid[number : number + down]:
                    for place in range(across if made < _MOST_REPEATED else 1):
                        cells[column + place] = "" if place else text
                        made += len("<td></td>") + len(cells[column + place])
                    text = text if made < _MOST_REPEATED else ""
                column += across
        return [[cells.get(place, "") for place in range(max(cells, default=-1) + 1)] for cells in grid]

    def _absolute(self, address: str) -> str | None:
        if name := doi(address):
            return f"https://doi.org/{name}"
        if _SCHEME.match(address):
            return absolute_url(address)
        if address.startswith(("#", "?")):
            return absolute_url(urljoin(self._page, address))
        return absolute_url(address) or absolute_url(urljoin(f"{PORTAL}/", address))

    _SPECIAL: Mapping[str, Callable[["_Writer", Element], str]] = {
        "a": _link,
        "dl": _definitions,
        "table": _table,
        **dict.fromkeys(_MEDIA, _medium),
    }


def _is_source(child: Element | str) -> bool:
    return isinstance(child, Element) and child.tag == "source"


def _is_of_list(child: Element | str) -> TypeGuard[Element]:
    return isinstance(child, Element) and child.tag in ("dt", "dd")


def _in_groups(element: Element) -> Iterator[Element | str]:
    """Yield what is in a list of definitions; a `div` there groups terms with what is said of them."""
    for child in element.children:
        if isinstance(child, Element) and child.tag == "div":
            yield from _in_groups(child)
        else:
            yield child


def _text_of(element: Element) -> str:
    return "".join(child if isinstance(child, str) else _text_of(child) for child in element.children)
