"""Records of one's own go up as they were written; what is the portal's never becomes one's own, nor the other way."""

import copy
import csv
import json
import shutil

import pytest
import yaml
from local_steps import ROOT, SOURCE, lay
from own_records import OWN, PREFIX, own_record

from ferry.chain import take_away_marked
from ferry.config import check_config
from ferry.errors import ConfigError, FerryError, MetadataError
from ferry.receipts import ReceiptError, read_identifier, read_receipt
from ferry.run.settings_files import SettingsFiles
from ferry.steps.link_members import link_all
from ferry.steps.plan import PlanInputs, plan_all
from ferry.steps.read_record import read_to_receipt
from ferry.steps.transform_record import mapping_options, transform_to_receipts
from ferry.steps.validate import validate_all
from small_records import RECORDS

RECID = 7
CERN = 81642
"""A record of the portal, in the shape in which its API gives it, and in the bare one."""


@pytest.fixture
def config():
    """The configuration of a run over records of one's own."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    config["metadata"] |= OWN["metadata"]
    config["source"] |= {"data_root": "disk"}
    return config


def read(tmp_path, document, origin="own", recid=RECID):
    """Write the metadata file and run the step read_record on it."""
    path = tmp_path / "metadata" / f"{recid}.json"
    path.parent.mkdir(exist_ok=True)
    if document is not None:
        path.write_text(json.dumps(document), encoding="utf-8")
    read_to_receipt(
        recid=recid,
        metadata_path=path if document is not None else None,
        portal="https://portal.invalid",
        source=SOURCE,
        stall_s=5,
        sandbox_dir=tmp_path,
        receipt_path=tmp_path / "source.json",
        **({"origin": origin} if origin == "own" else {}),
    )


def transform(tmp_path, config, *, profile="rdm-plain", recid=RECID, **changes):
    """Run the step transform_record on what was read; return the target metadata."""
    options = mapping_options(
        transform={**config["transform"], **changes}, package=config["package"], metadata=config["metadata"]
    )
    transform_to_receipts(
        recid=recid,
        source_path=tmp_path / "source.json",
        corrections_path=None,
        profile=profile,
        options=options,
        record_path=tmp_path / "record.json",
        mapping_path=tmp_path / "mapping.json",
    )
    return read_receipt(tmp_path / "record.json", "record", recid=recid)


def of_portal(*, bare):
    document = json.loads((RECORDS / f"{CERN}.json").read_text(encoding="utf-8"))
    return document.get("metadata", document) if bare else {"id": CERN, "metadata": document.get("metadata", document)}


@pytest.mark.parametrize("profile", ["rdm-plain", "rdm", "ccmm1"])
def test_the_document_is_the_target_record_and_only_its_identity_comes_to_it(tmp_path, config, profile):
    document = own_record(profile=profile)
    read(tmp_path, document)
    made = transform(tmp_path, config, profile=profile, publisher="Somebody", doi="identifier")
    identity = {"identifier": f"{PREFIX}7", "scheme": "url"}
    identifiers = [*document["metadata"]["identifiers"], identity]
    assert made["metadata"] == {**document["metadata"], "identifiers": identifiers}
    assert "opendata.cern.ch" not in json.dumps(made)
    assert read_identifier(tmp_path / "record.json", recid=RECID) == identity["identifier"]
    mapping = read_receipt(tmp_path / "mapping.json", "mapping", recid=RECID)
    assert mapping["leaves"]["mapped"] == mapping["leaves"]["total"]


def test_an_identity_that_is_there_already_is_not_added_twice(tmp_path, config):
    document = own_record(identifiers=[{"identifier": f"{PREFIX}7", "scheme": "url"}])
    read(tmp_path, document)
    assert transform(tmp_path, config)["metadata"] == document["metadata"]


@pytest.mark.parametrize("own", [None, {"record": "public", "files": "restricted"}])
def test_who_may_see_it_is_what_it_says_itself_or_the_configuration(tmp_path, config, own):
    read(tmp_path, {**own_record(), **({"access": own} if own else {})})
    made = transform(tmp_path, config, access="restricted")
    assert made["access"] == (own or {"record": "restricted", "files": "restricted"})


REFUSED = {
    "a field that the profile does not know": ({"titel": "x"}, r"metadata: unknown key 'titel'; did you mean 'title'"),
    "no publisher": ({"publisher": None}, "publisher"),
    "a licence that the repository does not know": ({"rights": [{"id": "mine"}]}, r"metadata\.rights\[0\]\.id"),
    "the number of a record of the portal": (
        {"recid": 80505},
        r"metadata\.recid: expected none .* CERN Open Data portal",
    ),
    "the address of a record of the portal": (
        {"identifiers": [{"identifier": "https://opendata.cern.ch/record/7", "scheme": "url"}]},
        r"metadata\.identifiers\[0\]: expected what names this record, found https://opendata\.cern\.ch/record/7",
    ),
    "identifiers that are no list": ({"identifiers": "x"}, r"metadata\.identifiers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_target_would_refuse_or_would_pass_for_the_portals_is_told_before_anything_is_sent(
    tmp_path, config, case
):
    fields, told = REFUSED[case]
    read(tmp_path, own_record(**fields))
    with pytest.raises(MetadataError, match=told):
        transform(tmp_path, config)
    assert not (tmp_path / "record.json").exists()


OF_THE_PORTAL = [
    "http://opendata.cern.ch/record/1001",
    "https://OPENDATA.CERN.CH/record/1001",
    "https://opendata.cern.ch:443/record/1001",
    "https://opendata.cern.ch/record/1001/?x",
    "https://opendata.cern.ch./record/%31001#top",
    "https://me@opendata%2Ecern.ch//record/./1001",
    "opendata.cern.ch/record/1001",
    " https:\\\\opendata.cern.ch\\record\\1001",
    "10.7483/OPENDATA.CMS.1",
    "doi:10.7483/opendata.cms.1",
    "https://doi.org/10.7483/OPENDATA.CMS.1",
    "http://dx.doi.org/10.7483%2FOPENDATA.CMS.1",
]
OF_ANOTHER = [
    "https://data.example.org/fram/4066",
    "http://data.example.org/fram/4066",
    "https://DATA.example.org:443/fram/4066/",
    "https://data.example.org//fram/./%34066?x=1",
    "https://data.example.org/x/../fram/4066#a",
    "data.example.org/fram/4066",
    "https://data.example.org/fram/70",
    "http://data.example.org/fram/7",  # its own, written so that no run finds it
]


@pytest.mark.parametrize("identifier", [*OF_THE_PORTAL, *OF_ANOTHER])
def test_a_record_of_ones_own_does_not_carry_the_identity_of_another_however_it_is_written(
    tmp_path, config, identifier
):
    document = own_record(identifiers=[{"identifier": identifier, "scheme": "url"}])
    read(tmp_path, document)
    told = r"metadata\.identifiers\[0\]: expected .* this record.*, found .*related_identifiers"
    with pytest.raises(MetadataError, match=told):
        transform(tmp_path, config)
    assert not (tmp_path / "record.json").exists()
    ready(tmp_path, config, {RECID: document})
    with pytest.raises(FerryError, match=r"(?s)metadata\.identifiers\[\] .* 1 refused"):
        validated(tmp_path, config, [RECID])


@pytest.mark.parametrize(
    "identifier",
    [
        "https://data.example.org/fram",
        "https://data.example.org/framework/1",
        "https://data.example.org:8443/fram/1",
        "https://other.example.org/?of=https://opendata.cern.ch/record/1",
        "10.74831/x",
    ],
)
def test_what_only_looks_like_the_identity_of_another_is_carried(tmp_path, config, identifier):
    read(
        tmp_path,
        own_record(
            identifiers=[{"identifier": identifier, "scheme": "doi" if identifier.startswith("10.") else "url"}]
        ),
    )
    made = transform(tmp_path, config)
    assert [each["identifier"] for each in made["metadata"]["identifiers"]] == [identifier, f"{PREFIX}7"]


@pytest.mark.parametrize("more", [{"custom_fields": {"a": 1}}, {"pids": {}}, {"access": {"status": "open"}}])
def test_nothing_that_is_written_is_left_out_in_silence(tmp_path, config, more):
    read(tmp_path, {**own_record(), **more})
    with pytest.raises(MetadataError, match=r"unknown key '(custom_fields|pids|status)'"):
        transform(tmp_path, config)


# --- records of two origins ---


@pytest.mark.parametrize("bare", [True, False])
def test_a_record_of_the_portal_is_not_taken_for_ones_own(tmp_path, bare):
    told = (
        r"81642\.json: expected a record of one's own, .*found one of the CERN Open Data portal; set metadata\.origin"
    )
    with pytest.raises(MetadataError, match=told):
        read(tmp_path, of_portal(bare=bare), recid=CERN)
    assert not (tmp_path / "source.json").exists()


HALF = {"title": "Frames", "type": {"primary": "Dataset"}, "creators": [], "publication_date": "2024"}
"""Metadata by somebody who has looked at records of both kinds."""


@pytest.mark.parametrize(
    "document",
    [own_record(), {**own_record(), "id": RECID}, {"id": RECID, "metadata": HALF}, {"recid": RECID, **HALF}],
    ids=["as InvenioRDM has it", "with a number", "of both kinds", "of both kinds, bare"],
)
def test_ones_own_record_is_not_taken_for_one_of_the_portal(tmp_path, document):
    told = r"7\.json: expected a record of the CERN Open Data portal .*, found one in the shape of InvenioRDM.* to own"
    with pytest.raises(MetadataError, match=told):
        read(tmp_path, document, origin="cern-opendata")
    assert not (tmp_path / "source.json").exists()


def test_a_record_without_metadata_is_none_of_ones_own(tmp_path):
    with pytest.raises(MetadataError, match=r"7\.json: metadata: expected an object"):
        read(tmp_path, {"title": "x"})


def test_the_portal_is_not_asked_for_a_record_of_ones_own(tmp_path):
    with pytest.raises(
        MetadataError, match=r"record 7: expected 7\.json in metadata\.dir, as metadata\.origin is own, found no"
    ):
        read(tmp_path, None)


@pytest.mark.parametrize("origin", ["own", "cern-opendata"])
def test_what_was_read_as_of_another_origin_is_read_anew_by_the_next_run(tmp_path, config, origin):
    other = "cern-opendata" if origin == "own" else "own"
    document = own_record() if origin == "own" else of_portal(bare=True)
    recid = RECID if origin == "own" else CERN
    read(tmp_path, document, origin=origin, recid=recid)
    config["metadata"] |= {"origin": other}
    with pytest.raises(MetadataError, match=f"metadata.origin: {other}"):
        transform(tmp_path, config, recid=recid)
    assert take_away_marked(tmp_path) == ["read_record"]


def test_another_prefix_makes_other_target_metadata_and_that_is_noticed(config):
    before = SettingsFiles(config).names
    config["metadata"] |= {"identifier_prefix": "https://other.example.org/"}
    assert SettingsFiles(config).names["transform"] != before["transform"]


def test_a_target_of_another_record_of_ones_own_is_never_believed(tmp_path, config):
    read(tmp_path, own_record())
    transform(tmp_path, config)
    document = json.loads((tmp_path / "record.json").read_bytes())
    document["metadata"]["identifiers"][-1]["identifier"] = f"{PREFIX}8"
    (tmp_path / "record.json").write_text(json.dumps(document))
    with pytest.raises(ReceiptError, match=r"found one of https://data\.example\.org/fram/8"):
        read_receipt(tmp_path / "record.json", "record", recid=RECID)


def test_what_ones_own_names_as_its_part_is_no_member_that_this_folder_carries(tmp_path, config):
    part = {"identifier": "https://opendata.cern.ch/record/8", "scheme": "url", "relation_type": {"id": "haspart"}}
    (tmp_path / "results" / "7").mkdir(parents=True)
    read(tmp_path, own_record(related_identifiers=[part]))
    transform(tmp_path, config)
    for name in ("record.json", "mapping.json"):
        shutil.copy(tmp_path / name, tmp_path / "results" / "7")
    told = link_all(
        recids=[7, 8],
        repository=config["repository"],
        settings=config["upload"],
        publish=True,
        results_dir=tmp_path / "results",
        data_dir=tmp_path / "data",
        sandbox_dir=tmp_path,
        table_path=tmp_path / "relations.csv",
    )
    assert told == "", "8 is a record of one's own here, and none of the portal's"


# --- the configuration ---


CONTRADICTIONS = {
    "no prefix": (
        {"metadata": {"identifier_prefix": None}},
        r"metadata\.identifier_prefix: expected an address that is yours",
    ),
    "the portal's": (
        {"metadata": {"identifier_prefix": "https://opendata.cern.ch/record/"}},
        r"identifier_prefix: .* found the portal's",
    ),
    "the portal's, written otherwise": (
        {"metadata": {"identifier_prefix": "http://OPENDATA.cern.ch:80/record/"}},
        r"identifier_prefix: .* found the portal's",
    ),
    "a number at its end": ({"metadata": {"identifier_prefix": "https://x.org/1"}}, r"metadata\.identifier_prefix"),
    "no address": ({"metadata": {"identifier_prefix": "fram-"}}, r"metadata\.identifier_prefix"),
    "a quote in it": ({"metadata": {"identifier_prefix": 'https://x.org/" OR "/'}}, r"metadata\.identifier_prefix"),
    "no data": ({"source": {"data_root": None}}, r"source\.data_root: expected the folder of the files"),
    "a prefix for the portal's": ({"metadata": {"origin": "cern-opendata"}}, r"identifier_prefix: expected null"),
    "another origin": ({"metadata": {"origin": "cern"}}, r"metadata\.origin: .*cern"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_configuration_by_which_a_record_would_not_be_found_again_starts_nothing(config, case):
    check_config(config)
    changes, told = CONTRADICTIONS[case]
    changed = copy.deepcopy(config)
    for section, values in changes.items():
        changed[section] |= values
    with pytest.raises(ConfigError, match=f"nothing was started:\n.*{told}"):
        check_config(changed)


# --- before a run ---


def ready(tmp_path, config, documents):
    """Lay out metadata and data of these records."""
    (tmp_path / "metadata").mkdir(exist_ok=True)
    for recid, document in documents.items():
        (tmp_path / "metadata" / f"{recid}.json").write_text(json.dumps(document), encoding="utf-8")
    lay(tmp_path / "disk", {"night 1/a.fits": b"x" * 1000})
    config["metadata"] |= {"dir": str(tmp_path / "metadata"), "portal": "http://127.0.0.1:9"}
    config["source"] |= {"data_root": str(tmp_path / "disk"), "allow_unverified": True}


def validated(tmp_path, config, recids):
    return validate_all(
        recids=recids,
        metadata=config["metadata"],
        results_dir=tmp_path / "results",
        transform=config["transform"],
        package=config["package"],
        catalogue_path=tmp_path / "catalogue.csv",
        table_path=tmp_path / "validation.csv",
    )


def test_validate_takes_ones_own_and_names_those_that_are_not(tmp_path, config):
    ready(tmp_path, config, {RECID: own_record(), 8: own_record(titel="x"), CERN: of_portal(bare=True)})
    assert "1 record for rdm-plain: 1 valid (0 of them with warnings), 0 refused" in validated(
        tmp_path, config, [RECID]
    )
    with pytest.raises(FerryError, match=r"1 valid .* 2 refused"):
        validated(tmp_path, config, [RECID, 8, CERN])
    with (tmp_path / "validation.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["recid"]: row["expected"] + row["found"] for row in csv.DictReader(stream)}
    assert "unknown key 'titel'" in rows["8"]
    assert "one of the CERN Open Data portal" in rows[str(CERN)]


def test_validate_says_of_what_is_missing_or_too_short_that_it_is_and_where_to_correct_it(tmp_path, config):
    document = own_record(title="x")
    del document["metadata"]["publisher"]
    ready(tmp_path, config, {RECID: document})
    with pytest.raises(FerryError, match=rf"correct what is refused in {tmp_path}/metadata/corrections/<recid>\.yaml"):
        validated(tmp_path, config, [RECID])
    with (tmp_path / "validation.csv").open(encoding="utf-8", newline="") as stream:
        rows = {(row["path"], row["expected"], row["found"]) for row in csv.DictReader(stream)}
    assert rows == {
        ("metadata.publisher", "a value", "none"),
        ("metadata.title", "at least 3 characters", "'x'"),
    }


def test_validate_of_a_run_of_the_portals_refuses_ones_own(tmp_path, config):
    ready(tmp_path, config, {RECID: {**own_record(), "id": RECID}})
    config["metadata"] |= {"origin": "cern-opendata", "identifier_prefix": None}
    with pytest.raises(FerryError, match=r"0 valid .* 1 refused"):
        validated(tmp_path, config, [RECID])


def test_plan_counts_the_files_of_ones_own_and_says_what_would_fail(tmp_path, config):
    ready(tmp_path, config, {RECID: own_record(), CERN: of_portal(bare=True)})
    inputs = PlanInputs(config=config, results_dir=tmp_path / "results", priorities={RECID: 0, CERN: 0})
    told = plan_all(inputs=inputs, cores=1, table_path=tmp_path / "plan.csv")
    with (tmp_path / "plan.csv").open(encoding="utf-8", newline="") as stream:
        own, other = csv.DictReader(stream)
    assert (own["files"], own["source_bytes"], own["problem"]) == ("1", "1000", "")
    assert "found one of the CERN Open Data portal" in other["problem"]
    assert "2, of which 1 cannot succeed" in told


def test_plan_takes_a_record_of_ones_own_that_is_to_have_no_files_and_no_other_without(tmp_path, config):
    ready(tmp_path, config, {8: {**own_record(), "files": {"enabled": False}}, 9: own_record()})
    (tmp_path / "disk" / "9").mkdir()
    inputs = PlanInputs(config=config, results_dir=tmp_path / "results", priorities={8: 0, 9: 0})
    plan_all(inputs=inputs, cores=1, table_path=tmp_path / "plan.csv")
    with (tmp_path / "plan.csv").open(encoding="utf-8", newline="") as stream:
        without, empty = csv.DictReader(stream)
    assert (without["files"], without["problem"]) == ("0", "")
    assert '"enabled": false' in empty["problem"]
