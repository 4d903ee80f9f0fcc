"""Looks at the repository before anything moves: one line for each thing that a run will need of it."""

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.errors import FerryError, TransientError
from ferry.mapping.profiles import DateDescriptions, Profile
from ferry.mapping.sections import DESCRIPTION_TYPES
from ferry.repository.client import Repository
from ferry.repository.errors import DeniedError, NotFoundError
from ferry.repository.models import Community
from ferry.repository.rate_limit import Limit

_PATHS: Mapping[str, str] = {"subjects": "subjects"}
"""Vocabularies that have an address of their own."""
_ADVICE: Mapping[str, str] = {
    "particle_category": "correct transform.categories, or ask the repository's operators for the term",
}
_CHOSEN = ("particle_category", "experiments")
"""Vocabularies whose ids are a matter of the configuration more than of the profile."""
_TOLD: Mapping[DateDescriptions, str] = {"none": "none", "text": "a text", "languages": "texts by language"}
_NOT_ASKED = "not asked for with this token"
FEW_BYTES = 10_000_000_000
"""Less free disk than this is told: one file of the collection may need it."""


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, whether it is as it must be, what was found or what to do."""

    name: str
    is_ok: bool | None
    """None: the repository does not tell, or did not answer."""
    told: str

    def line(self) -> str:
        """Return it for people."""
        word = "unknown" if self.is_ok is None else "ok" if self.is_ok else "NOT"
        return f"{f'{word:<3}  {self.name}':<25}  {self.told}"


async def check_repository(
    *,
    repository: Repository,
    profile: Profile | None,
    categories: Collection[str],
    date_descriptions: DateDescriptions | None,
    model: str | None,
    community: str | None,
    workflow: str | None,
    limits: Sequence[Limit],
) -> list[Check]:
    """Ask the repository, with GET requests only, what can be asked before the first record.

    Args:
        repository: opened; that it is means that it was reached.
        profile: of the target metadata, whose vocabulary ids are looked up; None: records of one's own name their own.
        categories: ids of `particle_category` that the configuration names.
        date_descriptions: transform.date_descriptions.
        model, community, workflow: of the configuration.
        limits: on requests, as configured.
    """
    checks = [Check("reachable", True, f"{repository.url} answers")]
    checks += await check_access(repository=repository, model=model, community=community, workflow=workflow)
    if any(check.name == "token" and check.is_ok is False for check in checks):
        checks += [Check(name, None, _NOT_ASKED) for name in ("vocabularies", "dates")]
    elif profile is None:
        checks.append(Check("vocabularies", None, "records of one's own name what they want: validate looks at them"))
    else:
        checks += [await _check_ids(repository, name, ids) for name, ids in vocabulary_ids(profile, categories).items()]
        checks.append(await check_dates(repository, profile, date_descriptions))
    parts = "takes files in parts" if repository.takes_parts else "does not offer to take files in parts: they go whole"
    checks.append(Check("parts", True, parts))
    checks.append(check_limits(limits, told=repository.traffic.told_limit))
    return checks


async def check_access(
    *, repository: Repository, model: str | None, community: str | None, workflow: str | None
) -> list[Check]:
    """Ask, in one request or two, whether token, model, community and workflow are such that records can come."""
    token = await _check_token(repository)
    checks = [token, _check_model(model, repository)]
    found: Community | None = None
    if community is not None:
        if token.is_ok is False:  # what a stranger is told of a community says nothing about the user
            checks.append(Check("community", None, _NOT_ASKED))
        else:
            check, found = await _check_community(repository, community)
            checks.append(check)
    checks.append(_check_workflow(workflow, community, found, repository))
    return checks


async def check_configured_ids(*, repository: Repository, profile: Profile, categories: Collection[str]) -> list[Check]:
    """Look up the few vocabulary ids that the configuration chooses: categories and experiments, where there are such.

    Args:
        repository: opened.
        profile: of the target metadata.
        categories: ids of `particle_category` that the configuration names.
    """
    ids = vocabulary_ids(profile, categories)
    return [await _check_ids(repository, name, ids[name]) for name in _CHOSEN if name in ids]


def refused_lines(checks: Iterable[Check]) -> list[str]:
    """Return the lines of what is not as it must be."""
    return [check.line() for check in checks if check.is_ok is False]


def check_limits(limits: Sequence[Limit], *, told: int | None) -> Check:
    """Compare the configured limits on requests with the one that the repository has told, if it has."""
    ours = ", ".join(f"{limit.requests} requests in {limit.window_s:g} s" for limit in limits) or "none set"
    if told is None:
        return Check("limits", True, f"{ours}; the repository tells of none")
    if not limits or min(limit.requests for limit in limits) > told:
        advice = "set repository.requests_per_minute and requests_per_hour to its limits"
        return Check("limits", False, f"{ours}, but the repository takes {told} at a time; {advice}")
    return Check("limits", True, f"{ours}; the repository tells of {told} at a time")


def check_disk(folder: Path) -> Check:
    """Look at the free disk where data/ is, or will be."""
    while not folder.exists():
        folder = folder.parent
    free_bytes = shutil.disk_usage(folder).free
    found = f"{free_bytes / 1e9:.1f} GB free"
    if free_bytes < FEW_BYTES:
        found += "; make room, or set storage.max_bytes and package.mode: stream"
    return Check("disk", free_bytes >= FEW_BYTES, found)


def vocabulary_ids(profile: Profile, categories: Collection[str] = ()) -> dict[str, list[str]]:
    """Return vocabulary -> the ids that records of this profile may name, in the repository's vocabularies.

    Args:
        profile: of the target metadata.
        categories: ids that the configuration names (transform.categories); only the particles model has them.
    """
    ids: dict[str, Iterable[str]] = {
        "resourcetypes": profile.resource_types.values(),
        "licenses": profile.licenses.values(),
        "datetypes": profile.dates.values(),
        "relationtypes": profile.relations.values(),
        "contributorsroles": profile.roles.values(),
        "languages": [profile.english],
        "titletypes": [profile.second_title],
        "descriptiontypes": map(profile.description_type, DESCRIPTION_TYPES),
        "subjects": [profile.subject] if profile.subject else [],
    }
    if profile.particles is not None:
        ids["particle_category"] = categories
        if profile.particles.experiment_is_vocabulary:
            ids["experiments"] = profile.particles.experiment_ids.values()
    return {name: chosen for name, values in ids.items() if (chosen := sorted(set(values)))}


async def _check_token(repository: Repository) -> Check:
    try:
        own = await repository.count_own()
    except DeniedError:
        return Check(
            "token",
            False,
            "refused: it is wrong or has expired, or may not list its user's own records; make one in the repository's "
            "settings and export NRP_TOKEN",
        )
    except FerryError as error:
        return Check("token", _is_ok_after(error), str(error))
    return Check("token", True, f"accepted; {own} drafts and records are its user's")


def _check_model(model: str | None, repository: Repository) -> Check:
    if model is None or model in repository.models:
        return Check("model", True, model or f"the repository's default ({repository.default_model or 'its only one'})")
    found = ", ".join(repository.models) or "none"
    return Check("model", False, f"{model}: not there, but {found}; correct repository.model")


async def _check_community(repository: Repository, name: str) -> tuple[Check, Community | None]:
    try:
        community = await repository.read_community(name)
    except NotFoundError:
        return Check("community", False, f"not there: {name}; correct repository.community"), None
    except FerryError as error:
        return Check("community", _is_ok_after(error), str(error)), None
    takes = {
        True: "and takes records of the token's user",
        False: "and takes no records of the token's user; ask those who manage it for the right to submit",
        None: "and does not tell whether it takes records of the token's user",
    }[community.may_submit]
    return Check("community", community.may_submit is not False, f"{name} is there, {takes}"), community


def _check_workflow(
    workflow: str | None, name: str | None, community: Community | None, repository: Repository
) -> Check:
    """Compare the workflow with those of the community, which alone are told."""
    if not repository.has_workflows:
        if workflow is None:
            return Check("workflow", True, "none is asked for, and the repository tells of none")
        return Check("workflow", None, f"{workflow}: the repository does not tell whether it has workflows")
    allowed = community.workflows if community else ()
    if allowed and workflow is not None and workflow not in allowed:
        advice = f"set repository.workflow to one of them, or to null for {allowed[0]}"
        return Check("workflow", False, f"{workflow}: the community {name} takes only {', '.join(allowed)}; {advice}")
    if allowed:
        return Check("workflow", True, workflow or f"the community's own ({allowed[0]})")
    if workflow is None:
        return Check("workflow", True if name is None else None, "the repository's default")
    return Check("workflow", None, f"{workflow}: the repository tells its workflows only where it creates a record")


async def check_dates(repository: Repository, profile: Profile, said: DateDescriptions | None) -> Check:
    """Compare what descriptions of dates are sent with what the schema of the model takes.

    Args:
        repository: opened.
        profile: of the target metadata.
        said: transform.date_descriptions.
    """
    sent = said or profile.date_descriptions
    try:
        taken = _date_descriptions(await repository.read_schema())
    except FerryError as error:
        return Check("dates", _is_ok_after(error), str(error))
    if taken is None and said is None and sent != "none":
        return Check("dates", True, f"descriptions: {_TOLD[sent]}, as the profile has them")
    if taken is None:
        return Check("dates", None, f"descriptions: {_TOLD[sent]}; the repository does not tell what it takes")
    if sent == taken:
        return Check("dates", True, f"descriptions: {_TOLD[sent]}, as the repository takes them")
    advice = f"set transform.date_descriptions: {taken}"
    if sent == "none":
        return Check("dates", True, f"descriptions: none; the repository takes {_TOLD[taken]}: to send them, {advice}")
    return Check("dates", False, f"descriptions: {_TOLD[sent]}, but the repository takes {_TOLD[taken]}; {advice}")


def _date_descriptions(schema: Any) -> DateDescriptions | None:
    """Return what a JSON schema of a model says that the description of a date is; None if it does not say."""
    for step in ("properties", "metadata", "properties", "dates", "items", "properties", "description", "type"):
        schema = schema.get(step) if isinstance(schema, Mapping) else None
    return {"string": "text", "object": "languages"}.get(schema) if isinstance(schema, str) else None  # type: ignore[return-value]


async def _check_ids(repository: Repository, vocabulary: str, ids: Sequence[str]) -> Check:
    missing = []
    for each in ids:
        try:
            await repository.look_up(f"{_PATHS.get(vocabulary, f'vocabularies/{vocabulary}')}/{each}")
        except NotFoundError:
            missing.append(each)
        except FerryError as error:
            return Check(vocabulary, _is_ok_after(error), str(error))
    if missing:
        advice = _ADVICE.get(vocabulary, "ask the repository's operators, or choose another profile")
        return Check(vocabulary, False, f"not there: {', '.join(missing)}; {advice}")
    return Check(vocabulary, True, f"{len(ids)} of {len(ids)} ids there" if len(ids) > 1 else f"{ids[0]} is there")


def _is_ok_after(error: FerryError) -> bool | None:
    """What may pass by itself says nothing about the repository."""
    return None if isinstance(error, TransientError) else False
