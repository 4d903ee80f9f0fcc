"""The plan: what is bundled, what is split, what is refused, from the receipt of the download alone."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferry.bundle.layout import lay_out, stored
from ferry.bundle.plan import PackageSettings, plan_packages
from ferry.errors import ConfigError, PermanentError

GIGA = 10**9


def file(key, size_bytes):
    return {"key": key, "size_bytes": size_bytes, "adler32": "0000abcd", "crc32": "0000ef01", "verified": "adler32"}


def plan(files, **changes):
    return plan_packages(recid=7, files=files, settings=PackageSettings(**changes)).uploads


def test_more_files_than_the_limit_become_one_bundle_with_the_members_sorted_by_key():
    files = [file(f"f{i:02d}.al", 10) for i in range(21)]
    assert [upload.kind for upload in plan(files[:20])] == ["file"] * 20
    random.Random(1).shuffle(files)
    (bundle,) = plan(files)
    assert (bundle.key, bundle.kind) == ("7_bundle.zip", "bundle")
    assert [member.key for member in bundle.members] == sorted(f["key"] for f in files)


def test_the_plan_does_not_depend_on_the_order_of_the_files():
    files = [file(f"f{i:02d}.al", i * 100) for i in range(40)]
    assert plan(files, max_bundle_bytes=20_000) == plan(files[::-1], max_bundle_bytes=20_000)


def test_one_file_that_matches_a_pattern_is_enough_but_a_single_file_is_never_bundled():
    assert [upload.kind for upload in plan([file("raw/a.log", 1), file("b", 1)], patterns=("raw/*",))] == ["bundle"]
    assert [upload.kind for upload in plan([file("raw/a.log", 1)], patterns=("raw/*",))] == ["file"]
    assert plan([]) == ()


def test_an_empty_file_goes_up_like_any_other_or_takes_its_record_into_a_bundle():
    files = [file("a.al", 10), file("empty.txt", 0)]
    assert [upload.kind for upload in plan(files)] == ["file", "file"]
    (bundle,) = plan(files, empty_files="bundle")
    assert (bundle.key, [member.key for member in bundle.members]) == ("7_bundle.zip", ["a.al", "empty.txt"])
    assert [upload.kind for upload in plan(files[:1], empty_files="bundle")] == ["file"]
    (alone,) = plan(files[1:], empty_files="bundle")
    assert (alone.kind, [member.key for member in alone.members]) == ("bundle", ["empty.txt"])


def test_an_empty_file_that_is_left_over_when_bundles_are_split_is_a_bundle_by_itself():
    uploads = plan([file("a.al", 10 * GIGA), file("z.txt", 0)], empty_files="bundle")
    assert [(upload.key, upload.kind) for upload in uploads] == [("7_bundle.zip", "bundle"), ("a.al", "file")]


def test_bundles_beyond_the_limit_are_numbered_and_hold_whole_files_in_order():
    uploads = plan([file(f"f{i:02d}.al", 3 * GIGA) for i in range(22)])
    assert [upload.key for upload in uploads] == [*(f"7_bundle_{n:03d}.zip" for n in range(1, 8)), "f21.al"]
    assert [len(upload.members) for upload in uploads] == [3] * 7 + [1]
    assert [member.key for upload in uploads for member in upload.members] == [f"f{i:02d}.al" for i in range(22)]


def test_a_file_that_fills_a_bundle_alone_goes_up_loose():
    uploads = plan([file("a.al", 1), file("b.al", 10 * GIGA), file("c.al", 1), file("d.al", 1)], max_files=1)
    assert [(upload.key, len(upload.members)) for upload in uploads] == [("7_bundle.zip", 2), ("a.al", 1), ("b.al", 1)]


def test_a_file_beyond_the_repository_s_limit_is_refused_by_name_with_both_sizes():
    with pytest.raises(PermanentError, match=r"10000000000 bytes a file.*huge\.al \(10000000001 bytes\)"):
        plan([file("huge.al", 10 * GIGA + 1), file("b.al", 1)])
    assert plan([file("huge.al", 10**12)], max_upload_bytes=None)[0].key == "huge.al"


def test_a_record_beyond_the_repository_s_quota_is_refused():
    with pytest.raises(PermanentError, match="12000000000 bytes in 2 files"):
        plan([file("a", 6 * GIGA), file("b", 6 * GIGA)], max_record_bytes=10 * GIGA)


def test_more_uploads_than_a_record_takes_are_refused():
    with pytest.raises(PermanentError, match="120 uploads after bundling, expected at most 98"):
        plan([file(f"{i}.al", 6 * GIGA) for i in range(120)])


def test_a_loose_file_with_the_name_of_a_bundle_is_refused():
    with pytest.raises(PermanentError, match=r"two uploads.*'7_bundle\.zip'"):
        plan([file("7_bundle.zip", 10 * GIGA), file("a.al", 1), file("b.al", 1)], max_files=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_files": 99}, "1 to 98"),
        ({"max_files": 0}, "1 to 98"),
        ({"max_bundle_bytes": 0}, "max_bundle_bytes"),
        ({"mode": "pipe"}, "file or stream"),
    ],
)
def test_settings_that_cannot_hold_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        PackageSettings(**changes)


@given(
    sizes=st.lists(st.integers(0, 50_000), max_size=60),
    limit=st.integers(51_000, 200_000),
    max_files=st.integers(1, 30),
)
def test_every_file_goes_up_once_and_no_bundle_exceeds_the_limit(sizes, limit, max_files):
    files = [file(f"d{i % 3}/ü{i}.al", size) for i, size in enumerate(sizes)]
    uploads = plan(files, max_bundle_bytes=limit, max_files=max_files)
    assert sorted(member.key for upload in uploads for member in upload.members) == sorted(f["key"] for f in files)
    assert len({upload.key for upload in uploads}) == len(uploads)
    for upload in uploads:
        assert (upload.kind == "bundle") == (len(upload.members) > 1)
        if upload.kind == "bundle":
            assert lay_out([stored(member) for member in upload.members]).size_bytes <= limit
