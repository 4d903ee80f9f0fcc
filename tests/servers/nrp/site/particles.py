"""The model `particles`: what a repository of particle physics asks of a record beside the fields of its base."""

import functools
from typing import Any

import oarepo_model.api
from oarepo_communities.model.presets import communities_preset
from oarepo_requests.model.presets.requests import requests_preset
from oarepo_workflows.model.presets import workflows_preset


def _keyword(*choices: str) -> dict[str, Any]:
    return {"type": "keyword", "enum": list(choices)} if choices else {"type": "keyword"}


def _fields(*, first_generation: bool) -> dict[str, Any]:
    """The first generation of the model knows whole energies and one experiment, and no documents."""
    energy = {"type": "int" if first_generation else "float"}
    kinds = ("simulated", "collision") if first_generation else ("simulated", "collision", "logbook", "manual")
    experiments = {"type": "vocabulary", "vocabulary-type": "experiments"}
    return {
        "recid": {"type": "int"},
        "experiment": _keyword("DELPHI") if first_generation else experiments,
        "category": {"type": "vocabulary", "vocabulary-type": "particle_category"},
        "dataset_type": _keyword(*kinds),
        "file_types": {"type": "array", "items": _keyword()},
        "number_of_events": {"type": "int"},
        "collision_information": {
            "type": "object",
            "properties": {
                "type": _keyword("e+e-"),
                "energy": _keyword(),
                "energy_min": energy,
                "energy_max": energy,
            },
        },
    }


@functools.cache  # the settings are read for the pages and for the API, in one process
def register(base: str) -> None:
    """Build the model on `base` and make it known to the repository."""
    on_rdm = base == "rdm"
    if on_rdm:
        from oarepo_rdm.model.presets import rdm_complete_preset as preset
    else:
        from ccmm_invenio.models import ccmm_production_preset_1_1_0 as preset
    model = oarepo_model.api.model(
        "particles",
        version="1.0.0",
        presets=[
            preset,
            workflows_preset,
            requests_preset,
            communities_preset,
        ],
        types=[{"Metadata": {"properties": _fields(first_generation=on_rdm)}}],
        metadata_type="Metadata",
        configuration={"ui_blueprint_name": "particles_ui"},
    )
    model.register()
