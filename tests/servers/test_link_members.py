"""Collections get what the repository calls their members, in a second pass: as drafts and as published records."""

import csv
import json
import secrets
import shutil
import urllib.request

import pytest
from generated_records import document, put_below, redirect, write_records

from ferry.identity import record_url
from ferry.mapping.links import Link, links_in
from workflow.conftest import Flow

PARENT, FIRST, SECOND = 7000, 7001, 7002


@pytest.fixture
def collection(sandbox, tmp_path):
    """Give a flow with a collection of two members, into a sandbox that outlives its runs."""
    return collecting(sandbox, tmp_path / "flow")


def collecting(server, folder, *, shift=0, **repository):
    flow = Flow(folder=folder, environment={"NRP_TOKEN": server.token})
    flow.folder.mkdir()
    parent, members = shift + PARENT, {shift + FIRST: [100, 50], shift + SECOND: [70]}
    write_records(flow.folder / "metadata", members, put=put_below(flow.folder / "far"))
    relations = [{"recid": str(recid), "title": f"Member {recid}", "type": "isParentOf"} for recid in members]
    flow.write_metadata(parent, {**document(parent, []), "relations": relations})
    flow.config = {
        "source": {"redirects": redirect(flow.folder / "far")},
        "repository": {"url": server.url, **repository},
        "relations": {"target": True},
    }
    flow.want(parent, *members)
    return flow


def assert_ok(done):
    assert done.returncode == 0, done.stdout + done.stderr


