"""The targets: vocabulary ids and shape of each repository that records are made for.

Sources of the ids: invenio-rdm-records (fixtures/data/vocabularies), ccmm-invenio 1.1.27 and 2.2.1
(fixtures), the `particles` model of the physics repository (FZU-AV-CR/invenio-fzu).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ferry.errors import ConfigError
from ferry.mapping.relation_terms import LABELS

DateDescriptions = Literal["none", "text", "languages"]
"""What the description of a date is: there is none, a text, or texts by language."""


@dataclass(frozen=True)
class Particles:
    """What only the `particles` model has, one generation of it."""

    experiment_ids: Mapping[str, str]
    experiment_is_vocabulary: bool
    whole_energies: bool  # energies are integers: the interval is widened to whole GeV
    dataset_types: Mapping[str, str]  # by "primary/secondary" of the CERN record
    collision_types: frozenset[str] = frozenset({"e+e-"})
    other_experiments: frozenset[str] = frozenset()  # ids that records of one's own may name


@dataclass(frozen=True)
class Profile:
    """A target: the ids of its vocabularies by the field's own words, and which fields it has."""

    name: str
    title: str
    vocabulary: str  # schemas/vocabularies/<name>.json: all ids that the server knows
    resource_types: Mapping[str, str]  # by "primary/secondary" (or how it begins), else "primary", else "*"
    licenses: Mapping[str, str]  # SPDX identifier -> id; others go as title and link
    dates: Mapping[str, str]
    relations: Mapping[str, str]  # by the terms of relation_terms
    roles: Mapping[str, str]
    english: str
    descriptions: Mapping[str, str] = field(default_factory=dict)  # kind of a section -> id; another goes as it is
    second_title: str = "alternative-title"  # id of the type that a second, more readable title has
    subject: str | None = None  # id of the field of science in the subjects vocabulary
    sizes_and_formats: bool = True
    date_intervals: bool = True  # the server's index takes "1998/2000" as a date
    date_descriptions: DateDescriptions = "text"  # none: text or languages, after the version of the server
    related_resources: bool = False  # the server overwrites related_identifiers from related_resources
    particles: Particles | None = None

    def description_type(self, kind: str) -> str:
        """Return the id of the type of description that a kind of section becomes."""
        return self.descriptions.get(kind, kind)


_RDM_RESOURCE_TYPES = {
    "Dataset": "dataset",
    "Software": "software",
    "Documentation": "publication-other",
    "Documentation/Report": "publication-report",
    "Documentation/Video": "video",
    "Documentation/Lesson": "lesson",
    "Environment/VM": "software",
    "Environment/Condition": "dataset",
    "Environment/Validation": "dataset",
    "Supplementaries/Logbook": "publication-other",
    "Supplementaries/Manual": "publication-softwaredocumentation",
    "Supplementaries/Computing Note": "publication-technicalnote",
    "Supplementaries/Configuration": "software",
    "Supplementaries/Trigger": "publication-softwaredocumentation",
    "Supplementaries/Luminosity": "dataset",
    "Supplementaries/Correction": "dataset",
    "*": "other",
}
_CCMM1_RESOURCE_TYPES = {  # COAR ids, and those of the Czech addition for simulated, measured and logbooks
    "Dataset": "c_ddb1",
    "Dataset/Simulated": "W2XT-7017",
    "Dataset/Collision": "63NG-B465",
    "Software": "c_5ce6",
    "Documentation": "c_18cf",
    "Documentation/Policy": "c_186u",
    "Documentation/Report": "c_93fc",
    "Documentation/Video": "c_12ce",
    "Documentation/Lesson": "c_e059",
    "Environment/VM": "c_5ce6",
    "Environment/Condition": "c_ddb1",
    "Environment/Validation": "c_ddb1",
    "Supplementaries/Logbook": "H41Y-FW7B",
    "Supplementaries/Manual": "c_71bd",
    "Supplementaries/Computing Note": "c_18gh",
    "Supplementaries/Configuration": "c_5ce6",
    "Supplementaries/Trigger": "c_71bd",
    "Supplementaries/Luminosity": "c_ddb1",
    "Supplementaries/Correction": "c_ddb1",
    "*": "c_1843",
}
_CCMM2_RESOURCE_TYPES = {
    **_RDM_RESOURCE_TYPES,
    "Dataset/Simulated": "w2xt-7017",
    "Dataset/Collision": "63ng-b465",
    "Documentation": "c_18cf",
    "Documentation/Policy": "c_186u",
    "Supplementaries/Logbook": "h41y-fw7b",
}
_RDM_LICENSES = {
    spdx: spdx.lower()
    for spdx in (
        "CC0-1.0 CC-BY-4.0 CC-BY-SA-4.0 MIT Apache-2.0 BSD-2-Clause BSD-3-Clause GPL-2.0-only GPL-2.0-or-later "
        "GPL-3.0-only GPL-3.0-or-later LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later "
        "AGPL-3.0-only AGPL-3.0-or-later CC-BY-NC-4.0 CC-BY-ND-4.0 CC-BY-NC-SA-4.0 CC-BY-NC-ND-4.0 ISC MPL-2.0 Zlib "
        "EPL-2.0 EUPL-1.2 Unlicense BSL-1.0 ODbL-1.0"
    ).split()
}
_CCMM1_LICENSES = {  # the vocabulary has Creative Commons only, under names of its own
    "CC0-1.0": "CC0-1.0",
    **{f"CC-{name}-4.0": f"4-{name}" for name in "BY BY-SA BY-NC BY-ND BY-NC-SA BY-NC-ND".split()},
}
SPDX_SPELLING: Mapping[str, str] = {name.casefold(): name for name in _RDM_LICENSES}
"""How SPDX writes an identifier: it is the same in any letter case, but an address of spdx.org is not."""
_RDM_DATES = {"created": "created", "issued": "issued", "reprocessed": "updated"}
_RDM_RELATIONS = {term: term.lower() for term in LABELS}
_RDM_ROLES = {"collaboration": "researchgroup", "distributor": "distributor", "other": "other"}

