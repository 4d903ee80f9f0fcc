"""docs/mapping.md: where each field of a record of the portal goes, found out by mapping records that have them all.

FIELDS says of each path what it means, and a value that it may have. What becomes of the value in each profile is not
written down here: records are mapped, and their accounts say it. One record has each field; where a value goes may hang
on what else the record has, so others lack something, or have another value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferry.mapping.experiments import special_experiments
from ferry.mapping.profiles import PROFILES
from ferry.mapping.rules import DROPPED, RULES
from ferry.mapping.transform import transform_record
from ferry.mapping.work import MappingOptions

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "mapping.md"
_HEAD = """# Where each field goes

What a record of the CERN Open Data portal has, and where it goes in a record of each profile (`transform.profile`).
A path is written as `usage.links[].url`; `[]` stands for every item of a list. *no:* says why a field goes nowhere.
The rule is the function in `scripts/ferry/mapping/` that takes the field. All targets are fields of `metadata`, but for
`files`; `texts[t]` is `additional_descriptions` of the type `t`.

What is not in this table is reported as unknown by `snakemake --cores 2 validate`, and kept in the record's own JSON
where that goes up. What became of each value of one record, and what of it was lost, says
`results/<recid>/mapping.json`.

This page is made of the rules by `make docs`.
"""


@dataclass(frozen=True)
class Field:
    """A path of a record, what the portal means by it, and an example."""

    path: str
    means: str
    example: Any = "text"


_TEXT, _LINKED = "<p>A text</p>", "what it leads to"
_SECTIONS = (
    ("abstract", "the abstract"),
    ("methodology", "how the data were made"),
    ("pileup", "the pile-up that was added to simulated events"),
    ("validation", "how the data were validated"),
    ("usage", "how the data can be used"),
    ("use_with", "what the record can be used with"),
    ("system_details", "the software environment"),
    ("note", "a note"),
)
_LINK_FIELDS = (
    ("recid", "8", "a record of the portal"),
    ("url", "/docs/x", "an address, perhaps relative to the portal"),
    ("description", "What it is", _LINKED),
    ("title", "Its title", _LINKED),
)

FIELDS: tuple[Field, ...] = (
    Field("recid", "number of the record on the portal", "7"),
    Field("title", "title; of CMS, the name of the dataset", "A title"),
    Field("title_additional", "a title for readers", "Another title"),
    Field("type.primary", "kind: Dataset, Software, Documentation, Environment, Supplementaries", "Dataset"),
    Field("type.secondary[]", "kind within that: Simulated, Collision, Derived, Manual …", "Simulated"),
    Field("authors[].name", "an author: a person, or an organisation", "Doe, J"),
    Field("authors[].affiliation", "where the author worked, several with `;` between", "CERN"),
    Field("authors[].orcid", "the author's ORCID", "0000-0002-1825-0097"),
    Field("authors[].ccid", "the author's number at CERN", "1"),
    Field("authors[].inspireid", "the author's number in INSPIRE", "INSPIRE-1"),
    Field("authors[].rorid", "the affiliation's ROR", "01ggx4157"),
    Field("collaboration.name", "the collaboration that made it", "DELPHI collaboration"),
    Field("collaboration.group", "a group that made it", "Open data group"),
    Field("collaboration.recid", "the record that lists the collaboration's authors", "8"),
    Field("publisher", "who published it: the portal, but for what others made", "CERN Open Data Portal"),
    Field("date_published", "year of publication", "2024"),
    Field("date_created[]", "years of data taking or production", "1998"),
    Field("date_reprocessed", "year of the reprocessing", "2001"),
    Field("prepublication.date", "an earlier publication elsewhere: when", "1999"),
    Field("prepublication.publisher", "an earlier publication elsewhere: by whom", "CERN"),
    Field("prepublication.place", "an earlier publication elsewhere: where", "Geneva"),
    Field("prepublication.report_number", "an earlier publication elsewhere: its report number", "X-1"),
    *(Field(f"{name}.description", means, _TEXT) for name, means in _SECTIONS),
    *(
        Field(f"{name}.links[].{member}", f"{means}: {said}", value)
        for name, means in _SECTIONS
        for member, value, said in _LINK_FIELDS
    ),
    Field("methodology.steps[].type", "a step of the production: what it is", "SIM"),
    Field("methodology.steps[].release", "a step of the production: release of the software", "CMSSW_5"),
    Field("methodology.steps[].global_tag", "a step of the production: conditions", "START53"),
    Field("methodology.steps[].output_dataset", "a step of the production: what it makes", "/A/B/GEN"),
    Field("methodology.steps[].note", "a step of the production: a note", _TEXT),
    Field("methodology.steps[].generators[]", "a step of the production: its generators", "pythia"),
    *(
        Field(f"methodology.steps[].configuration_files[].{member}", f"a configuration file of a step: {said}", value)
        for member, value, said in _LINK_FIELDS
    ),
    Field("methodology.steps[].configuration_files[].process", "a configuration file of a step: the process", "SIM"),
    Field("methodology.steps[].configuration_files[].script", "a configuration file of a step: its text", "#!/bin/sh"),
    Field("methodology.steps[].configuration_files[].cms_confdb_id", "a configuration file of a step: its id", "a1"),
    Field("system_details.release", "release of the software", "CMSSW_5"),
    Field("system_details.global_tag", "conditions", "START53"),
    Field("system_details.recid", "the record of the environment", "8"),
    Field("system_details.url", "address of the environment", "https://x.org/vm"),
    Field("system_details.container_images[].name", "a container image: its name", "docker.io/x"),
    Field("system_details.container_images[].description", "a container image: what it is", "An image"),
    Field("system_details.container_images[].recid", "a container image: its record", "8"),
    Field("system_details.container_images[].registry", "a container image: where it lies", "dockerhub"),
    *(
        Field(f"source_code_repository.{member}", f"where the source code is: {said}", value)
        for member, value, said in _LINK_FIELDS
    ),
    Field("source code repository.url", "where the source code is, in older records", "https://x.org/code"),
    Field("dataset_semantics[].variable", "a variable: its name", "pt"),
    Field("dataset_semantics[].description", "a variable: what it is", _TEXT),
    Field("dataset_semantics[].type", "a variable: its type", "float"),
    Field("dataset_semantics[].unit", "a variable: its unit", "GeV"),
    Field("dataset_semantics_files.url", "documentation of the variables: a page", "/eos/x.html"),
    Field("dataset_semantics_files.json", "documentation of the variables: as JSON", "/eos/x.json"),
    *(Field(f"links[].{member}", f"a link: {said}", value) for member, value, said in _LINK_FIELDS),
    Field("experiment[]", "the experiments", None),
    Field("accelerator", "the accelerator", "CERN-LEP"),
    Field("collision_information.type", "what collides", "e+e-"),
    Field("collision_information.energy", "energy in the centre of mass", "89-94 GeV"),
    Field("categories.primary", "physics category", "Higgs"),
    Field("categories.secondary[]", "physics category, narrower", "ElectroWeak"),
    Field("categories.source", "who gave the category", "CMS"),
    Field("collections[]", "the portal's collection", "DELPHI-Simulated"),
    Field("keywords[]", "keyword", "word"),
    Field("signature[]", "signature of the events", "muon"),
    Field("run_period[]", "run period", "Run1"),
    Field("run_numbers[]", "numbers of the runs", "1"),
    Field("distribution.number_files", "number of files", 1),
    Field("distribution.size", "bytes of all files", 1),
    Field("distribution.number_events", "number of events", 10),
    Field("distribution.number_entries", "number of entries", 10),
    Field("distribution.formats[]", "formats of the files, and data tiers", "root"),
    Field("distribution.availability", "whether the files are on disk or on tape", "online"),
    Field("files[].uri", "a file: its address", "root://x//f"),
    Field("files[].key", "a file: its name", "f"),
    Field("files[].filename", "a file: its name", "f"),
    Field("files[].size", "a file: its bytes", 1),
    Field("files[].checksum", "a file: its checksum", "adler32:00000001"),
    Field("files[].description", "a file: what it is", "A file"),
    Field("license.attribution", "SPDX identifier of the licence", "CC0-1.0"),
    Field("language", "language", "English"),
    Field("doi", "the DOI that the portal gave", "10.7483/OPENDATA.X"),
    Field("relations[].type", "a related record: in which way", "isPartOf"),
    Field("relations[].recid", "a related record: its number", "8"),
    Field("relations[].doi", "a related record: its DOI", "10.7483/OPENDATA.Y"),
    Field("relations[].title", "a related record: its title", "Its title"),
    Field("relations[].description", "a related record: what it is, or words that lead on to it", "What it is"),
    Field("cms_confdb_id", "CMS: id in the database of configurations", "a1"),
    *(
        Field(f"cross_section.{name}", f"CMS: cross section, {name.replace('_', ' ')}", "1")
        for name in (
            "total_value", "total_value_uncertainty", "filter_efficiency", "filter_efficiency_error",
            "matching_efficiency", "matching_efficiency_error", "neg_weight_fraction",
        )
    ),
    Field("generator.names[]", "CMS: generators", "madgraph"),
    Field("generator.global_tag", "CMS: conditions of the generator", "START53"),
    Field("topic.category", "CMS: topic", "Physics"),
    Field("topic.subcategory", "CMS: topic, narrower", "Standard model"),
    Field("topic.source", "CMS: who gave the topic", "CMS"),
    Field("magnet_polarity", "LHCb: polarity of the magnet", "MagDown"),
    Field("stripping.stream", "LHCb: stream of the stripping that selected the events", "BHADRON"),
    Field("stripping.version", "LHCb: version of that stripping", "stripping21"),
    Field("pids.oai.id", "id in the portal's OAI-PMH", "oai:cernopendata.cern:7"),
    Field("control_number", "repeats the recid", "7"),
    Field("availability", "state of the portal's storage", "online"),
    *(Field(name, "internal to the portal") for name in ("$schema", "_availability_details", "_bucket", "_files")),
    Field("_file_indices[].key", "a list of files that stands for them", "i.json"),
)  # fmt: skip


def write_mapping() -> None:
    """Write docs/mapping.md."""
    REFERENCE.write_text(mapping_page(), encoding="utf-8")


def mapping_page() -> str:
    """Return the page as Markdown."""
    head = ["path", "what it means", *(f"`{name}`" for name in PROFILES), "rule"]
    lines = [_HEAD, f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows()]
    return "\n".join(lines) + "\n"


def rows() -> Iterator[list[str]]:
    """Give a row for each field, in the order of FIELDS."""
    accounts = [_account(profile) for profile in PROFILES]
    for field in FIELDS:
        found = [account[field.path] for account in accounts]
        rules = dict.fromkeys(row["rule"] for account in found for row in account if "rule" in row)
        yield [f"`{field.path}`", field.means, *map(_target, found), ", ".join(f"`{rule}`" for rule in rules) or "none"]


def _target(account: list[dict[str, Any]]) -> str:
    """Return where a value goes, and why it may go nowhere."""
    mapped = dict.fromkeys(_short(to) for row in account if row["status"] == "mapped" for to in row["to"])
    why = dict.fromkeys(row["reason"] for row in account if row["status"] == "dropped")
    targets = ", ".join(f"`{to}`" for to in mapped)
    return "; or ".join(part for part in (targets, f"*no:* {'; '.join(why)}" if why else "") if part)


def _short(to: str) -> str:
    return to.removeprefix("metadata.").replace("additional_descriptions[", "texts[")


def _account(profile: str) -> dict[str, list[dict[str, Any]]]:
    """Return what becomes of each field in a profile, by its path."""
    files = [{"key": "f", "uri": "root://x//f", "size_bytes": 1, "checksum": None, "online": True}]
    paths: dict[str, list[dict[str, Any]]] = {}
    for record in examples():
        source = {"recid": 7, "origin": "example", "record": record, "files": files}
        for row in transform_record(source=source, profile=profile, options=MappingOptions()).mapping["paths"]:
            paths.setdefault(row["path"], []).append(row)
    return paths


def examples() -> Iterator[dict[str, Any]]:
    """Give the record that has every field, and those in which a value goes elsewhere."""
    yield example()
    yield {name: value for name, value in example().items() if name != "authors"}
    many = example()
    many["distribution"]["number_events"] = 2**31
    yield many
    within = example()
    for file in within["methodology"]["steps"][0]["configuration_files"]:
        del file["recid"], file["url"]
    yield within


def example() -> dict[str, Any]:
    """Return a record that has every field."""
    record: dict[str, Any] = {}
    names = [experiment.name for experiment in special_experiments()]
    for field in FIELDS:
        _put(record, field.path.split("."), names if field.path == "experiment[]" else field.example)
    return record


def _put(into: dict[str, Any], steps: list[str], value: Any) -> None:
    name, *rest = steps
    key, many = name.removesuffix("[]"), name.endswith("[]")
    if not rest:
        into[key] = [value] if many and not isinstance(value, list) else value
    elif many:
        _put(into.setdefault(key, [{}])[0], rest, value)
    else:
        _put(into.setdefault(key, {}), rest, value)


def ruled() -> list[str]:
    """Return the paths that the tables name, those of the experiments among them: of rules, and what is dropped."""
    experiments = special_experiments()
    rules = [*RULES, *(rule for experiment in experiments for rule in experiment.rules)]
    dropped = [*DROPPED, *(path for experiment in experiments for path in experiment.dropped)]
    return [*(rule.source for rule in rules), *dropped]
