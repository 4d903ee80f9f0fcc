"""Faults 19-22 and 34: content that is refused, lost or changed, and checksums that are wrong or late."""

import pytest

from ferry.errors import IntegrityError, PermanentError, TransientError
from servers.deposit_faults.cargo import Cargo, Carried
from servers.faults import Fault, multipart_checksum, no_checksum, refusal, with_errors, wrong_md5
from servers.raw_api import Draft

CONTENT = r"large\.al/content$"
LIST = {"method": "GET", "path": r"/draft/files(\?|$)"}


def committed(line, key="large.al"):
    """Return the commits of a file that reached the repository."""
    return [each for each in line.sent(f"{key}/commit") if each.upstream_status is not None]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_content_that_is_never_taken_is_never_committed(line, status):
    cargo = Cargo()
    outcome = line.attempt(cargo, Fault("refused", method="PUT", path=CONTENT, status=status, times=None))
    assert isinstance(outcome, TransientError)
    assert (
        len(line.sent("large.al/content")) == 1 + line.carrier.settings.attempts
    )  # the first round brought the others
    assert committed(line) == []
    line.settle(cargo)


def test_content_that_is_forbidden_is_not_committed_and_not_tried_again(line):
    cargo = Cargo()
    outcome = line.attempt(
        cargo, Fault("forbidden", method="PUT", path=CONTENT, **refusal(403, "Permission denied."), times=None)
    )
    assert isinstance(outcome, PermanentError)
    assert len(line.sent("large.al/content")) == 1
    assert committed(line) == []
    line.settle(cargo)


@pytest.mark.parametrize("path", [CONTENT, r"large\.al/commit$"])
def test_a_good_status_with_errors_is_a_failure(line, path):
    cargo = Cargo()
    once = Fault("no", path=path, change=with_errors)
    assert isinstance(line.attempt(cargo, once), Carried)
    assert once.fired == 1
    line.settle(cargo)
    other = Cargo()
    outcome = line.attempt(other, Fault("no", path=path, change=with_errors, times=None))
    # what counts in the end is what the repository lists: a commit that took effect is one
    assert isinstance(outcome, Carried if "commit" in path else TransientError)
    line.settle(other)


def test_content_on_a_file_that_another_hand_has_committed_is_found_out(line):
    """The repository answers 200 with errors and deletes the file: what was right is sent again."""
    cargo = Cargo()

    def commit_beforehand(headers):
        if not line.sent("large.al/content"):
            (record,) = line.truth.held(cargo, expected=1)
            draft = Draft(line.truth.api, record.id)
            draft.put("large.al", b"of another hand")
            draft.commit("large.al")
        return False

    line.attempt(cargo, Fault("hook", method="PUT", path=CONTENT, when=commit_beforehand))
    line.settle(cargo)


@pytest.mark.smoke
def test_bytes_changed_on_the_way_are_sent_again(line):
    cargo = Cargo()
    flip = Fault("flip", method="PUT", path=CONTENT, flip_upload_at=200_000)
    assert isinstance(line.attempt(cargo, flip), Carried)
    assert flip.fired == 1
    assert len(line.sent("large.al/content")) == 2
    line.settle(cargo)


def test_a_line_that_always_changes_bytes_publishes_nothing(line):
    cargo = Cargo()
    outcome = line.attempt(cargo, Fault("flip", method="PUT", path=CONTENT, flip_upload_at=7, times=None))
    assert isinstance(outcome, TransientError | IntegrityError)
    assert line.sent("/actions/publish") == []
    line.settle(cargo)


def test_bytes_changed_in_storage_after_the_upload_are_not_published(line):
    cargo = Cargo()
    outcome = line.attempt(cargo, publish=False)
    assert isinstance(outcome, Carried)
    draft = Draft(line.truth.api, outcome.upload["record_id"])
    draft.delete("large.al")
    draft.upload("large.al", b"\0" * len(cargo.contents["large.al"]))
    with pytest.raises(IntegrityError, match=r"large\.al"):
        line.carrier.publish(cargo, outcome.upload)
    assert line.sent("/actions/publish") == []
    line.settle(cargo)


def test_a_wrong_checksum_in_the_list_makes_the_file_be_sent_again(line):
    cargo = Cargo()
    lie = Fault("wrong", **LIST, change=wrong_md5)
    assert isinstance(line.attempt(cargo, lie), Carried)
    assert lie.fired == 1
    assert len(line.sent("large.al/content")) == 2
    line.settle(cargo)


def test_checksums_that_stay_wrong_publish_nothing(line):
    cargo = Cargo()
    outcome = line.attempt(cargo, Fault("wrong", path="/files", change=wrong_md5, times=None))
    assert isinstance(outcome, TransientError | IntegrityError)
    assert line.sent("/actions/publish") == []
    line.settle(cargo)


@pytest.mark.parametrize("late", [no_checksum, multipart_checksum])
def test_a_checksum_that_is_late_is_waited_for_and_nothing_is_sent_again(line, late):
    cargo = Cargo()
    fault = Fault("late", **LIST, times=3, change=late)
    assert isinstance(line.attempt(cargo, fault), Carried)
    assert fault.fired == 3
    assert len(line.sent("large.al/content")) == 1
    line.settle(cargo)


@pytest.mark.parametrize("late", [no_checksum, multipart_checksum])
def test_a_checksum_that_never_comes_is_given_up_in_time(line, late):
    cargo = Cargo()
    outcome = line.attempt(cargo, Fault("late", **LIST, change=late, times=None))
    assert isinstance(outcome, TransientError)
    assert "checksum" in str(outcome)
    assert line.sent("/actions/publish") == []
    line.settle(cargo)