def get(server, path):
    request = urllib.request.Request(f"{server.url}{path}", headers={"Authorization": f"Bearer {server.token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def live_parent(server, flow, *, shift=0):
    """Return the parent as the repository has it: public, or as a draft."""
    record_id = flow.receipt(shift + PARENT, "upload")["record_id"]
    draft = "" if "publish" in flow.config["repository"].values() else "/draft"
    return get(server, f"/api/records/{record_id}{draft}")


def links_of(server, flow, *, shift=0):
    return links_in(live_parent(server, flow, shift=shift), flow.receipt(shift + PARENT, "record"))


def rows(flow):
    return list(csv.DictReader((flow.folder / "results/relations.csv").read_text(encoding="utf-8").splitlines()))


def writes(server):
    lines = (server.directory / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    return sum(json.loads(line)["method"] != "GET" for line in lines)


def change_by_hand(server, flow, *, title="By hand"):
    """Give the parent another title, as somebody would on the repository's pages; publish that if it is public."""
    record_id = flow.receipt(PARENT, "upload")["record_id"]
    url = f"{server.url}/api/records/{record_id}/draft"
    is_public = "publish" in flow.config["repository"].values()
    if is_public:
        write(server, "POST", url, {})
    draft = get(server, f"/api/records/{record_id}/draft")
    metadata = {**draft["metadata"], "title": title}
    write(server, "PUT", url, {"metadata": metadata, "access": draft["access"], "files": draft["files"]})
    if is_public:
        write(server, "POST", f"{url}/actions/publish", {})


def write(server, method, url, body):
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, method=method, data=json.dumps(body).encode(), headers=headers)
    urllib.request.urlopen(request, timeout=60).close()


def change(flow, recid, **fields):
    flow.write_metadata(recid, {**flow.metadata(recid), **fields})


def test_drafts_of_members_are_linked_and_nothing_takes_the_links_away(collection, sandbox):
    assert_ok(collection.run())
    expected = {recid: Link(collection.receipt(recid, "upload")["record_url"], "url") for recid in (FIRST, SECOND)}
    assert links_of(sandbox, collection) == expected
    related = live_parent(sandbox, collection)["metadata"]["related_identifiers"]
    assert [entry["identifier"] for entry in related if entry["relation_type"]["id"] == "haspart"] == [
        record_url(FIRST), expected[FIRST].identifier, record_url(SECOND), expected[SECOND].identifier,
    ]  # fmt: skip
    receipt = collection.receipt(PARENT, "relations")
    assert [each["recid"] for each in receipt["links"]] == [FIRST, SECOND]
    assert receipt["lacking"] == []
    [row] = rows(collection)
    assert (row["recid"], row["members"], row["linked"], row["lacking"]) == (str(PARENT), "2", "2", "")
    again = collection.run()
    assert "Nothing to be done" in again.stdout + again.stderr
    before = writes(sandbox)
    for lost in (f"{PARENT}/upload.json", f"{PARENT}/relations.json", "relations.csv"):
        (collection.folder / "results" / lost).unlink()
    assert_ok(collection.run())
    assert writes(sandbox) == before
    assert collection.receipt(PARENT, "relations") == receipt
    change(collection, PARENT, title="Another title")
    assert_ok(collection.run())
    assert live_parent(sandbox, collection)["metadata"]["title"] == "Another title"
    assert links_of(sandbox, collection) == expected


def test_a_published_collection_is_changed_for_its_links_and_adopted_with_them(collection, sandbox):
    collection.config["repository"]["finish"] = "publish"
    assert_ok(collection.run())
    expected = {recid: Link(collection.receipt(recid, "published")["doi"], "doi") for recid in (FIRST, SECOND)}
    assert links_of(sandbox, collection) == expected
    published, receipt = collection.receipt(PARENT, "published"), collection.receipt(PARENT, "relations")
    before = writes(sandbox)
    shutil.rmtree(collection.folder / "results")
    shutil.rmtree(collection.folder / "data")
    assert_ok(collection.run())
    assert writes(sandbox) == before
    assert (collection.receipt(PARENT, "published"), collection.receipt(PARENT, "relations")) == (published, receipt)
    equal = collection.run("diff")
    assert "3 records: 3 equal" in equal.stdout


def test_a_published_collection_that_differs_in_more_is_left_and_told(collection, sandbox):
    collection.config["relations"]["target"] = False
    collection.config["repository"]["finish"] = "publish"
    assert_ok(collection.run())
    change_by_hand(sandbox, collection)
    before = writes(sandbox)
    collection.config["relations"]["target"] = True
    done = collection.run()
    assert_ok(done)
    assert writes(sandbox) == before
    assert links_of(sandbox, collection) == {}
    [row] = rows(collection)
    assert (row["linked"], row["lacking"]) == ("0", f"{FIRST} {SECOND}")
    assert "it differs in more than its links (metadata.title)" in row["why_not"]
    assert f"{PARENT}: 0 of 2 members linked" in done.stdout + done.stderr
    assert not (collection.folder / f"results/{PARENT}/relations.json").exists()


def test_members_that_failed_are_told_and_linked_by_the_next_run(collection, sandbox):
    wrong = collection.metadata(SECOND)
    right = wrong["files"][0]["checksum"]
    wrong["files"][0]["checksum"] = "adler32:00000001"
    collection.write_metadata(SECOND, wrong)
    failed = collection.run()
    assert failed.returncode != 0
    assert collection.stats()["status"].to_dict() == {PARENT: "ok", FIRST: "ok", SECOND: "failed"}
    assert set(links_of(sandbox, collection)) == {FIRST}
    [row] = rows(collection)
    assert (row["linked"], row["lacking"], row["why_not"]) == ("1", str(SECOND), f"not there yet: {SECOND}")
    assert f"{PARENT}: 1 of 2 members linked, 1 lacking ({SECOND})" in failed.stderr
    wrong["files"][0]["checksum"] = right
    collection.write_metadata(SECOND, wrong)
    assert_ok(collection.run())
    assert set(links_of(sandbox, collection)) == {FIRST, SECOND}
    [row] = rows(collection)
    assert (row["linked"], row["lacking"]) == ("2", "")


def test_a_member_that_nobody_here_carries_is_told_as_that(collection):
    collection.want(PARENT, FIRST)
    assert_ok(collection.run())
    [row] = rows(collection)
    assert (row["lacking"], row["why_not"]) == (str(SECOND), f"not carried in this folder: {SECOND}")


def test_nothing_is_told_of_collections_where_there_are_none(collection):
    collection.want(FIRST)
    done = collection.run()
    assert_ok(done)
    assert rows(collection) == []
    assert "members linked" not in done.stdout + done.stderr


def test_a_draft_that_somebody_has_changed_is_left_as_it_is(collection, sandbox):
    collection.config["relations"]["target"] = False
    assert_ok(collection.run())
    change_by_hand(sandbox, collection)
    before = writes(sandbox)
    collection.config["relations"]["target"] = True
    done = collection.run()
    assert_ok(done)
    assert writes(sandbox) == before
    [row] = rows(collection)
    assert "it differs in more than its links (metadata.title)" in row["why_not"]
    assert "once that is changed, delete results/relations.csv and run again" in done.stdout + done.stderr
    change_by_hand(sandbox, collection, title=collection.receipt(PARENT, "record")["metadata"]["title"])
    (collection.folder / "results/relations.csv").unlink()
    assert_ok(collection.run())
    assert set(links_of(sandbox, collection)) == {FIRST, SECOND}


def test_a_collection_whose_draft_was_deleted_is_told_and_made_anew_and_linked_by_the_next_run(collection, sandbox):
    assert_ok(collection.run())
    expected, first = links_of(sandbox, collection), collection.receipt(PARENT, "upload")["record_id"]
    write(sandbox, "DELETE", f"{sandbox.url}/api/records/{first}/draft", {})
    (collection.folder / "results/relations.csv").unlink()
    failed = collection.run()
    assert failed.returncode != 0
    assert f"draft {first}: expected it as it was uploaded" in failed.stderr
    done = collection.run()
    assert_ok(done)
    assert f"{first} is gone from the repository, deleted there; the record is made anew, as" in done.stderr
    assert links_of(sandbox, collection) == expected


def test_links_go_beside_what_was_changed_by_hand_and_is_kept(collection, sandbox):
    collection.config["relations"]["target"] = False
    assert_ok(collection.run())
    change_by_hand(sandbox, collection)
    collection.config["relations"]["target"] = True
    collection.config["repository"]["when_edited"] = "keep"
    assert_ok(collection.run())
    live = live_parent(sandbox, collection)
    assert live["metadata"]["title"] == "By hand"
    assert set(links_of(sandbox, collection)) == {FIRST, SECOND}


@pytest.mark.nrp
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("fixture", "profile"),
    [
        ("nrp", "ccmm1"),
        pytest.param("nrp_ccmm2", "ccmm2", marks=pytest.mark.long),
        pytest.param("nrp_rdm", "rdm", marks=pytest.mark.long),
    ],
)
def test_a_published_collection_of_a_real_nrp_repository_gets_the_dois_of_its_members(
    request, fixture, profile, tmp_path
):
    server = request.getfixturevalue(fixture)
    shift = 1_000_000 * (1 + secrets.randbelow(2000))  # one that runs already holds those of earlier runs
    flow = collecting(server, tmp_path / "flow", shift=shift, model="particles", finish="publish")
    flow.config["transform"] = {"profile": profile}
    assert_ok(flow.run(timeout_s=800))
    expected = {
        shift + recid: Link(flow.receipt(shift + recid, "published")["doi"], "doi") for recid in (FIRST, SECOND)
    }
    assert links_of(server, flow, shift=shift) == expected
    live = live_parent(server, flow, shift=shift)
    assert not live.get("errors")
    assert not live["is_draft"]
    before = live["revision_id"]
    (flow.folder / "results/relations.csv").unlink()
    for lost in ("upload", "published"):
        (flow.folder / f"results/{shift + PARENT}/{lost}.json").unlink()
    assert_ok(flow.run(timeout_s=800))
    assert live_parent(server, flow, shift=shift)["revision_id"] == before
