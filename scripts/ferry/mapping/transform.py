"""One record through the table: `transform_record`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferry.errors import ConfigError, MetadataError
from ferry.mapping.experiments import Experiment, find_experiment
from ferry.mapping.leaves import Ledger, count_leaves, find, shown
from ferry.mapping.people import experiments_of
from ferry.mapping.profiles import find_profile
from ferry.mapping.rules import DROPPED, FINISHERS, RULES
from ferry.mapping.work import MappingOptions, Rule, Work
from ferry.schemas import problems

SHOWN_PROBLEMS = 5
_OF_DATES = re.compile(r"metadata\.dates\[\d+\]\.description")


class InvalidRecordError(MetadataError):
    """The target would refuse the record; `problems` has a line for each place."""

    def __init__(self, found: list[str], *, profile: str) -> None:
        more = f" (and {len(found) - SHOWN_PROBLEMS} more)" if len(found) > SHOWN_PROBLEMS else ""
        super().__init__(
            f"{'; '.join(found[:SHOWN_PROBLEMS])}{more}: the target {profile} would refuse this; correct the record in "
            "<metadata.dir>/corrections"
        )
        self.problems = tuple(found)


@dataclass(frozen=True)
class Transformed:
    """What becomes of a record.

    record: what is sent to the repository: metadata, access, files.
    mapping: the receipt `mapping`: of each path of the source what became of it.
    warnings: what somebody should look at; the mapping has them too.
    notices: what holds for each such record at this target, to be told once a run; the mapping has them too.
    """

    record: dict[str, Any]
    mapping: dict[str, Any]
    warnings: tuple[dict[str, Any], ...]
    notices: tuple[dict[str, str], ...]


def transform_record(*, source: Mapping[str, Any], profile: str, options: MappingOptions) -> Transformed:
    """Map the receipt `source` of a record to a target profile (a name of `profiles.PROFILES`).

    The result is checked against `schemas/target/<profile>.json`; the same source gives the same result.

    Raises:
        MetadataError: a field is missing, or the result would be refused (InvalidRecordError); names the path.
        ConfigError: there is no such profile.
    """
    filled, empty = count_leaves(source["record"])
    work = Work(
        recid=source["recid"],
        record=source["record"],
        files=source["files"],
        profile=find_profile(profile),
        options=options,
        ledger=Ledger(filled, empty),
        left_out_files=source.get("left_out"),
    )
    found_each = [found for name in experiments_of(work.record) if (found := find_experiment(name))]
    experiments = list({found.name: found for found in found_each}.values())  # "CMS" and "cms" are one: its rules once
    for rule in (*RULES, *(rule for experiment in experiments for rule in experiment.rules)):
        _apply(work, rule)
    if "title" not in work.metadata:
        said = [warning["message"] for warning in work.warnings if warning["path"] == "title"]
        why = said[0].removeprefix("left out: ") if said else "expected a text, found none"
        raise MetadataError(f"title: {why}; add one in a correction of this record")
    if "resource_type" not in work.metadata:
        raise MetadataError("type: expected an object (primary, secondary), found none; add one in a correction")
    _drop(work, experiments)
    for finish in (*(step for experiment in experiments for step in experiment.finishers), *FINISHERS):
        finish(work)
    record = {
        "metadata": work.metadata,
        "access": {"record": options.access, "files": options.access},
        "files": {"enabled": bool(source["files"])},
    }
    check_target(record, profile, options)
    mapping = {
        **mapping_receipt(
            recid=work.recid, profile=profile, experiments=experiments_of(work.record), rows=work.ledger.rows()
        ),
        "added": work.added,
        "warnings": work.warnings,
        "notices": work.notices,
    }
    return Transformed(record=record, mapping=mapping, warnings=tuple(work.warnings), notices=tuple(work.notices))


def _apply(work: Work, rule: Rule) -> None:
    work.rule = rule
    for found in find(work.record, rule.source):
        rule.by(work, found)
    work.rule = None


def _drop(work: Work, experiments: list[Experiment]) -> None:
    for dropped in (DROPPED, *(experiment.dropped for experiment in experiments)):
        for path, reason in dropped.items():
            work.ledger.set_aside(path, work.true_reason(reason))


def check_target(record: dict[str, Any], profile: str, options: MappingOptions) -> None:
    """Hold target metadata against the schema of a profile.

    Raises:
        InvalidRecordError: the target would refuse them.
        ConfigError: it would for what transform.date_descriptions says.
    """
    found = problems(record, f"target/{profile}")
    if found and options.date_descriptions is not None and all(map(_OF_DATES.match, found)):
        said = f"{options.date_descriptions!r}: no description of a date is that at this target"
        raise ConfigError(f"transform.date_descriptions: expected what the target {profile} takes, found {said}")
    if found:
        raise InvalidRecordError([shown(line) for line in found], profile=profile)


def mapping_receipt(*, recid: int, profile: str, experiments: list[str], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the receipt `mapping` of a record of which there is nothing to be warned."""
    counts = {"mapped": 0, "dropped": 0, "unknown": 0}
    for row in rows:
        counts[row["status"]] += row["count"]
    return {
        "recid": recid,
        "profile": profile,
        "experiments": experiments,
        "corrected": [],
        "leaves": {"total": sum(counts.values()), **counts},
        "paths": rows,
        "added": [],
        "warnings": [],
        "notices": [],
    }
