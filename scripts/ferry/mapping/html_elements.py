"""Elements of HTML: what in a text is one, and the tree that they make."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

_TAGS = (
    "a abbr acronym address applet area article aside audio b base bdi bdo big blink blockquote body br "
    "button canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir div "
    "dl dt em embed fieldset figcaption figure font footer form frame frameset h[1-6] head header hr html "
    "i iframe img input ins isindex kbd keygen label legend li link main map mark marquee math menu meta "
    "meter nav noembed noframes noscript object ol optgroup option output p param picture plaintext pre "
    "progress q rp rt ruby s samp script section select slot small source span strike strong style sub "
    "summary sup svg table tbody td template textarea tfoot th thead time title tr track tt u ul var "
    "video wbr xmp "
).split()
# Only what is written as an element is one: "1 <x and y> 2", "pT <p and eta" and "a<b && c>d" are kept, as text.
_ATTRIBUTES = (
    r"(?:[\s/\"',;]++|[\w:.@-]++\s*+=\s*+(?:\"[^\"]*\"|'[^']*'|[^\s<>\"']*+)"
    r"|(?:controls|autoplay|loop|muted|playsinline|allow\w*fullscreen|nowrap|noshade|disabled|checked|selected|hidden"
    r"|download|async|defer|compact|border|reversed|open|default|novalidate|readonly)(?![\w-]))*+"
)
_NOT_A_TAG = re.compile(rf"<(?!/?(?:{'|'.join(_TAGS)})(?=[\s/>]){_ATTRIBUTES}>|!--)", re.IGNORECASE)
_MAX_DEPTH = 60  # elements in one another; what is deeper stands in its ancestor
_MOST_SPANNED = 500


def with_texts_escaped(value: str) -> str:
    """Return HTML in which each `<` that begins no element is an entity."""
    return _NOT_A_TAG.sub("&lt;", value)


@dataclass
class Element:
    """An element with what is inside of it: elements and texts."""

    tag: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: list["Element | str"] = field(default_factory=list)

    def elements(self, *tags: str) -> Iterator["Element"]:
        """Yield the elements of these tags among its children."""
        for child in self.children:
            if isinstance(child, Element) and child.tag in tags:
                yield child


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        parent = self._open[-1]
        if len(self._open) > _MAX_DEPTH:
            element = Element(tag, children=parent.children)
        else:
            element = Element(tag, {name: value or "" for name, value in attrs})
            parent.children.append(element)
        if tag not in ("br", "img", "embed", "source"):
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if len(self._open) > 1 and self._open[-1].tag == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def parsed(text: str) -> Element:
    """Return well-formed HTML as the element that holds all of it."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    return parser.root


def span(cell: Element, name: str) -> int:
    """Return how many rows or columns a cell spans."""
    text = cell.attributes.get(name, "").strip()
    return min(max(int(text), 1), _MOST_SPANNED) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def flat(element: Element, *tags: str) -> Iterator[Element]:
    """Yield the elements of these tags that belong to this one, not to one of its kind inside of it."""
    for child in element.children:
        if isinstance(child, Element):
            if child.tag in tags:
                yield child
            elif child.tag in ("thead", "tbody", "tfoot", "div"):
                yield from flat(child, *tags)
