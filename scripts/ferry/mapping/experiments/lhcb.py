"""LHCb: the stripping that selected the events, and the polarity of the magnet."""

from ferry.mapping.experiments import Experiment
from ferry.mapping.terms import keyword
from ferry.mapping.texts import section_fact
from ferry.mapping.work import Rule

_METHODS = "metadata.additional_descriptions[methods]"

EXPERIMENT = Experiment(
    "LHCb",
    rules=(
        Rule("magnet_polarity", "metadata.subjects[]", keyword),
        Rule("stripping.stream", _METHODS, section_fact, "stripping|Stripping stream"),
        Rule("stripping.version", _METHODS, section_fact, "stripping|Stripping version"),
    ),
)
