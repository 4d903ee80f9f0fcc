"""Bundles that a repository can open: within its limits, and otherwise bundles like any other."""

import gzip
import zipfile

import orjson
import pytest
from generated_records import delphi_sizes
from packed_records import data_offset, entry, flip, many, run_package, sha256, write_files

from ferry.bundle.member_files import BytesError
from ferry.bundle.plan import PackageSettings, plan_packages
from ferry.bundle.reader import read_chunks
from ferry.bundle.split import BrowsableLimits
from ferry.errors import ConfigError
from ferry.receipts import read_receipt
from ferry.run.disk_budget import DROPPED
from ferry.steps.drop import DroppedFiles
from ferry.steps.plan_record import forecast, plan_record

MB = 1_000_000
SMALL = BrowsableLimits(uncompressed_bytes=MB, entries=12, ratio=200)
REPEATED = b"one line\n" * 200_000
"""Deflate makes it smaller by far more than 200 to 1."""


def plan(sizes, **settings):
    """Plan files of these sizes, keyed by their number."""
    files = [{**entry(f"f{number:05d}.raw", b""), "size_bytes": size} for number, size in enumerate(sizes)]
    return plan_packages(
        recid=7, files=files, settings=PackageSettings(**{"browsable": SMALL, "max_files": 2} | settings)
    )


def bundles(data_dir):
    return sorted((data_dir / "bundles").glob("*.zip"))


