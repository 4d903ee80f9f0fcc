"""DELPHI: the energy of a simulated dataset stands in its abstract (`ecms=188.6`) or in its title (`_e091_`)."""

import re

from ferry.mapping.energy import Energy, sharpen
from ferry.mapping.experiments import Experiment
from ferry.mapping.work import Work

_IN_ABSTRACT = re.compile(r"\becms\s*=\s*(\d{2,3}(?:\.\d{1,3})?)(?![\d.]*\d)", re.IGNORECASE)
# DELPHI simulation data {tier}_{process}[_e{energy}][_m{mass}]..._{laboratory}{year}_{n}{l|g}_{version}
_IN_TITLE = re.compile(r"DELPHI simulation data (?:xs|sh|lo)_[^\s]*?_e(\d{2,3}(?:\.\d{1,3})?)_")


def simulated_energy(work: Work) -> None:
    """Take the one energy that was simulated in place of the range of the running period."""
    kinds = work.record.get("type")
    secondary = kinds.get("secondary") if isinstance(kinds, dict) else None
    if secondary != ["Simulated"]:
        return
    abstract, title = work.record.get("abstract"), work.record.get("title")
    text = abstract.get("description") if isinstance(abstract, dict) else None
    stated = {float(value) for value in _IN_ABSTRACT.findall(text)} if isinstance(text, str) else set()
    exact = {value for value in stated if value > 0}  # ecms=00 says nothing
    if len(exact) == 1:
        value = exact.pop()
        sharpen(work, Energy(value, value), "abstract")
        return
    found = _IN_TITLE.match(title) if isinstance(title, str) else None
    if found and float(found[1]) > 0:
        value = float(found[1])
        sharpen(work, Energy(value, value, approximate="." not in found[1]), "title")


EXPERIMENT = Experiment("DELPHI", finishers=(simulated_energy,))
