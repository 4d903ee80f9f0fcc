"""Which receipts go when one before them is gone or torn."""

import pytest

from ferry.run.lost_receipts import receipts_after_lost

ALL = {"source", "download", "record", "mapping", "package", "upload", "stats"}


@pytest.fixture
def names(tmp_path):
    """Return the receipts that are left of a finished record when these were lost."""

    def left_without(*lost, torn=(), there=ALL):
        folder = tmp_path / "results" / "7"
        folder.mkdir(parents=True)
        for name in there - set(lost):
            (folder / f"{name}.json").write_text('{"a": ' if name in torn else "{}\n")
        to_go = receipts_after_lost([7, 8], results_dir=tmp_path / "results")
        return {path.stem for path in folder.iterdir()} - {path.stem for path in to_go}

    return left_without


def test_a_whole_record_keeps_all_receipts(names):
    assert names() == ALL


@pytest.mark.parametrize(
    ("lost", "left"),
    [
        ("source", {"mapping"}),
        ("download", {"source", "mapping"}),
        ("package", {"source", "download", "mapping"}),
        ("record", {"source", "download", "package", "mapping"}),
    ],
)
def test_what_was_proven_after_a_lost_receipt_is_proven_anew(names, lost, left):
    assert names(lost) == left


def test_a_record_that_was_not_uploaded_yet_is_packaged_anew_after_its_download(names):
    assert names("download", "upload", "stats") == {"source", "mapping"}


def test_a_record_that_was_not_packaged_yet_is_left_to_the_order_of_its_steps(names):
    assert names("download", "package", "upload", "stats") == {"source", "record", "mapping"}


def test_without_its_upload_a_published_record_is_compared_again(names):
    left = {"source", "download", "package", "record", "mapping"}
    assert names("upload", there=ALL | {"published"}) == left


@pytest.mark.parametrize(
    ("torn", "left"),
    [
        ("download", {"source", "mapping"}),
        ("upload", {"source", "download", "package", "record", "mapping"}),
        ("stats", ALL - {"stats"}),
        ("mapping", ALL - {"mapping"}),
    ],
)
def test_a_torn_receipt_is_a_lost_one(names, torn, left):
    assert names(torn=[torn]) == left


def test_a_torn_receipt_of_a_record_that_was_not_packaged_goes_alone(names):
    assert names("package", "upload", "stats", torn=["download"]) == {"source", "record", "mapping"}


@pytest.mark.parametrize("content", ["", "{", '{"a": "}"', "\x00" * 40])
def test_what_a_crash_leaves_of_a_receipt_is_torn(tmp_path, content):
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "source.json").write_text(content)
    assert receipts_after_lost([7], results_dir=tmp_path) == [folder / "source.json"]
