"""How one thing stands to another: the terms of DataCite, and the one place where words decide between them.

The portal has few words for it: `isChildOf` is said of what is part of a collection and of what was derived from other
data alike. What the description says decides, within what the type can mean; where it says nothing, the vaguer term is
taken.
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
NEEDED = "Requires"
_OF_PORTAL: Mapping[str, str] = {
    "isPartOf": "IsPartOf",
    "isSiblingOf": "IsVariantFormOf",
    "isProducedBy": "IsDerivedFrom",
    "isIdenticalTo": "IsIdenticalTo",
    "isRelatedTo": VAGUE,
}
"""Types of the portal that say the same whatever is said beside them; isRelatedTo where nothing else is said."""

_NEW, _OLD = "new|newer|latest|upgraded|updated|recommended|current", "old|older|previous|earlier|former"
_THIS_IS = r"^(this|it)( [\w-]+){0,3} (is|was) (an?|the)"
_VERSION = r"\)?( \([\w ]+\))? (version|revision|release)\b"
_MADE = (
    r"(derived|obtained|extracted|selected|skimmed|slimmed|filtered|reduced|converted|reconstructed|processed|taken"
    r"|drawn|prepared|produced|created|generated|made|computed|split|originat\w+|re-?processed|starting)"
)
_EXTRACT = r"(skim|subset|sub-sample|selection|extract|derivative|reduction|derivation)"
_FROM = rf"{_MADE}( \w+)? (from|out of)(?! \d)"
_OF_THIS = (
    rf"\b{_MADE}( \w+){{0,4}} (from|by|with)( (?!which)[\w-]+){{0,6}} (this|these)\b"
    r"|\bout?put\b( \w+){0,3} of (this|these)\b"
    rf"|\bbased (up)?on (this|these)\b|\b{_EXTRACT} (of|from) (this|these)\b"
    r"|^(this|these)\b.*\b(used (as (an? )?(input|source|basis)|to (derive|produce|make|create|extract))|source of)\b"
)
_THIS_OF = (
    rf"^(this|these|it)\b.*\b({_FROM}|based (up)?on\b"
    rf"|({_EXTRACT}|(reduced|slimmed|skimmed|reprocessed) version) (of|from)\b)"
)
_DERIVATION = (
    rf"\b{_FROM}\b|\bfrom which\b|\bbased (up)?on\b|\b{_EXTRACT} (of|from)\b|\bsource of\b"
    r"|\b(derived|extracted|skimmed|slimmed|filtered|reduced|simplified|converted)\b|\bre-?processed version\b"
    r"|\b(used|serves?|served) (as (an? )?(input|source|basis)|to (derive|produce|make|create|extract))\b"
    r"|\b(parent|source|input|original) ([\w-]+ )?(data ?)?(sets?|samples?)\b"
)
_PART_OF = (
    r"\bparts? of\b|\bbelongs? to\b|\bmembers? of\b|\b(included|contained) in\b|\bcollection\b"
    r"|\bother related data ?sets\b|\ball (of )?(the |these )?(open )?data ?(sets)?\b|\b(parent|main) record\b"
)
_HAS_PART = r"\b(parts?|members?)\b|\b(contains|includes|consists of|is made up of)\b"
_IN_TIME = (
    (
        r"\b(replaced|superseded|obsoleted) by (?!this\b|these\b)|\b(replaced|superseded|obsoleted) by\W*$",
        "IsObsoletedBy",
    ),
    (r"\b(replaces|supersedes|obsoletes) (this|these)\b", "IsObsoletedBy"),
    (r"\b(replaces|supersedes|obsoletes)\b|\b(replaced|superseded|obsoleted) by (this|these)\b", "Obsoletes"),
    # a sentence about this record, or one that ends before the other, says which of the two is newer
    (
        rf"{_THIS_IS} ({_NEW}){_VERSION} of\b|^((an?|the) )?({_NEW}){_VERSION}.* of\W*$",
        "IsNewVersionOf",
    ),
    (
        rf"{_THIS_IS} ({_OLD}){_VERSION} of\b|^((an?|the) )?({_OLD}){_VERSION}.* of\W*$",
        "IsPreviousVersionOf",
    ),
    (rf"^((see|use) )?((an?|the) )?({_NEW}){_VERSION}(?! of (?!this|these))", "IsPreviousVersionOf"),
    (rf"^((see|use) )?((an?|the) )?({_OLD}){_VERSION}(?! of (?!this|these))", "IsNewVersionOf"),
)
_BY_TYPE: Mapping[str, tuple[tuple[str, str], ...]] = {
    "isChildOf": (*_IN_TIME, (_OF_THIS, VAGUE), (_DERIVATION, "IsDerivedFrom"), (_PART_OF, "IsPartOf")),
    "isParentOf": (*_IN_TIME, (_THIS_OF, VAGUE), (_DERIVATION, "IsSourceOf"), (_HAS_PART, "HasPart")),
    "isRelatedTo": (
        *_IN_TIME,
        (_OF_THIS, "IsSourceOf"),
        (
            rf"{_THIS_OF}|\b({_FROM}|based (up)?on)\W*$|\bfrom which (this|these)\b"
            r"|^(the )?(parent|source|input|original) (data ?)?(sets?|samples?)\W*$",
            "IsDerivedFrom",
        ),
    ),
}
"""What words make of a type, the first that is found; the type bounds it: no child is the source of its parent."""
_WORDS = {
    kind: tuple((re.compile(words, re.IGNORECASE), term) for words, term in rows) for kind, rows in _BY_TYPE.items()
}
_DENIES = re.compile(r"\b(not|never|cannot)\b", re.IGNORECASE)
_DATASET_OF_CMS = re.compile(r"/[\w.+-]+/[\w.+-]+/[A-Z][A-Z0-9-]+")  # /JetHT/Run2012C-22Jan2013-v1/AOD

_DOCUMENTATION = re.compile(
    r"(?<!in the )(?<!of the )(?<!from the )(?<!for the )"
    r"\b(manuals?|guides?|getting started|documentation|instructions?|tutorials?|how[- ]to|handbook|starter ?kit|faq"
    r"|user notes?|primer|glossary)\b",
    re.IGNORECASE,
)
_DOCUMENTING_ADDRESS = re.compile(
    r"//opendata\.cern\.ch/(docs|about|getting-started|vm)\b|//[^/]*readthedocs|//docs?\.|\btwiki\b"
    r"|/(docs?|documentation|manuals?|guides?|tutorials?|wiki|readme|[\w-]*lessons?)(/|\.|$)",
    re.IGNORECASE,
)
_NO_DOCUMENTATION_THERE = re.compile(
    r"//opendata\.cern\.ch/(visualise|search|docs/[\w-]*(release|news|announc)[\w-]*)", re.IGNORECASE
)
_DATA_ADDRESS = re.compile(
    r"//docs\.google\.|\.(root|csv|tsv|json|h5|hdf5|parquet|zip|tar|t?gz|png|jpe?g|mp4)$", re.IGNORECASE
)
_SECTION_OF_CODE = "code"
_NO_DOCUMENTATION = frozenset({"Authors", "Policy", "Activities"})
_DOCUMENTING_KINDS = frozenset({"Manual", "Computing Note", "Guide", "Help"})

_GOES_ON = re.compile(
    r"[:,;]$|\b(in|from|at|by|see|of|on|to|for|with|here|available|following|below)\W*$", re.IGNORECASE
)
_LEADS_ON = re.compile(
    rf"{_GOES_ON.pattern}"
    r"|^\W*(\d+|github|gitlab|web ?(site|page)|link|url|doi|code|source|paper|article|pdf|data|details?|more"
    r"|documentation|((more|further|additional) )(info(rmation)?|details?|reading)|(read|learn|see) more)\W*$"
    r"|^(this|these|the (following|corresponding|out?put)|it|see|use|go to|link to|click|visit|run(?! ?[\dIVX])"
    r"|download|find)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Decision:
    """A term, and whether it is certain."""

    term: str
    is_certain: bool = True


def decide(kind: str | None, said: Iterable[str], titles: Iterable[str], *, is_whole: bool) -> Decision:
    """Return the term for a relation of the portal.

    Args:
        kind: the portal's type of it; None if it has none.
        said: what the record says of how the two stand to each other.
        titles: of the related record: their words are about that record, only the name of a dataset tells.
        is_whole: the record has no files of its own: it is the sum of its children.
    """
    if kind is not None and kind not in _WORDS:
        return Decision(_OF_PORTAL.get(kind, VAGUE), kind in _OF_PORTAL)
    is_said = [text for text in said if not _DENIES.search(text)]
    found = (term for text in is_said for words, term in _WORDS[kind or "isRelatedTo"] if words.search(text))
    term = next(found, None)
    if term is not None:
        return Decision(term, term != VAGUE)
    if kind == "isParentOf" and is_whole:
        return Decision("HasPart")
    if kind in ("isChildOf", "isParentOf") and any(map(_DATASET_OF_CMS.fullmatch, (*is_said, *titles))):
        return Decision("IsDerivedFrom" if kind == "isChildOf" else "IsSourceOf")
    return Decision(VAGUE, kind == "isRelatedTo")


def decide_link(label: str, url: str, known: KnownRecord | None, section: str) -> str:
    """Return the term for a link of a section: documentation documents, all else is referred to.

    Args:
        label: what the link says of its target.
        url: where it leads.
        known: the record that it leads to, if something is known of it.
        section: that the link stands in.
    """
    if known is not None and known.primary is not None:
        is_documentation = known.primary == "Documentation" and known.secondary not in _NO_DOCUMENTATION
        documents = is_documentation or known.secondary in _DOCUMENTING_KINDS
    elif section == _SECTION_OF_CODE or _NO_DOCUMENTATION_THERE.search(url):
        documents = False
    else:
        is_its_address = _DOCUMENTING_ADDRESS.search(url) and not _DATA_ADDRESS.search(url)
        documents = bool(_DOCUMENTATION.search(label) or is_its_address)
    return DOCUMENTS if documents else VAGUE


def with_colon(text: str, plain: str) -> str:
    """Return HTML that leads on to what comes behind it, with a colon if its plain text ends as a sentence does."""
    return text if _GOES_ON.search(plain) else f"{text.rstrip('. ')}:"


def leads_on(text: str) -> bool:
    """Tell whether a text leads on to a link ("This dataset was derived from:"): it is no title of its target."""
    return bool(_LEADS_ON.search(text))
