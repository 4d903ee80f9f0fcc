"""CMS: cross sections, the id of a configuration in its database, and generators."""

from ferry.mapping.experiments import Experiment
from ferry.mapping.terms import keyword
from ferry.mapping.texts import section_fact
from ferry.mapping.work import OWN_JSON, Rule

_METHODS = "metadata.additional_descriptions[methods]"

EXPERIMENT = Experiment(
    "CMS",
    rules=(
        Rule("cms_confdb_id", _METHODS, section_fact, "configuration|Id in the CMS configuration database"),
        *(
            Rule(f"cross_section.{name}", _METHODS, section_fact, f"cross_section|{label}")
            for name, label in (
                ("total_value", "Total cross section"),
                ("total_value_uncertainty", "Uncertainty of the total cross section"),
                ("filter_efficiency", "Filter efficiency"),
                ("filter_efficiency_error", "Error of the filter efficiency"),
                ("matching_efficiency", "Matching efficiency"),
                ("matching_efficiency_error", "Error of the matching efficiency"),
                ("neg_weight_fraction", "Fraction of negative weights"),
            )
        ),
        Rule("generator.names[]", "metadata.subjects[]", keyword),
        Rule("generator.global_tag", _METHODS, section_fact, "generator|Global tag of the generator"),
        Rule("topic.category", "metadata.subjects[]", keyword),
        Rule("topic.subcategory", "metadata.subjects[]", keyword),
    ),
    dropped={"topic.source": f"who gave the topic: {OWN_JSON}"},
)
