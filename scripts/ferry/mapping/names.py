"""What a name is: a person's, with its parts, or an organisation's; where that is not certain, it stays whole.

Nothing says of a name of the portal whose it is. "Last, First" and "LAPP, Annecy" look alike, so a name is cut only
where its parts can be told, and what is taken for granted is told.
"""

import re
from dataclasses import dataclass
from typing import Any

_ORGANISATION = re.compile(
    r"\b(universi\w*|uniwersytet\w*|institut\w*|istituto|laborator\w*|laboratoire|colleg\w*|coll[eè]ge|academ\w*|akadem\w*"
    r"|[eé]cole|escuela|escola|scuola|hochschule|polyt[eé]cn\w*|polyt[eé]chn\w*|politecnic\w*|facult\w*|department"
    r"|consorti\w*|collaborations?|foundation|fondazione|association|ministry|observator\w*|corporation|gmbh"
    r"|master ?class(es)?|cern|infn|cnrs|in2p3|desy|fermilab|slac|kek|nikhef|triumf|jinr|epfl)\b"
    r"|(?-i:\b(CEA|KIT|LAPP|LAL|LIP|BNL|GSI|PSI|RAL|MIT|TU|ETH|RWTH|CMS|ATLAS|ALICE|LHCb|OPERA|TOTEM|DELPHI|JADE)\b)",
    re.IGNORECASE,
)
"""What an organisation is called by, in the languages of the portal's authors."""
_NO_NAME = re.compile(
    r"\b(labs?|school|centre|center|centro|groups?|teams?|project|office|committee|council|society|agency|museum|library"
    r"|network|company|inc|ltd|press|unit|experiments?|data|physics|science|sciences|research|education|outreach|open"
    r"|portal|software|technology|national|international|european|nazionale|the|of|for)\b",
    re.IGNORECASE,
)
"""Words that are in no person's name."""
_SEVERAL = re.compile(r";|&|\b(and|und|et)\b|\bet al\b", re.IGNORECASE)
_INITIALS = r"(?:\w\.[\s-]*)+"
_INITIALS_FIRST = re.compile(rf"({_INITIALS})\s*(\w[\w' -]*)")  # "S.L. Cartwright", "F.Foster": author lists of JADE
_INITIALS_LAST = re.compile(rf"(\w[\w' -]+?)\s+({_INITIALS})")
_NOT_IN_NAMES = re.compile(r"[\[\](){}<>@/\d]")
_SUFFIX = re.compile(r"(?:jr|sr)\.?|ii|iii|iv", re.IGNORECASE)
_NAME_PART = re.compile(r"[^\W\d_](?:[\w'.-]*\w)?\.?")
_ELIDED = re.compile(r"(?:d|l|dall|dell|'t)'?(?=[^\W\d_a-z])")  # d'Enterria
_PARTICLES = frozenset("da de del della den der di dos du el la le st. ten ter van von zu".split())
_MOST_NAMES = 5
_COLLABORATION = re.compile(r"^(?:the\s+)?(.+?)\s+collaborations?$", re.IGNORECASE)
_EXPERIMENTS = {
    name.upper(): name for name in "ALEPH ALICE ATLAS CMS DELPHI JADE L3 LHCb NA62 OPAL OPERA PHENIX TOTEM".split()
}
"""Names by which the portal calls a collaboration too."""


@dataclass(frozen=True)
class Name:
    """`person_or_org` of a name, and what somebody should look at.

    doubt: what is not certain of it; None where all of it is.
    is_organisations: it is certainly no person's.
    """

    who: dict[str, Any]
    doubt: str | None = None
    is_organisations: bool = False


