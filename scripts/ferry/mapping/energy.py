"""Rules for the collision: its type and its energy. What is not known is left out, never written as 0."""

import math
import re
from dataclasses import dataclass
from typing import Any

from ferry.mapping.leaves import Found
from ferry.mapping.texts import fact
from ferry.mapping.work import Work

_ENERGY = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)(?:\s*-\s*(\d{1,6}(?:\.\d{1,6})?))?\s*([MGT])eV", re.IGNORECASE)
_IN_GEV = {"M": 0.001, "G": 1.0, "T": 1000.0}
TOLERANCE_GEV = 1.0  # energies in titles are rounded to whole GeV


@dataclass(frozen=True)
class Energy:
    """Energy in the centre of mass, in GeV, from the lowest to the highest."""

    low: float
    high: float
    approximate: bool = False


def parse_energy(text: str) -> Energy | None:
    """Return what "89-94 GeV", "8TeV" or "5.02 TeV" says; None for other texts and for 0, which says nothing."""
    found = _ENERGY.fullmatch(text.strip())
    if not found or not text.isascii():
        return None
    factor = _IN_GEV[found[3].upper()]
    values = sorted(round(float(value) * factor, 6) for value in (found[1], found[2] or found[1]))
    return Energy(values[0], values[1]) if values[0] > 0 else None


def collision(work: Work, found: Found) -> None:
    """Type and energy of the collision: fields of the particles model where it has them, and keywords."""
    _collision_type(work, work.child(found, "type"))
    _energy_text(work, work.child(found, "energy"))


def _collision_type(work: Work, found: Found | None) -> None:
    name = work.line(found)
    if found is None or name is None:
        return
    work.subjects.setdefault(name)
    to = ["metadata.subjects[]"]
    if work.profile.particles and name in work.profile.particles.collision_types:
        _information(work)["type"] = name
        to.append("metadata.collision_information.type")
    work.took(found.path, *to)


def _energy_text(work: Work, found: Found | None) -> None:
    text = work.line(found)
    if found is None or text is None:
        return
    energy = parse_energy(text)
    known = _ENERGY.fullmatch(text)
    if known and energy is None:
        work.left_out(found, f"{text!r} says that there is no collision energy")
        return
    work.subjects.setdefault(text)
    to = ["metadata.subjects[]"]
    if energy is None:
        work.warn(found.place, f"expected an energy (e.g. 89-94 GeV), found {text!r}: kept as keyword")
    if work.profile.particles:
        _information(work)["energy"] = text
        to.append("metadata.collision_information.energy")
        if energy is not None:
            put_bounds(work, energy)
            to.append("metadata.collision_information.energy_min")
            to.append("metadata.collision_information.energy_max")
    work.took(found.path, *to)


def _information(work: Work) -> dict[str, Any]:
    information: dict[str, Any] = work.metadata.setdefault("collision_information", {})
    return information


def put_bounds(work: Work, energy: Energy) -> None:
    """Write the bounds; where the target has whole numbers only, the interval is widened to whole GeV."""
    if not work.profile.particles:
        return
    information = _information(work)
    low: float = energy.low
    high: float = energy.high
    if work.profile.particles.whole_energies:
        low, high = math.floor(low), math.ceil(high)
    if low > 0:
        information["energy_min"] = low
    information["energy_max"] = high


def sharpen(work: Work, energy: Energy, source: str) -> None:
    """Replace a range by the one energy that the abstract or the title tells, unless the two contradict each other."""
    text = work.record.get("collision_information")
    stated = text.get("energy") if isinstance(text, dict) else None
    bounds = parse_energy(stated) if isinstance(stated, str) else None
    if bounds and not (bounds.low - TOLERANCE_GEV <= energy.low and energy.high <= bounds.high + TOLERANCE_GEV):
        work.warn(source, f"says {_gev(energy)}, outside of {stated}: the latter is taken")
        return
    put_bounds(work, energy)
    about = f"about {_gev(energy)} (rounded in the {source})" if energy.approximate else _gev(energy)
    label = "Energy in the centre of mass"
    work.note("usage").facts.append(fact(label, about))
    work.add("metadata.additional_descriptions[technical-info]", f"energy as the {source} has it: {about}")
    if work.profile.particles:
        work.add("metadata.collision_information.energy_min, energy_max", f"as the {source} has it: {about}")


def _gev(energy: Energy) -> str:
    if energy.low == energy.high:
        return f"{energy.low:g} GeV"
    return f"{energy.low:g}-{energy.high:g} GeV"
