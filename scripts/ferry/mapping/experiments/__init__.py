"""What differs from the shared table, one file per experiment; a new experiment is one new file here.

A module is named for its experiment in lower case, letters and digits only ("CMS" is cms.py), and holds
`EXPERIMENT = Experiment(...)`.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from ferry.mapping.work import Rule, Work


@dataclass(frozen=True)
class Experiment:
    """The rules that an experiment adds, what it has no place for, and what is done when all rules are applied."""

    name: str
    rules: tuple[Rule, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    finishers: tuple[Callable[[Work], None], ...] = ()


@cache
def find_experiment(name: str) -> Experiment | None:
    """Return what is special about the experiment of that name; None where the shared table is all there is."""
    module = "".join(letter for letter in name.lower() if letter.isascii() and letter.isalnum())
    if module not in {found.name for found in pkgutil.iter_modules(__path__)}:
        return None
    experiment = importlib.import_module(f"{__name__}.{module}").EXPERIMENT
    assert isinstance(experiment, Experiment)
    return experiment


def special_experiments() -> list[Experiment]:
    """Return all experiments that have something special."""
    return [found for module in pkgutil.iter_modules(__path__) if (found := find_experiment(module.name))]