def read_name(name: str, *, has_orcid: bool = False) -> Name:
    """Return whose name it is: only persons have an ORCID, which decides where words do not."""
    if is_collaboration(name):
        return Name(_organisation(collaboration_name(name)), is_organisations=True)
    if _ORGANISATION.search(re.sub(r"\(.*\)", "", name)):
        return Name(_organisation(name), is_organisations=True)
    parts = [part for part in (part.strip() for part in name.split(",")) if part]
    if " " in parts[0] and _NO_NAME.search(parts[0]) if parts else False:
        return Name(_organisation(name), is_organisations=True)
    if _SEVERAL.search(name) or (len(parts) > 1 and all(map(_is_whole, parts))):
        return Name(_organisation(name), f"{name!r} may be several names: taken whole, give each its own entry")
    found = _with_commas(parts) if len(parts) > 1 else _in_order(" ".join(parts), has_orcid=has_orcid)
    if found is not None:
        return found
    if has_orcid:
        return Name(_person(name, ""), f"the parts of {name!r} cannot be told: taken whole as the family name")
    is_one_word = len(parts) == 1 and " " not in parts[0]
    doubt = (
        f"{name!r} may be a person or an organisation: taken whole as an organisation; write 'Last, First' of a person"
    )
    return Name(_organisation(name), None if is_one_word else doubt)


def _is_whole(part: str) -> bool:
    """Tell whether a name has its initials without a comma: of two such ones each is a name of its own."""
    return bool(_INITIALS_FIRST.fullmatch(part) or _INITIALS_LAST.fullmatch(part))


def _with_commas(parts: list[str]) -> Name | None:
    suffixes = [part for part in parts[1:] if _SUFFIX.fullmatch(part)]
    family, *given = [part for part in parts if part not in suffixes]
    if len(given) != 1 or _NOT_IN_NAMES.search(given[0] + family):
        return None
    is_acronym = family.isupper() and len(family) > 1 and " " not in family
    if is_acronym and not re.fullmatch(_INITIALS, given[0]) and not given[0].isupper():
        return None  # "LAPP, Annecy" looks as "SMITH, John" does
    return Name(_person(", ".join([family, *suffixes]), given[0]))


def _in_order(name: str, *, has_orcid: bool) -> Name | None:
    words = name.split()
    suffix = f" {words[-1]}" if len(words) > 2 and _SUFFIX.fullmatch(words[-1]) else ""
    name = " ".join(words[:-1]) if suffix else " ".join(words)
    if initials := _INITIALS_FIRST.fullmatch(name):
        return Name(_person(f"{initials[2].strip()}{suffix}", initials[1].strip()))
    if initials := _INITIALS_LAST.fullmatch(name):
        return Name(_person(f"{initials[1]}{suffix}", initials[2].strip()))
    who = _written_in_order(name, suffix, has_orcid=has_orcid)
    if who is None:
        return None
    taken = f"{who['family_name']}, {who['given_name']}"
    told = f"no comma parts the names of {name + suffix!r}: taken as the person {taken!r}"
    return Name(who, None if has_orcid and not suffix else told)


def _written_in_order(name: str, suffix: str, *, has_orcid: bool) -> dict[str, Any] | None:
    """Return the person of "Christoph Pahl" or "Jan van der Berg"; None where a part is no name, or is in capitals."""
    parts = name.split()
    if not 2 <= len(parts) <= _MOST_NAMES or not all(map(_NAME_PART.fullmatch, parts)):
        return None
    begin = next((place for place, part in enumerate(parts[1:], 1) if part in _PARTICLES), len(parts) - 1)
    names = [_ELIDED.sub("", part) for part in parts if part not in _PARTICLES]
    are_capitals = any(part.isupper() and len(part) > 2 for part in names)
    if any(not part[0].isupper() for part in names) or (are_capitals and not has_orcid):
        return None
    return _person(" ".join(parts[begin:]) + suffix, " ".join(parts[:begin]))


def _person(family: str, given: str) -> dict[str, Any]:
    return {"type": "personal", "family_name": family} | ({"given_name": given} if given else {})


def _organisation(name: str) -> dict[str, Any]:
    return {"type": "organizational", "name": name}


def is_collaboration(name: str) -> bool:
    """Tell whether a name says of itself that it is a collaboration's."""
    return bool(_COLLABORATION.match(name))


def collaboration_name(name: str) -> str:
    """Return the name in one spelling: "DELPHI" and "DELPHI collaboration" are the "DELPHI Collaboration"."""
    known = _COLLABORATION.match(name)
    own = known[1] if known else name
    experiment = _EXPERIMENTS.get(own.upper())
    return f"{experiment or own} Collaboration" if known or experiment else name
