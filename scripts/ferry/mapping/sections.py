"""The sections of text of a record: which description each becomes, and the heading that tells it apart."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """kind: id of the vocabulary of description types. heading: of the section in its description."""

    kind: str
    heading: str

    @property
    def target(self) -> str:
        """Where its text goes."""
        return f"metadata.additional_descriptions[{self.kind}]" if self.heading else "metadata.description"


SECTIONS: Mapping[str, Section] = {
    "abstract": Section("abstract", ""),  # the record's own description, which needs no heading
    "methodology": Section("methods", "How it was made"),
    "pileup": Section("methods", "Pile-up"),
    "validation": Section("methods", "Validation"),
    "configuration": Section("methods", "Configuration"),
    "cross_section": Section("methods", "Cross section"),
    "generator": Section("methods", "Generator"),
    "stripping": Section("methods", "Stripping"),
    "usage": Section("technical-info", "How to use it"),
    "use_with": Section("technical-info", "Use with"),
    "system": Section("technical-info", "System"),
    "code": Section("technical-info", "Source code"),
    "semantics": Section("technical-info", "Variables"),
    "amounts": Section("technical-info", "Amounts"),
    "note": Section("other", "Note"),
    "links": Section("other", "Links"),
    "relations": Section("other", "Related records"),
    "dates": Section("other", "Dates"),
}
DESCRIPTION_TYPES = frozenset(section.kind for section in SECTIONS.values())
"""Ids of the vocabulary that descriptions may name."""
