"""Runs over records that somebody has changed, or deleted, in the repository between them."""

import secrets

import pytest
from generated_records import put_below, redirect, write_records

from servers.raw_api import Api, Draft, eventually
from workflow.conftest import Flow
from workflow.test_chain import assert_ok

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BY_HAND = "Changed by hand"


class Place:
    """One record on its way into a repository."""

    def __init__(self, server, folder, **repository):
        self.server = server
        self.api = Api(server.url, server.token)
        self.recid = 10_000_000 + secrets.randbelow(2_000_000_000)  # one that runs already holds those of earlier runs
        self.flow = Flow(folder=folder, environment={"NRP_TOKEN": server.token})
        folder.mkdir()
        write_records(folder / "metadata", {self.recid: [100, 50]}, put=put_below(folder / "far"))
        self.flow.config = {
            "source": {"redirects": redirect(folder / "far")},
            "repository": {"url": server.url, **repository},
        }
        self.flow.want(self.recid)
        self.record_id = ""

    def run(self, **repository):
        """Run for the record, after these changes of the configuration."""
        self.flow.config["repository"] |= repository
        done = self.flow.run(f"results/{self.recid}/stats.json", timeout_s=600)
        if done.returncode == 0:
            self.record_id = self.receipt("upload")["record_id"]
        return done

    def receipt(self, kind):
        return self.flow.receipt(self.recid, kind)

    @property
    def title(self):
        """Ours."""
        return self.receipt("record")["metadata"]["title"]

    def draft(self):
        return f"/api/records/{self.record_id}/draft"

    def edit(self):
        """Change the draft as the repository's own form does: all of it is read, and written."""
        held = self.api.call("GET", self.draft()).json()
        given = {
            "metadata": {**held["metadata"], "title": BY_HAND},
            "access": {"record": "restricted", "files": "restricted"},
            "files": {"enabled": True},
        }
        assert self.api.call("PUT", self.draft(), json=given).status_code == 200

    def delete(self):
        assert self.api.call("DELETE", self.draft()).status_code == 204

    def held(self, *, draft=False):
        """Return title and access as the repository has them."""
        found = self.api.call("GET", self.draft() if draft else self.draft().removesuffix("/draft")).json()
        return found["metadata"]["title"], found["access"]["record"]

    def records(self):
        """Return the ids of the records that carry the recid."""
        found = self.api.search("/api/user/records", f"https://opendata.cern.ch/record/{self.recid}")
        return {hit["id"] for hit in found["hits"]["hits"]}


@pytest.fixture(
    params=[
        "sandbox",
        pytest.param("invenio", marks=pytest.mark.rdm),
        pytest.param("nrp", marks=pytest.mark.nrp),
    ]
)
def place(request, tmp_path):
    """Give a record on its way into each kind of repository."""
    made = Place(request.getfixturevalue(request.param), tmp_path / "flow")
    if request.param == "nrp":
        made.flow.config["transform"] = {"profile": "ccmm1"}
    return made


def told(failed, place):
    """Assert that a run has failed, naming the fields with both values."""
    assert failed.returncode != 0
    reason = place.receipt("failure")["error"]
    assert f'metadata.title is "{BY_HAND}", ours "{place.title}"' in reason
    assert 'access.record is "restricted", ours "public"' in reason
    return reason


def test_a_draft_that_was_changed_by_hand_is_not_published_and_then_kept_as_it_is(place):
    assert_ok(place.run())
    place.edit()
    assert "set repository.when_edited to keep" in told(place.run(finish="publish"), place)
    assert place.held(draft=True) == (BY_HAND, "restricted")
    kept = place.run(when_edited="keep")
    assert_ok(kept)
    assert place.held() == (BY_HAND, "restricted")
    fields = ["access.files", "access.record", "metadata.title"]
    assert place.receipt("published")["kept"] == fields
    assert place.receipt("stats")["kept_fields"] == fields
    assert "keep what was changed by hand, as repository.when_edited says" in kept.stderr
    again = place.run()
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_draft_that_was_changed_by_hand_is_published_as_ours_where_config_says_so(place):
    assert_ok(place.run())
    place.edit()
    done = place.run(finish="publish", when_edited="overwrite")
    assert_ok(done)
    assert f"ferry: {place.recid}: draft" in done.stderr
    assert f'metadata.title is "{BY_HAND}", ours "{place.title}"' in done.stderr
    assert "; ours counts, as repository.when_edited says" in done.stderr
    assert place.held() == (place.title, "public")
    assert place.receipt("stats")["kept_fields"] == []


def test_a_draft_that_was_changed_by_hand_is_not_overwritten_when_our_metadata_change(place):
    assert_ok(place.run())
    place.edit()
    record = place.flow.metadata(place.recid)
    place.flow.write_metadata(place.recid, {**record, "title": "Corrected at the source"})
    told(place.run(), place)
    assert place.held(draft=True) == (BY_HAND, "restricted")
    assert_ok(place.run(when_edited="overwrite"))
    assert place.held(draft=True) == ("Corrected at the source", "public")


