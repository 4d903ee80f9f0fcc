"""How one thing stands to another: the terms of DataCite, and the one place where words decide between them.

The portal has few words for it: `isChildOf` is said of what is part of a collection and of what was derived from other
data alike. What the description or the title says decides; where they say nothing, the vaguer term is taken.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ferry.source.known_records import KnownRecord

LABELS: Mapping[str, str] = {
    "IsIdenticalTo": "Identical to",
    "IsObsoletedBy": "Replaced by",
    "Obsoletes": "Replaces",
    "IsPreviousVersionOf": "Newer version",
    "IsNewVersionOf": "Earlier version",
    "HasPart": "Has part",
    "IsPartOf": "Part of",
    "IsDerivedFrom": "Derived from",
    "IsSourceOf": "Source of",
    "Requires": "Needs",
    "IsDocumentedBy": "Documented by",
    "IsVariantFormOf": "In another form",
    "References": "See also",
}
"""Each term that a record may have, the more telling first, with its words for a reader."""
VAGUE = "References"
DOCUMENTS = "IsDocumentedBy"
_BY_WORDS = ("isParentOf", "isChildOf", "isRelatedTo")
_OF_PORTAL: Mapping[str, str] = {
    "isPartOf": "IsPartOf",
    "isSiblingOf": "IsVariantFormOf",
    "isProducedBy": "IsDerivedFrom",
    "isIdenticalTo": "IsIdenticalTo",
    "isRelatedTo": VAGUE,
}
"""Types of the portal that say the same whatever is said beside them; isRelatedTo where nothing else is said."""

# The first that is found decides. "derived from this" is said of the other, "derived from:" of this one.
_WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(words, re.IGNORECASE), term)
    for words, term in (
        (r"\b(replaced|superseded|obsoleted) by\b", "IsObsoletedBy"),
        (r"\b(replaces|supersedes|obsoletes)\b", "Obsoletes"),
        (r"\b(new|newer|latest|upgraded|updated|recommended)\)? (version|revision|release)\b", "IsPreviousVersionOf"),
        (r"\b(old|older|previous|earlier|former) (version|revision|release)\b", "IsNewVersionOf"),
        (
            r"\b(derived|produced|obtained|extracted|selected|created|generated|made|written|processed)"
            r"( \w+){0,4} (from|by|with)( [\w-]+){0,6} (this|these)\b|\bout?put\b( \w+){0,3} of (this|these)\b",
            "IsSourceOf",
        ),
        (
            r"\b(derived|obtained|extracted|selected|skimmed|reduced|converted|reconstructed|processed|taken|drawn|prepared"
            r"|produced|created|generated|made|computed|originat\w+|re-?processed) (from|out of)\b|\bbased (up)?on\b"
            r"|\bderivation (from|of)\b|\b(skim|subset|sub-sample|selection|extract|derivative|reduction) (of|from)\b"
            r"|\b(parent|source|input|original) (data ?)?(sets?|samples?)\b",
            "IsDerivedFrom",
        ),
        (
            r"\bparts? of\b|\bbelongs? to\b|\bmembers? of\b|\b(included|contained) in\b|\bcollection\b"
            r"|\bother related data ?sets\b|\ball (of )?(the |these )?(open )?data ?(sets)?\b|\b(parent|main) record\b",
            "IsPartOf",
        ),
        (r"\b(parts?|members?)\b|\b(contains|includes|consists of|is made up of)\b", "HasPart"),
    )
)
_FITTING: Mapping[str, frozenset[str]] = {
    "isParentOf": frozenset(LABELS) - {"IsPartOf", "IsIdenticalTo"},
    "isChildOf": frozenset(LABELS) - {"HasPart", "IsIdenticalTo"},
    "isRelatedTo": frozenset(LABELS) - {"HasPart", "IsPartOf", "IsIdenticalTo"},
}
"""What words can make of a type: "the collection" of a parent is that record itself."""
_DATASET_OF_CMS = re.compile(r"/[\w.+-]+/[\w.+-]+/[A-Z][A-Z0-9-]+")  # /JetHT/Run2012C-22Jan2013-v1/AOD

_DOCUMENTATION = re.compile(
    r"\b(manuals?|guides?|getting started|documentation|instructions?|tutorials?|how[- ]to|handbook|book|starter ?kit"
    r"|more about|faq|user notes?|primer|glossary)\b",
    re.IGNORECASE,
)
_DOCUMENTING_ADDRESS = re.compile(
    r"//opendata\.cern\.ch/(docs|about|getting-started|vm)\b|//[^/]*readthedocs|//docs?\.|\btwiki\b"
    r"|/(docs?|documentation|manuals?|guides?|tutorials?|wiki|readme|[\w-]*lessons?)(/|\.|$)",
    re.IGNORECASE,
)
_DOCUMENTING_KINDS = frozenset({"Manual", "Computing Note", "Guide", "Help"})

_GOES_ON = re.compile(
    r"[:,;]$|\b(in|from|at|by|see|of|on|to|for|with|here|available|following|below)\W*$", re.IGNORECASE
)
_LEADS_ON = re.compile(
    rf"{_GOES_ON.pattern}"
    r"|^(github|gitlab|web ?site|link|code|paper|article|pdf)$"
    r"|^(this|these|the (following|corresponding|out?put)|it|see|use|go to|link to|click|visit|run|download|find)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Decision:
    """A term, and whether it is certain."""

    term: str
    is_certain: bool = True


def decide(kind: str | None, said: Iterable[str], *, is_whole: bool) -> Decision:
    """Return the term for a relation of the portal.

    Args:
        kind: the portal's type of it; None if it has none.
        said: description and titles of the related record, the most telling first.
        is_whole: the record has no files of its own: it is the sum of its children.
    """
    if kind is not None and kind not in _BY_WORDS:
        return Decision(_OF_PORTAL.get(kind, VAGUE), kind in _OF_PORTAL)
    fitting = _FITTING[kind or "isRelatedTo"]
    texts = list(said)
    for text in texts:
        for words, term in _WORDS:
            if term in fitting and words.search(text):
                return Decision(term)
    if kind == "isParentOf" and is_whole:
        return Decision("HasPart")
    if kind in ("isChildOf", "isParentOf") and any(map(_DATASET_OF_CMS.fullmatch, texts)):
        return Decision("IsDerivedFrom" if kind == "isChildOf" else "IsSourceOf")
    return Decision(VAGUE, kind == "isRelatedTo")


def decide_link(label: str, url: str | None, known: KnownRecord | None) -> str:
    """Return the term for a link of a section: documentation documents, all else is referred to.

    Args:
        label: what the link says of its target.
        url: where it leads.
        known: the record that it leads to, if something is known of it.
    """
    if known is not None and known.primary is not None:
        documents = known.primary == "Documentation" or known.secondary in _DOCUMENTING_KINDS
    else:
        documents = bool(_DOCUMENTATION.search(label) or _DOCUMENTING_ADDRESS.search(url or ""))
    return DOCUMENTS if documents else VAGUE


def with_colon(text: str) -> str:
    """Return a text that leads on to what comes behind it, with a colon if it ends as a sentence does."""
    return text if _GOES_ON.search(text) else f"{text.rstrip('. ')}:"


def leads_on(text: str) -> bool:
    """Tell whether a text leads on to a link ("This dataset was derived from:"): it is no title of its target."""
    return bool(_LEADS_ON.search(text))
