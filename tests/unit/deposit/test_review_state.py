"""What is remembered of a review between two runs."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from ferry.deposit.review_state import ReviewState, ask_again
from ferry.receipts import digest, read_receipt
from ferry.repository.models import ReviewRequest
from ferry.run.job_functions import RecordInputs

UPLOADED = {"recid": 7, "repository": "https://r.example", "record_id": "ab-cd", "files": []}
CORRECTED = {**UPLOADED, "metadata_sha256": "0" * 64}


def request(status, request_id="1"):
    return ReviewRequest(id=request_id, status=status, url="https://r.example/requests/1")


def test_what_was_decided_about_stays_what_it_was_and_what_is_open_is_what_is_there_now():
    first = ReviewState.of(request("submitted"), uploaded=UPLOADED, before=None)
    changed = ReviewState.of(request("submitted"), uploaded=CORRECTED, before=first)
    assert [first.submitted_sha256, changed.submitted_sha256] == [digest(UPLOADED), digest(CORRECTED)]
    declined = ReviewState.of(request("declined"), uploaded=CORRECTED, before=first)
    assert declined.submitted_sha256 == digest(UPLOADED)
    again = ReviewState.of(request("submitted", "2"), uploaded=CORRECTED, before=declined)
    assert again.submitted_sha256 == digest(CORRECTED)


@pytest.mark.parametrize("change", [{"record_id": "other"}, {"repository": "https://other.example"}])
def test_what_is_known_of_another_draft_says_nothing(tmp_path: Path, change):
    ReviewState.of(request("submitted"), uploaded=UPLOADED, before=None).save(tmp_path / "review.json")
    assert ReviewState.load(tmp_path / "review.json", UPLOADED) is not None
    assert ReviewState.load(tmp_path / "review.json", {**UPLOADED, **change}) is None


def test_each_run_that_finds_a_review_open_leaves_other_content_for_the_next_one(tmp_path: Path):
    path = tmp_path / "review.json"
    ReviewState.of(request("submitted"), uploaded=UPLOADED, before=None).save(path)
    for asked in (1, 2):
        before = path.read_bytes()
        ask_again(7, tmp_path)
        assert path.read_bytes() != before
        assert read_receipt(path, "review", recid=7)["asked"] == asked
    known = ReviewState.load(path, UPLOADED)
    assert ReviewState.of(request("submitted"), uploaded=UPLOADED, before=known).asked == 2


def test_what_cannot_be_read_any_more_is_removed_so_that_the_step_has_other_inputs(tmp_path: Path):
    (tmp_path / "results" / "7").mkdir(parents=True)
    (tmp_path / "results" / "7" / "review.json").write_text("{")
    inputs = RecordInputs(metadata_dir=tmp_path, results_dir=tmp_path / "results")
    assert inputs.review(SimpleNamespace(recid="7")) == [f"{tmp_path}/results/7/review.json"]
    ask_again(7, tmp_path / "results" / "7")
    assert inputs.review(SimpleNamespace(recid="7")) == []
