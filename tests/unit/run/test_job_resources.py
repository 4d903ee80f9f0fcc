"""A job asks for time by its record's bytes, and for more of everything with each attempt."""

import json
import os

import pytest

from ferry.run.job_functions import JobResources, record_bytes

RESOURCES = JobResources(minutes=60, bytes_per_s=10_000_000, memory_mb=2000)


def write(path, size_bytes, listed="files", time_s=1):
    path.write_text(json.dumps({listed: [{"size_bytes": size_bytes - 5}, {"size_bytes": 5}]}), encoding="utf-8")
    os.utime(path, (time_s, time_s))


def test_time_grows_with_the_bytes_and_with_the_attempt(tmp_path):
    given = [str(tmp_path / "source.json")]
    write(tmp_path / "source.json", 6_000_000_001)
    assert RESOURCES.walltime_minutes(None, given, attempt=1) == 60 + 11
    assert RESOURCES.walltime_minutes(None, given, attempt=3) == 3 * 71
    assert (RESOURCES.memory(None, attempt=1), RESOURCES.memory(None, attempt=3)) == (2000, 6000)


def test_what_goes_up_counts_once_the_record_is_packaged_and_a_file_without_a_size_as_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        record_bytes(tmp_path / "package.json")
    (tmp_path / "source.json").write_text('{"files": [{"size_bytes": null}, {"size_bytes": 7}]}', encoding="utf-8")
    assert record_bytes(tmp_path / "package.json") == 7
    write(tmp_path / "package.json", 50, listed="uploads")
    assert record_bytes(tmp_path / "package.json") == 50
    write(tmp_path / "package.json", 70, listed="uploads", time_s=2)
    assert record_bytes(tmp_path / "package.json") == 70


@pytest.mark.parametrize("text", ["{}", "{", "[]", '{"uploads": [{}]}'])
def test_a_receipt_that_is_none_is_for_the_job_to_tell(tmp_path, text):
    (tmp_path / "package.json").write_text(text, encoding="utf-8")
    assert record_bytes(tmp_path / "package.json") == 0