def entries(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.infolist()


def test_every_bundle_is_within_the_limits_its_manifest_counted(tmp_path):
    contents = {f"f{number:02d}.raw": bytes([number]) * size for number, size in enumerate([70_000] * 40 + [10] * 40)}
    write_files(tmp_path, contents)
    uploads = run_package(tmp_path, max_files=2, browsable=SMALL)
    assert [upload["key"] for upload in uploads] == [f"7_bundle_{number:03d}.zip" for number in range(1, 9)]
    held = [entries(path) for path in bundles(tmp_path)]
    assert max(map(len, held)) == SMALL.entries
    assert all(sum(info.file_size for info in infos) <= SMALL.uncompressed_bytes for infos in held)
    keys = sorted(info.filename for infos in held for info in infos)
    assert keys == sorted([*contents, *["MANIFEST"] * len(held)])


def test_a_bundle_may_have_exactly_as_many_bytes_as_the_limit_says(tmp_path):
    contents = {f"f{number}.raw": bytes(400_000) for number in range(3)}
    write_files(tmp_path, contents)
    run_package(tmp_path, max_files=2)
    total = sum(info.file_size for info in entries(bundles(tmp_path)[0]))
    for limit, uploads in ((total, 1), (total - 1, 2)):
        limits = BrowsableLimits(uncompressed_bytes=limit)
        assert len(run_package(tmp_path, max_files=2, browsable=limits)) == uploads


def test_a_file_that_no_such_bundle_holds_goes_loose_and_ends_no_bundle():
    found = plan([100, 100, MB, 100, 100])
    assert [(upload.key, len(upload.members)) for upload in found.uploads] == [("7_bundle.zip", 4), ("f00002.raw", 1)]
    assert found.note == "1 loose, as no browsable bundle holds more: f00002.raw"
    assert found.browsable == SMALL


def test_bundles_stay_below_the_limits_of_the_repository_for_one_file_too():
    found = plan([100_000] * 40, max_bundle_bytes=350_000)
    assert {len(upload.members) for upload in found.uploads} == {3, 1}


def test_a_record_of_too_many_such_bundles_goes_in_larger_ones_and_says_so():
    sizes = [900_000] * 99
    found = plan(sizes)
    assert found.note == "not browsable: that would take 99 uploads, expected at most 98; larger bundles it is"
    assert found.browsable is None
    assert found.uploads == plan(sizes, browsable=None).uploads
    assert len(plan(sizes[1:]).uploads) == 98


def test_a_text_beyond_the_ratio_is_stored_and_any_other_deflated(tmp_path):
    contents = {"deep/flat.txt": REPEATED, **many(12)}
    write_files(tmp_path, contents)
    run_package(tmp_path, max_files=2, browsable=BrowsableLimits())
    (path,) = bundles(tmp_path)
    methods = {info.filename: info.compress_type for info in entries(path)}
    assert methods["deep/flat.txt"] == zipfile.ZIP_STORED
    assert zipfile.ZIP_DEFLATED in methods.values()
    assert all(info.file_size <= 200 * info.compress_size for info in entries(path))


def test_bytes_do_not_depend_on_what_was_packed_before_nor_on_the_mode(tmp_path):
    contents = {"flat.txt": REPEATED, **many(12)}
    for name in ("fresh", "changed", "streamed"):
        write_files(tmp_path / name, contents)
    run_package(tmp_path / "fresh", max_files=2, browsable=BrowsableLimits())
    wanted = sha256(bundles(tmp_path / "fresh")[0])
    run_package(tmp_path / "changed", max_files=2)
    plain = sha256(bundles(tmp_path / "changed")[0])
    assert plain != wanted
    run_package(tmp_path / "changed", max_files=2, browsable=BrowsableLimits())
    assert sha256(bundles(tmp_path / "changed")[0]) == wanted
    run_package(tmp_path / "changed", max_files=2)
    assert sha256(bundles(tmp_path / "changed")[0]) == plain
    (upload,) = run_package(tmp_path / "streamed", max_files=2, browsable=BrowsableLimits(), mode="stream")
    content = b"".join(read_chunks(upload, data_dir=tmp_path / "streamed"))
    assert content == bundles(tmp_path / "fresh")[0].read_bytes()


def test_a_damaged_one_is_brought_right_again(tmp_path):
    write_files(tmp_path, {"flat.txt": REPEATED, **many(12)})
    run_package(tmp_path, max_files=2, browsable=BrowsableLimits())
    (path,) = bundles(tmp_path)
    wanted = sha256(path)
    flip(path, data_offset(path, "flat.txt") + 1000)
    run_package(tmp_path, max_files=2, browsable=BrowsableLimits())
    assert sha256(path) == wanted


def test_what_was_packed_beyond_the_ratio_before_its_bytes_were_dropped_is_fetched_again(tmp_path):
    write_files(tmp_path, {"flat.txt": REPEATED, **many(12)})
    run_package(tmp_path, max_files=2)
    download = read_receipt(tmp_path / "download.json", "download", recid=7)
    uploads = read_receipt(tmp_path / "package.json", "package", recid=7)["uploads"]
    known = DroppedFiles("there", "0" * 64, download, uploads)
    (tmp_path / DROPPED).write_bytes(gzip.compress(orjson.dumps(vars(known))))
    assert run_package(tmp_path, max_files=2) == uploads
    with pytest.raises(BytesError, match="before the files of the record were removed"):  # the step fetches them
        run_package(tmp_path, max_files=2, browsable=BrowsableLimits())


@pytest.mark.parametrize("limits", [{"entries": 2}, {"uncompressed_bytes": 10}, {"ratio": 0}])
def test_limits_that_no_bundle_can_keep_are_refused_by_name(limits):
    with pytest.raises(ConfigError, match=rf"package\.browsable_limits\.{next(iter(limits))}: expected at least"):
        BrowsableLimits(**limits)


def planned(sizes, settings):
    files = [
        {
            "key": f"f{number:05d}.al",
            "uri": f"root://x//f{number:05d}.al",
            "size_bytes": size,
            "checksum": {"algorithm": "adler32", "value": "00000001"},
            "online": True,
        }
        for number, size in enumerate(sizes)
    ]
    return plan_record(
        recid=7, priority=0, read=lambda: {"recid": 7, "files": files}, refused=[], settings=settings, fetched=True,
        publish=False, allow_unverified=False, max_bytes=None,
    )  # fmt: skip


def test_the_plan_tells_what_it_costs():
    settings = PackageSettings(browsable=SMALL, max_files=2)
    found = planned([900_000] * 50, settings)
    # the last two sizes of a next-fit: 50 loose files where one bundle would do
    assert (found.uploads, found.more_uploads, found.more_requests) == (50, 49, 98)
    two_each = planned([400_000] * 50, settings)
    assert (two_each.bundles, two_each.browsable_bundles, two_each.more_uploads) == (25, 25, 24)
    too_many = planned([900_000] * 99, settings)
    assert (too_many.browsable_bundles, too_many.more_uploads) == (0, 0)
    assert too_many.note.startswith("not browsable: that would take 99 uploads")
    total = forecast([found, two_each, too_many], limits=(), bytes_per_s=None, removed=False, at_once=1, max_bytes=None)
    assert (total.browsable_bundles, total.more_uploads, total.more_requests, total.noted) == (25, 73, 146, 2)


def test_of_the_165_delphi_records_that_are_bundled_152_open_with_all_their_files():
    sizes = [sizes for sizes in delphi_sizes(785).values() if len(sizes) > 20]
    plans = [planned(each, PackageSettings(browsable=BrowsableLimits())) for each in sizes]
    total = forecast(plans, limits=(), bytes_per_s=None, removed=False, at_once=1, max_bytes=None)
    assert len(plans) == 165
    assert sum(sum(each) > BrowsableLimits().uncompressed_bytes for each in sizes) == 164
    assert sum(plan.browsable_bundles > 0 for plan in plans) == 152
    assert max(plan.uploads for plan in plans) <= 98
    assert (total.browsable_bundles, total.more_uploads, total.more_requests) == (2927, 2729, 5458)
