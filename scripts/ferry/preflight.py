"""Looks at the repository before anything moves: one line for each thing that a run will need of it."""

import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferry.answers import DeniedError, NotFoundError
from ferry.errors import FerryError
from ferry.mapping.profiles import Profile
from ferry.pace import Limit
from ferry.remote import RemoteRecord
from ferry.repository import Repository

FEW_BYTES = 10_000_000_000
"""Less free disk than this is told: one file of the collection may need it."""


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, whether it is as it must be, what was found or what to do."""

    name: str
    is_ok: bool
    told: str

    def line(self) -> str:
        """Return it for people."""
        return f"{'ok ' if self.is_ok else 'NOT'}  {self.name:<17}  {self.told}"


async def check_repository(
    *,
    repository: Repository,
    profile: Profile,
    model: str | None,
    community: str | None,
    limits: Sequence[Limit],
) -> list[Check]:
    """Ask the repository, with GET requests only, what can be asked before the first record.

    Args:
        repository: opened; that it is means that it was reached.
        profile: of the target metadata, whose vocabulary ids are looked up.
        model, community: of the configuration.
        limits: on requests, as configured.
    """
    checks = [Check("reachable", True, f"{repository.url} answers"), await _check_token(repository)]
    checks.append(_check_model(model, repository.models))
    if community is not None:
        checks.append(await _check_id(repository, "community", "communities", [community]))
    for vocabulary, ids in vocabulary_ids(profile).items():
        checks.append(await _check_id(repository, vocabulary, f"vocabularies/{vocabulary}", ids))
    parts = "takes files in parts" if repository.takes_parts else "does not offer to take files in parts: they go whole"
    checks.append(Check("parts", True, parts))
    checks.append(check_limits(limits, told=repository.traffic.told_limit))
    return checks


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
    told = f"{free_bytes / 1e9:.1f} GB free"
    if free_bytes < FEW_BYTES:
        told += "; make room, or set storage.max_bytes and package.mode: stream"
    return Check("disk", free_bytes >= FEW_BYTES, told)


def vocabulary_ids(profile: Profile) -> dict[str, list[str]]:
    """Return vocabulary -> the ids that records of this profile may name, in the repository's vocabularies."""
    ids = {
        "resourcetypes": profile.resource_types.values(),
        "licenses": profile.licenses.values(),
        "datetypes": profile.dates.values(),
        "relationtypes": profile.relations.values(),
        "contributorsroles": profile.roles.values(),
        "languages": [profile.english],
    }
    return {name: sorted(set(values)) for name, values in ids.items()}


async def _check_token(repository: Repository) -> Check:
    async def search() -> list[RemoteRecord]:
        return await repository.search_own("preflight")

    told = await _trouble(search)
    return Check("token", told is None, told or "accepted")


def _check_model(model: str | None, models: Sequence[str]) -> Check:
    if model is None or model in models:
        return Check("model", True, model or "the repository's default")
    found = ", ".join(models) or "none"
    return Check("model", False, f"{model}: not there, but {found}; correct repository.model")


async def _check_id(repository: Repository, name: str, path: str, ids: Sequence[str]) -> Check:
    missing = []
    for each in ids:
        try:
            await repository.look_up(f"{path}/{each}")
        except NotFoundError:
            missing.append(each)
        except FerryError as error:
            return Check(name, False, str(error))
    if missing:
        told = f"not there: {', '.join(missing)}; ask the repository's operators, or choose another profile"
        return Check(name, False, told)
    return Check(name, True, f"{len(ids)} of {len(ids)} ids there" if len(ids) > 1 else f"{ids[0]} is there")


async def _trouble(action: Callable[[], Awaitable[object]]) -> str | None:
    try:
        await action()
    except DeniedError:
        return "refused; make one in the repository's settings and export NRP_TOKEN"
    except FerryError as error:
        return str(error)
    return None
