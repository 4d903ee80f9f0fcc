"""An upload's weight grows with its bytes."""

import json
import os
from types import SimpleNamespace

import pytest

from ferry.run.job_functions import upload_slots, upload_weight


@pytest.mark.parametrize(("size", "slots"), [(0, 1), (1, 1), (10, 1), (11, 2), (100, 10), (10**9, 24)])
def test_a_slot_per_so_many_bytes_begun_within_bounds(size, slots):
    assert upload_slots(size, bytes_per_slot=10, max_slots=24) == slots


def test_the_weight_follows_the_receipt_when_it_changes(tmp_path):
    path = tmp_path / "package.json"
    weight = upload_weight(bytes_per_slot=10, max_slots=24)
    with pytest.raises(FileNotFoundError):
        weight(None, SimpleNamespace(package=str(path)))
    for time_s, size in ((1, 15), (2, 95)):
        path.write_text(json.dumps({"uploads": [{"size_bytes": size - 5}, {"size_bytes": 5}]}), encoding="utf-8")
        os.utime(path, (time_s, time_s))
        assert weight(None, SimpleNamespace(package=str(path))) == -(-size // 10)


def test_the_weight_of_a_record_that_is_not_packaged_yet_is_that_of_its_files(tmp_path):
    """On a cluster the steps of a record are one job, submitted before it is packaged."""
    (tmp_path / "source.json").write_text(json.dumps({"files": [{"size_bytes": 95}]}), encoding="utf-8")
    weight = upload_weight(bytes_per_slot=10, max_slots=24)
    assert weight(None, SimpleNamespace(package=str(tmp_path / "package.json"))) == 10
