"""Rules for authors, collaborations, experiments and the publisher: who made it, who hands it out."""

import re
from typing import Any

from ferry.errors import MetadataError
from ferry.mapping import clean
from ferry.mapping.leaves import Found
from ferry.mapping.names import Name, collaboration_name, is_collaboration, read_name
from ferry.mapping.work import Relation, Work

PORTAL_NAME = "CERN Open Data Portal"
_PORTAL = re.compile(r"(the )?cern open ?data( portal)?\.?|(https?://)?opendata\.cern\.ch/?", re.IGNORECASE)


def author(work: Work, found: Found) -> None:
    """An author with ORCID and affiliations, or a text that is the name; one that is no person's is an organisation."""
    name_at = found if isinstance(found.value, str) else work.child(found, "name")
    name = work.title(name_at)
    if name_at is None or name is None:
        _nameless(work, found)
        return
    name = clean.without_tex(name)
    orcid_at = work.child(found, "orcid")
    orcid = work.parsed(orcid_at, clean.orcid, "not an ORCID: its form or its check digit is wrong")
    read = read_name(name, has_orcid=orcid is not None)
    creator: dict[str, Any] = {"person_or_org": read.who}
    work.took(name_at.path, "metadata.creators[].person_or_org")
    if read.doubt:
        work.warn(name_at.place, read.doubt)
    if orcid_at is not None and orcid is not None:
        _identify(work, orcid_at, orcid, read)
    affiliations_at = work.child(found, "affiliation")
    affiliations = work.title(affiliations_at)
    if affiliations_at is not None and affiliations is not None:
        names = dict.fromkeys(part.strip() for part in affiliations.split(";"))
        creator["affiliations"] = [{"name": part} for part in names if part]
        if creator["affiliations"]:
            work.took(affiliations_at.path, "metadata.creators[].affiliations[].name")
        else:
            del creator["affiliations"]
            work.left_out(affiliations_at, "nothing readable in it", warn=False)
    work.creators.append(creator)


def _nameless(work: Work, found: Found) -> None:
    # Of this author only: what the others have at the same paths has its own account. The name accounts for itself.
    if isinstance(found.value, str):
        return
    named = isinstance(found.value, dict)
    rest = {key: value for key, value in found.value.items() if key != "name"} if named else found.value
    if work.left_out_whole(Found(found.place, found.path, rest), "an author without a name"):
        work.warn(found.place, "left out: an author without a name")


def _identify(work: Work, found: Found, orcid: str, name: Name) -> None:
    if name.who["type"] == "organizational":
        whose = "a collaboration" if is_collaboration(name.who["name"]) else "not certainly one's name"
        work.left_out(found, f"an ORCID is a person's, this is {whose}")
        return
    name.who["identifiers"] = [{"identifier": orcid, "scheme": "orcid"}]
    work.took(found.path, "metadata.creators[].person_or_org.identifiers[orcid]")


def collaboration(work: Work, found: Found) -> None:
    """The collaboration: the creator where no authors are named, else a contributor."""
    name = work.line(found)
    if name is not None:
        _take_collaboration(work, found, collaboration_name(name))


def group(work: Work, found: Found) -> None:
    """A group, under the name that it has: it need not be a collaboration."""
    name = work.line(found)
    if name is not None:
        _take_collaboration(work, found, collaboration_name(name) if is_collaboration(name) else name)


def _take_collaboration(work: Work, found: Found, name: str) -> None:
    who = {"person_or_org": {"type": "organizational", "name": name}}
    if not work.creators:
        work.creators.append(who)
        work.took(found.path, "metadata.creators[].person_or_org")
    elif who["person_or_org"] in [creator["person_or_org"] for creator in work.creators]:
        work.took(found.path, "metadata.creators[].person_or_org")
    else:
        work.contributors.append({**who, "role": {"id": work.profile.roles["collaboration"]}})
        work.took(found.path, "metadata.contributors[].person_or_org")


def author_list(work: Work, found: Found) -> None:
    """The record that lists the authors of the collaboration."""
    url = work.record_address(found)
    if url is not None and work.is_self(url, None):
        work.left_out(found, "the record itself", warn=False)
    elif url is not None:
        work.relations.append(Relation("References", url=url))
        work.took(found.path)


def experiment(work: Work, found: Found) -> None:
    """The experiment: a field of the particles model where it knows the experiment, else a keyword."""
    name = work.line(found)
    if name is None:
        return
    particles = work.profile.particles
    known = particles.experiment_ids.get(name) if particles else None
    if particles and known and "experiment" not in work.metadata:
        work.metadata["experiment"] = {"id": known} if particles.experiment_is_vocabulary else known
        work.took(found.path, "metadata.experiment")
        return
    if particles and not known:
        work.notice(found.path, "no experiment of this target: keyword only", found=name)
    work.subjects.setdefault(name)
    work.took(found.path, "metadata.subjects[]")


def is_portal(publisher: str) -> bool:
    """Tell whether a publisher is the portal and nobody else, however it is written."""
    return bool(_PORTAL.fullmatch(clean.line(publisher)))


def publisher(work: Work, found: Found) -> None:
    """The publisher; where the copy has its own (option `publisher`), the portal becomes its distributor."""
    name = work.line(found)
    if name is None:
        return
    if work.options.publisher is None:
        work.metadata["publisher"] = name
        work.took(found.path, "metadata.publisher")
        return
    work.contributors.append(
        {
            "person_or_org": {"type": "organizational", "name": name},
            "role": {"id": work.profile.roles["distributor"]},
        }
    )
    work.took(found.path, "metadata.contributors[].person_or_org")


def creators(work: Work) -> None:
    """Put creators and contributors in; where nobody is named, the experiment's collaboration is the creator.

    Raises:
        MetadataError: no author, collaboration, experiment or publisher that could be named.
    """
    if not work.creators:
        publishers = _publishers(work)
        experiments = [collaboration_name(name) for name in experiments_of(work.record)]
        names = [name for name in publishers if not is_portal(name)] or experiments or publishers
        if not names:
            raise MetadataError(
                "authors: expected authors, a collaboration, an experiment or a publisher to name as creator, "
                "found none; add one of them in a correction of this record"
            )
        work.creators += [{"person_or_org": {"type": "organizational", "name": name}} for name in names]
        work.add(
            "metadata.creators[]",
            f"no authors and no collaboration: {', '.join(names)} as who published it or whose experiment it is",
        )
    work.metadata["creators"] = work.creators
    if work.contributors:
        work.metadata["contributors"] = work.contributors
    if work.options.publisher is not None:
        work.metadata["publisher"] = work.options.publisher
        work.add("metadata.publisher", "by configuration")
    elif "publisher" not in work.metadata:
        work.metadata["publisher"] = PORTAL_NAME
        work.add("metadata.publisher", "no publisher named: the portal")


def _publishers(work: Work) -> list[str]:
    """Return who published it: none, or one."""
    said = work.record.get("publisher")
    name = clean.line(said) if isinstance(said, str) and len(said) <= clean.MAX_LINE else ""
    return [name] if 0 < len(name) <= clean.MAX_LINE else []


def experiments_of(record: Any) -> list[str]:
    """Return the experiments that a record names, cleaned, each once."""
    values = record.get("experiment")
    values = values if isinstance(values, list) else [values]
    names = [clean.line(value) for value in values if isinstance(value, str) and len(value) <= clean.MAX_LINE]
    return list(dict.fromkeys(name for name in names if 0 < len(name) <= clean.MAX_LINE))
