"""Which kind of repository the sandbox stands in for: InvenioRDM, or an NRP one with its models and workflows."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.vocabularies import VOCABULARIES

_IDS = Path(__file__).resolve().parents[2] / "schemas" / "vocabularies" / "ccmm1.json"
_NAMES = {
    "resource_types": ("resourcetypes",),
    "title_types": ("titletypes",),
    "contributor_roles": ("contributorsroles", "creatorsroles"),
    "date_types": ("datetypes",),
    "description_types": ("descriptiontypes",),
    "relation_types": ("relationtypes",),
    "licenses": ("licenses",),
}
CURATOR = "3"
"""The user who decides in the community `delphi`, and who reviews what asks for a review."""
INDIVIDUAL, REVIEWED, COMMUNITY = "individual", "reviewed", "community"
"""Workflows: the depositor publishes; a reviewer accepts a request to publish; a community accepts the record."""


@dataclass(frozen=True)
class Flavour:
    """What one kind of repository has and does otherwise than the other.

    Attributes:
        name: as the configuration names it.
        model: what records belong to: the links of records lead below /api/<model>.
        generator: what the home page says that it is made by.
        vocabularies: ids by vocabulary.
        workflows: that a record may have; none where everybody publishes.
        communities: that are there from the beginning, and the user who decides in each.
    """

    name: str
    model: str
    generator: str
    vocabularies: Mapping[str, frozenset[str]]
    workflows: frozenset[str] = frozenset()
    communities: Mapping[str, str] | None = None

    @property
    def is_nrp(self) -> bool:
        """Whether it has models, workflows and requests to publish."""
        return bool(self.workflows)


@functools.cache
def find_flavour(name: str) -> Flavour:
    """Return the flavour `rdm` (InvenioRDM 13) or `nrp` (OARepo on CCMM 1.1, with a model `particles`).

    Raises:
        ValueError: there is no other.
    """
    if name == "rdm":
        return Flavour(name="rdm", model="records", generator="InvenioRDM 13.1", vocabularies=VOCABULARIES)
    if name == "nrp":
        return Flavour(
            name="nrp",
            model="particles",
            generator="InvenioRDM 14.0",
            vocabularies=_ccmm(),
            workflows=frozenset({INDIVIDUAL, REVIEWED, COMMUNITY}),
            communities={"delphi": CURATOR, "delphi-open": "1"},
        )
    raise ValueError(f"sandbox flavour: expected rdm or nrp, found {name}")


def _ccmm() -> dict[str, frozenset[str]]:
    listed = json.loads(_IDS.read_text(encoding="utf-8"))
    vocabularies = {there: frozenset(ids) for name, ids in listed.items() for there in _NAMES.get(name, ())}
    return {
        **vocabularies,
        "languages": frozenset({"CES", "ENG"}),
        "subjects": frozenset({"10000", "10300", "10303"}),
        "experiments": frozenset({"ATLAS-ITk", "DELPHI", "FERMILAB-SiPM", "FRAM"}),
        "particle_category": frozenset({"higgs"}),
        **{name: frozenset() for name in ("affiliations", "names", "funders", "awards")},
        "removalreasons": VOCABULARIES["removalreasons"],
    }