def test_a_draft_that_was_deleted_before_it_is_published_is_made_anew_by_the_next_run(place):
    assert_ok(place.run())
    first = place.receipt("upload")["record_id"]
    place.delete()
    failed = place.run(finish="publish")
    assert failed.returncode != 0
    assert "it was deleted in the repository; run again, it is made anew" in place.receipt("failure")["error"]
    done = place.run()
    assert_ok(done)
    record_id = place.receipt("published")["record_id"]
    assert f"ferry: {place.recid}: {first} is gone from the repository, deleted there; the record is made anew, as" in (
        done.stderr
    )
    assert eventually(lambda: place.records() == {record_id}, within_s=20)


def test_a_draft_that_was_deleted_after_the_run_is_made_anew_by_the_next_one_that_touches_it(place):
    assert_ok(place.run())
    first = place.receipt("upload")["record_id"]
    place.delete()
    record = place.flow.metadata(place.recid)
    place.flow.write_metadata(place.recid, {**record, "title": "Corrected at the source"})
    done = place.run()
    assert_ok(done)
    assert f"{first} is gone from the repository, deleted there; the record is made anew" in done.stderr
    assert place.held(draft=True)[0] == "Corrected at the source"


def test_files_that_went_from_a_draft_are_sent_again_by_the_next_run_for_many_records_at_once(place, tmp_path):
    recids, files = [place.recid, place.recid + 1], [100, 50]
    write_records(place.flow.folder / "metadata", dict.fromkeys(recids, files), put=put_below(tmp_path / "flow/far"))
    place.flow.want(*recids)
    targets = [f"results/{recid}/stats.json" for recid in recids]

    def run(**config):
        for part, keys in config.items():
            place.flow.config.setdefault(part, {}).update(keys)
        return place.flow.run("--keep-going", *targets, timeout_s=600)

    def change(what):
        for record_id in record_ids:
            what(Draft(place.api, record_id))

    assert_ok(run())
    record_ids = [place.flow.receipt(recid, "upload")["record_id"] for recid in recids]
    change(lambda draft: draft.delete("f00000.al"))
    assert run(repository={"finish": "publish"}).returncode != 0
    for recid in recids:
        assert "run again, what is wrong or missing is sent again" in place.flow.receipt(recid, "failure")["error"]
    change(lambda draft: draft.upload("of another hand.txt", b"of another hand"))
    assert run().returncode != 0
    for recid in recids:
        assert "set upload.foreign_files to remove, and run again" in place.flow.receipt(recid, "failure")["error"]
    assert_ok(run(upload={"foreign_files": "remove"}))
    assert [place.flow.receipt(recid, "published")["record_id"] for recid in recids] == record_ids
    for record_id in record_ids:
        held = place.api.call("GET", f"/api/records/{record_id}/files").json()["entries"]
        assert {"f00000.al", "f00001.al"} <= {entry["key"] for entry in held}
        assert "of another hand.txt" not in {entry["key"] for entry in held}
    assert "Nothing to be done" in run().stderr


def test_what_was_changed_in_review_is_told_when_it_was_accepted_and_kept_where_config_says_so(sandbox, tmp_path):
    curator = Api(sandbox.url, sandbox.other_token)
    given = {"slug": "delphi", "metadata": {"title": "DELPHI"}, "access": {"review_policy": "closed"}}
    assert curator.call("POST", "/api/communities", json=given).status_code == 201
    place = Place(sandbox, tmp_path / "flow", finish="review", community="delphi")
    assert_ok(place.run())
    place.edit()
    request = place.receipt("published")["request"]["id"]
    assert curator.call("POST", f"/api/requests/{request}/actions/accept", json={}).status_code == 200
    for _ in range(2):
        told(place.run(), place)
    assert place.held() == (BY_HAND, "restricted")
    assert_ok(place.run(when_edited="keep"))
    assert place.receipt("stats")["state"] == "published"
    assert "metadata.title" in place.receipt("stats")["kept_fields"]


def test_a_public_record_that_was_changed_by_hand_becomes_ours_again_where_config_says_so(sandbox, tmp_path):
    place = Place(sandbox, tmp_path / "flow", finish="publish")
    assert_ok(place.run())
    assert place.api.call("POST", place.draft(), json={}).status_code == 201
    place.edit()
    assert place.api.call("POST", f"{place.draft()}/actions/publish", json={}).status_code == 202
    for lost in ("upload", "published", "stats"):
        (place.flow.folder / f"results/{place.recid}/{lost}.json").unlink()
    assert place.run().returncode != 0
    reason = place.receipt("failure")["error"]
    assert f'record {place.record_id} holds what it was not given from here: metadata.title is "{BY_HAND}"' in reason
    assert_ok(place.run(when_edited="overwrite", when_published="update_metadata"))
    assert place.held() == (place.title, "public")
