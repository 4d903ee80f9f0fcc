"""Faults 25-27 and 31: what is there already, whatever has become of the answer that would have told of it."""

from dataclasses import replace

import pytest

from ferry.deposit.metadata import EditedError
from ferry.errors import IntegrityError, TransientError
from ferry.repository.errors import DeletedError
from servers.deposit_faults.cargo import Cargo, Carried
from servers.faults import Fault, refusal
from servers.raw_api import Draft

CREATE = {"method": "POST", "path": r"/api/records(\?|$)"}
RIGHT = Cargo().contents["large.al"]


def drafted(line, cargo):
    """Make the record's draft without a file that counts."""
    outcome = line.attempt(cargo, Fault("down", method="POST", path="/draft/files", status=503, times=None))
    assert isinstance(outcome, TransientError)
    (record,) = line.truth.held(cargo, expected=1)
    return Draft(line.truth.api, record.id)


@pytest.mark.smoke
def test_a_draft_whose_answer_was_lost_is_found_by_the_next_run(line):
    cargo = Cargo()
    lost = Fault("lost", **CREATE, drop_answer=True)
    down = Fault("down", method="GET", path="/api/user/records", nth=2, status=503, times=None)
    assert isinstance(line.attempt(cargo, lost, down), TransientError)
    line.settle(cargo)


def test_a_draft_that_the_index_shows_late_is_waited_for(line):
    cargo = Cargo()
    unseen = Fault(
        "unseen", method="GET", path="/api/user/records", nth=2, times=3, body=b'{"hits": {"hits": [], "total": 0}}'
    )
    unseen.status = 200
    assert isinstance(line.attempt(cargo, Fault("lost", **CREATE, drop_answer=True), unseen), Carried)
    assert unseen.fired == 3
    line.settle(cargo)


def test_a_state_file_that_was_lost_makes_no_second_draft(line):
    cargo = Cargo()
    assert isinstance(line.attempt(cargo, publish=False), Carried)
    line.truth.held(cargo, expected=1)
    line.carrier.state_path(cargo).unlink()
    before = len(line.sent("/content"))
    assert isinstance(line.attempt(cargo), Carried)
    assert len(line.sent("/content")) == before
    line.settle(cargo)


@pytest.mark.parametrize("state", ["announced", "sent", "right", "wrong"])
def test_a_key_that_is_there_already_ends_right_and_once(line, state):
    cargo = Cargo()
    draft = drafted(line, cargo)
    draft.init("large.al")
    if state != "announced":
        draft.put("large.al", RIGHT if state == "right" else RIGHT[:-1] + b"\0")
    if state in ("right", "wrong"):
        assert draft.commit("large.al").status_code == 200
    before = len(line.sent("large.al/content"))
    assert isinstance(line.attempt(cargo), Carried)
    assert len(line.sent("large.al/content")) - before == (0 if state == "right" else 1)
    line.settle(cargo)


def test_a_key_that_comes_up_while_keys_are_announced_ends_right_and_once(line):
    cargo = Cargo()

    def announce_beforehand(headers):
        (record,) = line.truth.held(cargo, expected=1)
        Draft(line.truth.api, record.id).init("large.al")
        return False

    line.attempt(cargo, Fault("hook", method="POST", path=r"/draft/files$", when=once(announce_beforehand)))
    line.settle(cargo)


@pytest.mark.smoke
def test_a_lost_answer_to_publish_and_a_repository_that_is_down_afterwards_end_in_one_record(line):
    cargo = Cargo()
    lost = Fault("lost", method="POST", path="/actions/publish$", drop_answer=True)
    down = Fault("down", path="/api/", status=503, times=None, when=lambda _: lost.fired > 0)
    assert isinstance(line.attempt(cargo, lost, down), TransientError)
    (record,) = line.truth.held(cargo, expected=1)
    assert record.is_published
    line.settle(cargo)


def test_a_record_that_is_published_with_other_files_is_told_and_left_alone(line):
    cargo = Cargo()
    assert isinstance(line.attempt(cargo), Carried)
    (before,) = line.truth.held(cargo, expected=1)
    other = Cargo({**cargo.contents, "large.al": b"other"}, identifier=cargo.identifier)
    with pytest.raises(IntegrityError, match=r"large\.al"):
        line.carrier.carry(other)
    assert line.truth.held(cargo, expected=1) == [before]


def test_metadata_that_another_hand_changed_meanwhile_are_not_overwritten_blindly(line):
    cargo = Cargo()
    assert isinstance(line.attempt(cargo, publish=False), Carried)
    changed = Cargo(cargo.contents, identifier=cargo.identifier, title="A corrected title")

    def change_beforehand(headers):
        (record,) = line.truth.held(cargo, expected=1)
        document = Cargo(cargo.contents, identifier=cargo.identifier, title="Of another hand").document
        assert line.truth.api.call("PUT", f"/api/records/{record.id}/draft", json=document).status_code == 200
        return False

    outcome = line.attempt(changed, Fault("hook", method="PUT", path="/draft$", when=once(change_beforehand)))
    assert isinstance(outcome, EditedError)
    assert 'metadata.title is "Of another hand", ours "A corrected title"' in str(outcome)
    updates = [each for each in line.sent("/draft") if each.method == "PUT" and each.path.endswith("/draft")]
    assert [each.upstream_status for each in updates] == [412]
    assert all("if-match" in each.headers for each in updates)
    (record,) = line.truth.held(cargo, expected=1)
    draft = line.truth.api.call("GET", f"/api/records/{record.id}/draft").json()
    assert draft["metadata"]["title"] == "Of another hand"
    line.carrier.settings = replace(line.carrier.settings, when_edited="overwrite")
    line.settle(changed)


def test_a_record_that_was_deleted_after_it_was_published_is_told_as_that_and_not_made_again(line):
    cargo = Cargo()
    assert isinstance(line.attempt(cargo), Carried)
    (record,) = line.truth.held(cargo, expected=1)
    gone = Fault("gone", method="GET", path=rf"/api/records/{record.id}(\?|$)", times=None)
    gone.status, gone.body = 410, b'{"status": 410, "message": "Record deleted", "tombstone": {"is_visible": true}}'
    outcome = line.attempt(cargo, gone)
    assert isinstance(outcome, DeletedError)
    assert "it was published, and was deleted in the repository since (410: " in str(outcome)
    assert "take the recid from the list, or ask the repository's operators to restore the record" in str(outcome)
    line.truth.held(cargo, expected=1)


@pytest.mark.parametrize("status", [409, 412])
def test_an_update_that_is_refused_for_its_revision_is_done_again_from_what_is_there(line, status):
    cargo = Cargo()
    assert isinstance(line.attempt(cargo, publish=False), Carried)
    changed = Cargo(cargo.contents, identifier=cargo.identifier, title="A corrected title")
    stale = Fault("stale", method="PUT", path="/draft$", **refusal(status, "Conflict."))
    assert isinstance(line.attempt(changed, stale), Carried)
    line.settle(changed)


def once(action):
    """Return the action as a condition that is asked the first time only and is never true."""
    done = []

    def asked(headers):
        if not done:
            done.append(True)
            action(headers)
        return False

    return asked
