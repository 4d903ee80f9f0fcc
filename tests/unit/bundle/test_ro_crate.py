"""The record as an RO-Crate: readable by its own library, complete, and always the same."""

import json
from pathlib import Path

import pytest
from rocrate.rocrate import ROCrate

from ferry.bundle.plan import PackageSettings
from ferry.bundle.ro_crate import attach_ro_crate
from ferry.errors import ConfigError
from ferry.identity import record_url
from ferry.mapping.transform import transform_record
from ferry.mapping.work import MappingOptions
from real_metadata import real_metadata

UPLOADS = [
    {"key": "a b.dst", "kind": "file", "size_bytes": 3},
    {"key": "7_bundle.zip", "kind": "bundle", "size_bytes": 99},
]


def crate_of(record, profile, folder: Path):
    source = {"recid": int(record["recid"]), "origin": "metadata", "record": record, "files": []}
    document = transform_record(source=source, profile=profile, options=MappingOptions()).record
    attached = attach_ro_crate(record_url(source["recid"]), document=document, uploads=UPLOADS, data_dir=folder)
    return document["metadata"], attached, folder / attached["path"]


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["rdm-plain", "ccmm2"])
def test_every_real_record_becomes_a_crate_that_its_library_reads(tmp_path, profile):
    for record in real_metadata():
        metadata, attached, path = crate_of(record, profile, tmp_path)
        assert attached["key"] == path.name == "ro-crate-metadata.json"
        read = ROCrate({"@context": json.loads(path.read_bytes())["@context"], **json.loads(path.read_bytes())})
        assert read.root_dataset["name"] == metadata["title"]
        assert len(read.root_dataset["creator"]) == len(metadata["creators"])
        assert {part.id for part in read.root_dataset["hasPart"]} == {"a%20b.dst", "7_bundle.zip"}


def test_a_persons_orcid_the_licence_and_the_doi_are_addresses(tmp_path):
    records = [each for each in real_metadata() if any("orcid" in author for author in each.get("authors", []))]
    record = next(each for each in records if "doi" in each)
    metadata, _, path = crate_of(record, "rdm-plain", tmp_path)
    graph = {entity["@id"]: entity for entity in json.loads(path.read_bytes())["@graph"]}
    orcids = [
        each["identifier"]
        for creator in metadata["creators"]
        for each in creator["person_or_org"].get("identifiers", [])
    ]
    assert orcids
    assert all(graph[f"https://orcid.org/{orcid}"]["@type"] == "Person" for orcid in orcids)
    assert graph["./"]["license"] == [{"@id": f"https://spdx.org/licenses/{record['license']['attribution']}"}]
    assert f"https://doi.org/{record['doi']}" in graph["./"]["identifier"]
    assert graph["7_bundle.zip"]["encodingFormat"] == "application/zip"


def test_the_same_record_gives_the_same_bytes(tmp_path):
    record = real_metadata()[0]
    first = crate_of(record, "rdm-plain", tmp_path)[2].read_bytes()
    assert crate_of(record, "rdm-plain", tmp_path)[2].read_bytes() == first


def test_its_place_is_taken_from_those_for_files():
    attachments = frozenset({"source", "manifest", "ro-crate"})
    assert PackageSettings(attachments=attachments, max_files=97).most_uploads == 97
    with pytest.raises(ConfigError, match=r"package.max_files: expected 1 to 97 .* found 98"):
        PackageSettings(attachments=attachments, max_files=98)
