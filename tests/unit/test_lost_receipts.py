"""Which receipts go when one before them is gone."""

import pytest

from ferry.lost_receipts import forget_after_lost

ALL = {"source", "download", "record", "mapping", "package", "upload", "stats"}


@pytest.fixture
def names(tmp_path):
    """Return the receipts that are left of a finished record when these were lost."""

    def left_without(*lost):
        folder = tmp_path / "results" / "7"
        folder.mkdir(parents=True)
        for name in ALL - set(lost):
            (folder / f"{name}.json").write_text("{}")
        forgotten = forget_after_lost([7, 8], results_dir=tmp_path / "results")
        return forgotten, {path.stem for path in folder.iterdir()}

    return left_without


def test_a_whole_record_keeps_all_receipts(names):
    assert names() == ([], ALL)


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
    assert names(lost) == ([7], left)


def test_a_record_that_was_not_uploaded_yet_is_left_to_the_order_of_its_steps(names):
    assert names("download", "upload", "stats") == ([], {"source", "record", "mapping", "package"})