_EXPERIMENTS = {"DELPHI": "DELPHI"}
_DATASET_TYPES = {"Dataset/Simulated": "simulated", "Dataset/Collision": "collision"}
_PARTICLES = Particles(
    experiment_ids=_EXPERIMENTS,
    experiment_is_vocabulary=True,
    whole_energies=False,
    dataset_types={**_DATASET_TYPES, "Supplementaries/Logbook": "logbook", "Supplementaries/Manual": "manual"},
    other_experiments=frozenset({"ATLAS-ITk", "FERMILAB-SiPM", "FRAM"}),
)

RDM_PLAIN = Profile(
    name="rdm-plain",
    title="A record for any InvenioRDM, without a model of its own",
    vocabulary="rdm",
    resource_types=_RDM_RESOURCE_TYPES,
    licenses=_RDM_LICENSES,
    dates=_RDM_DATES,
    relations=_RDM_RELATIONS,
    roles=_RDM_ROLES,
    english="eng",
)
RDM = Profile(
    name="rdm",
    title="A record for the particles model, first generation (InvenioRDM)",
    vocabulary="rdm",
    resource_types=_RDM_RESOURCE_TYPES,
    licenses=_RDM_LICENSES,
    dates=_RDM_DATES,
    relations=_RDM_RELATIONS,
    roles=_RDM_ROLES,
    english="eng",
    date_intervals=False,
    particles=Particles(
        experiment_ids=_EXPERIMENTS,
        experiment_is_vocabulary=False,
        whole_energies=True,
        dataset_types=_DATASET_TYPES,
    ),
)
CCMM1 = Profile(
    name="ccmm1",
    title="A record for the particles model on CCMM 1 (ccmm-invenio 1.1)",
    vocabulary="ccmm1",
    resource_types=_CCMM1_RESOURCE_TYPES,
    licenses=_CCMM1_LICENSES,
    dates={"created": "Created", "issued": "Issued", "reprocessed": "Updated"},
    relations={term: term for term in LABELS},
    roles={"collaboration": "ResearchGroup", "distributor": "Distributor", "other": "Other"},
    english="ENG",
    subject="10303",
    sizes_and_formats=False,
    date_intervals=False,
    date_descriptions="none",
    related_resources=True,
    particles=_PARTICLES,
)
CCMM2 = Profile(
    name="ccmm2",
    title="A record for the particles model on CCMM 1.1.0 (ccmm-invenio 2)",
    vocabulary="ccmm2",
    resource_types=_CCMM2_RESOURCE_TYPES,
    licenses=_RDM_LICENSES,
    dates=_RDM_DATES,
    relations=_RDM_RELATIONS,
    roles=_RDM_ROLES,
    english="eng",
    subject="ford:10303",
    related_resources=True,
    particles=_PARTICLES,
)

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (RDM_PLAIN, RDM, CCMM1, CCMM2)}


def find_profile(name: str) -> Profile:
    """Return the profile of that name.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    if name not in PROFILES:
        raise ConfigError(
            f"target profile: expected one of {', '.join(PROFILES)}; found {name!r}; correct the configuration"
        )
    return PROFILES[name]
