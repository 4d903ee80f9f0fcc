"""What messages and docs/recovering.md say is to be done, done to the letter: in one go, for one and for many."""

import json
import os
import random
import shutil
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from harness.story import BrokenRule, Story, begun
from servers.faults import Fault, refusal
from servers.raw_api import Api, Draft

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RECORDS = 9
MANY = 5
RECEIPTS = ("source", "download", "record", "mapping", "package", "upload", "stats")


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """A few records with files, of which none has been carried."""
    with begun(11, tmp_path, frozenset(), records=RECORDS) as told:
        told.config["repository"]["finish"] = "draft"
        told.config["storage"]["remove"] = []
        yield told


@pytest.fixture
def carried(story: Story) -> Story:
    """The same, carried."""
    assert story.run().status == 0
    return story


@pytest.fixture(params=[1, MANY], ids=["one", "many"])
def chosen(request: pytest.FixtureRequest, story: Story) -> list[int]:
    """The records to which something happens; each has a file that is not empty."""
    with_files = [recid for recid in story.recids if _files(story, recid)]
    return with_files[: request.param]


def _files(story: Story, recid: int) -> list[dict]:
    record = json.loads((story.folder / "metadata" / f"{recid}.json").read_bytes())
    return [entry for entry in record["files"] if entry["size"] > 0]


def _results(story: Story, recid: int) -> Path:
    return story.folder / "results" / str(recid)


def assert_well_in_one_go(story: Story) -> None:
    """Run plainly; do what that says, if it fails, once; then all is well."""
    try:
        story.settle(tampered=True)
    except BrokenRule as broken:
        told = (story.folder / "story.txt").read_text(encoding="utf-8")
        raise AssertionError(f"{broken.args[0]}\n{told}") from None
    assert story.outcome.counts["remedies"] <= 1, (story.folder / "story.txt").read_text(encoding="utf-8")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def lose(path: Path) -> None:
    path.unlink(missing_ok=True)


def change(path: Path) -> None:
    """Change one letter of a text, so that it is JSON all the same; its time stays."""
    before, content = path.stat(), bytearray(path.read_bytes())
    texts = [place for place in range(1, len(content)) if content[place - 1 : place + 1].isalnum()]
    place = random.Random(len(content)).choice(texts)
    content[place] = ord("0") if content[place] != ord("0") else ord("1")
    path.write_bytes(bytes(content))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def of_another(path: Path) -> None:
    """Put that of another record there."""
    other = next(each for each in sorted(path.parents[1].glob(f"[1-9]*/{path.name}")) if each != path)
    path.write_bytes(other.read_bytes())


@pytest.mark.parametrize("receipts", [["record"], RECEIPTS], ids=["one", "many"])
@pytest.mark.parametrize("act", [cut, lose, change, of_another])
def test_check_names_one_command_that_mends_receipts(
    carried: Story, act: Callable[[Path], None], receipts: Sequence[str]
):
    for recid, receipt in zip(carried.recids, receipts, strict=False):
        act(_results(carried, recid) / f"{receipt}.json")
    carried.follow_check(carried.run("--", "check"))
    assert carried.run("--", "check").status == 0
    assert_well_in_one_go(carried)
    assert carried.outcome.counts["remedies"] == 0


@pytest.mark.parametrize("act", [cut, lose, change, of_another])
def test_a_receipt_that_an_upload_reads_is_told_or_made_again(
    carried: Story, chosen: Sequence[int], act: Callable[[Path], None]
):
    for number, recid in enumerate(chosen):
        act(_results(carried, recid) / f"{'record' if number % 2 else 'package'}.json")
        lose(_results(carried, recid) / "upload.json")
    assert_well_in_one_go(carried)


def test_a_receipt_that_one_does_not_trust_is_deleted(carried: Story, chosen: Sequence[int]):
    for receipt in reversed(RECEIPTS):  # what is made anew takes away what was made of it
        for recid in chosen:
            lose(_results(carried, recid) / f"{receipt}.json")
        carried.follow([" ".join(carried.command("--", *(f"results/{recid}/{receipt}.json" for recid in chosen)))])
    assert_well_in_one_go(carried)
    assert carried.outcome.counts["remedies"] == 0


def test_a_record_is_begun_from_nothing(carried: Story, chosen: Sequence[int]):
    for recid in chosen:
        shutil.rmtree(_results(carried, recid))
        shutil.rmtree(carried.folder / "data" / str(recid))
    assert_well_in_one_go(carried)
    assert carried.outcome.counts["remedies"] == 0


def test_data_that_are_gone_are_fetched_again(carried: Story, chosen: Sequence[int]):
    shutil.rmtree(carried.folder / "data")
    for recid in chosen:
        lose(_results(carried, recid) / "upload.json")
    assert_well_in_one_go(carried)
    assert carried.outcome.counts["remedies"] == 0


def test_bytes_that_have_decayed_are_told_and_fetched_again(carried: Story, chosen: Sequence[int]):
    for recid in chosen:
        path = next(each for each in sorted((carried.folder / "data" / str(recid)).glob("[bf]*s/*")) if _is_full(each))
        before, content = path.stat(), path.read_bytes()
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        lose(_results(carried, recid) / "upload.json")
    _delete_drafts(carried, chosen)
    assert_well_in_one_go(carried)


def _is_full(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _delete_drafts(story: Story, recids: Sequence[int]) -> None:
    found = story.check().found
    for recid in recids:
        (record_id,) = found[recid]
        _ask(story, "DELETE", f"/api/records/{record_id}/draft")


def _ask(story: Story, method: str, path: str, document: dict | None = None) -> None:
    headers = {"Authorization": f"Bearer {story.sandbox.token}", "Content-Type": "application/json"}
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(story.sandbox.url + path, body, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        assert answer.status < 300


def test_a_wrong_checksum_is_put_right_in_the_metadata(story: Story, chosen: Sequence[int]):
    right = {}
    for recid in chosen:
        path = story.folder / "metadata" / f"{recid}.json"
        right[path] = path.read_bytes()
        record = json.loads(right[path])
        next(entry for entry in record["files"] if entry["size"])["checksum"] = "adler32:00000001"
        path.write_text(json.dumps(record), encoding="utf-8")
    assert story.run().status != 0
    for path, content in right.items():
        path.write_bytes(content)
    assert_well_in_one_go(story)
    assert story.outcome.counts["remedies"] == 0


def test_after_500_to_new_drafts_one_command_lets_all_of_them_be_asked_for_again(story: Story, chosen: Sequence[int]):
    _want_only(story, chosen)
    story.proxy.add(Fault("500", method="POST", path=r"/api/records(\?|$)", times=None, **refusal(500, "index")))
    for _ in range(2):
        assert story.run().status != 0
    assert sum(each.method == "POST" and each.status == 500 for each in story.proxy.log) == 2 * len(chosen)
    story.proxy.clear()
    assert_well_in_one_go(story)
    assert "remedy: run mend; run again" in (story.folder / "story.txt").read_text(encoding="utf-8")


def _want_only(story: Story, recids: Sequence[int]) -> None:
    for recid in set(story.recids) - set(recids):
        (story.folder / "metadata" / f"{recid}.json").unlink()
    story.recids[:] = recids
    (story.folder / "records.csv").write_text("recid\n" + "\n".join(map(str, recids)) + "\n", encoding="ascii")


def test_drafts_deleted_by_hand_before_publishing_are_made_anew(story: Story, chosen: Sequence[int]):
    assert story.run().status == 0
    _delete_drafts(story, chosen)
    story.config["repository"]["finish"] = "publish"
    assert_well_in_one_go(story)


def test_drafts_that_are_too_much_are_named_with_what_removes_them(carried: Story, chosen: Sequence[int]):
    found, api = carried.check().found, Api(carried.sandbox.url, carried.sandbox.token)
    for recid in chosen:
        draft = api.call("GET", f"/api/records/{found[recid][0]}/draft").json()
        _ask(carried, "POST", "/api/records", {name: draft[name] for name in ("metadata", "access")})
        shutil.rmtree(_results(carried, recid))
        shutil.rmtree(carried.folder / "data" / str(recid))
    assert_well_in_one_go(carried)


def test_a_folder_that_was_copied_to_another_machine_has_nothing_to_do(carried: Story, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "folder"
    shutil.copytree(carried.folder, elsewhere, symlinks=True)  # with the times, as cp -a
    requests = len(carried.proxy.log)
    command = [str(elsewhere) if word == str(carried.folder) else word for word in carried.command()]
    carried.follow([" ".join(command)])
    assert [each for each in carried.proxy.log[requests:] if each.method not in ("GET", "HEAD")] == []


def _edit(story: Story, recids: Sequence[int], title: str) -> None:
    """Give drafts another title, as somebody does on their pages."""
    found, api = story.check().found, Api(story.sandbox.url, story.sandbox.token)
    for recid in recids:
        path = f"/api/records/{found[recid][0]}/draft"
        draft = api.call("GET", path).json()
        _ask(story, "PUT", path, {**draft, "metadata": {**draft["metadata"], "title": title}})


def _fails_with(story: Story, recids: Sequence[int], *words: str) -> None:
    """Have a run fail these records, with these words."""
    assert story.run().status != 0
    for recid in recids:
        error = json.loads((_results(story, recid) / "failure.json").read_bytes())["error"]
        for word in words:
            assert word in error


@pytest.mark.parametrize("choice", ["keep", "overwrite"])
def test_titles_that_were_changed_by_hand_are_kept_or_overwritten_as_the_message_says(
    carried: Story, chosen: Sequence[int], choice: str
):
    _edit(carried, chosen, "Of hand")
    carried.config["repository"]["finish"] = "publish"
    _fails_with(
        carried, chosen, 'metadata.title is "Of hand"', "set repository.when_edited to keep", "to overwrite (ours"
    )
    carried.config["repository"]["when_edited"] = choice
    if choice == "overwrite":
        assert_well_in_one_go(carried)
        assert carried.outcome.counts["remedies"] == 0
        return
    assert carried.run().status == 0
    assert sorted(carried.check().problems) == sorted(_kept(carried, recid) for recid in chosen)


def _kept(story: Story, recid: int) -> str:
    title = json.loads((story.folder / "metadata" / f"{recid}.json").read_bytes())["title"]
    return f"{recid}: title 'Of hand', not {title!r}"


def test_files_that_nobody_here_has_sent_are_removed_of_all_records_by_what_the_message_says(
    carried: Story, chosen: Sequence[int]
):
    found = carried.check().found
    for recid in chosen:
        Draft(Api(carried.sandbox.url, carried.sandbox.token), found[recid][0]).upload("of hand.txt", b"of hand")
    carried.config["repository"]["finish"] = "publish"
    assert_well_in_one_go(carried)
    assert carried.outcome.counts["remedies"] == 1


def test_records_that_reviewers_have_declined_are_submitted_again_once_they_are_corrected(
    story: Story, chosen: Sequence[int]
):
    curator = Api(story.sandbox.url, story.sandbox.other_token)
    given = {"slug": "delphi", "metadata": {"title": "DELPHI"}, "access": {"review_policy": "closed"}}
    assert curator.call("POST", "/api/communities", json=given).status_code == 201
    story.config["repository"] |= {"finish": "review", "community": "delphi"}
    _want_only(story, chosen)
    assert story.run().status == 0
    first = {recid: _request(story, recid) for recid in chosen}
    for request in first.values():
        assert curator.call("POST", f"/api/requests/{request}/actions/decline", json={}).status_code == 200
    assert story.run().status != 0
    (story.folder / "metadata/corrections").mkdir(exist_ok=True)
    for recid in chosen:
        error = json.loads((_results(story, recid) / "failure.json").read_bytes())["error"]
        assert "correct the record and run again, it is submitted again then" in error
        (story.folder / f"metadata/corrections/{recid}.yaml").write_text("title: Corrected\n", encoding="utf-8")
    assert story.run().status == 0
    for recid in chosen:
        assert json.loads((_results(story, recid) / "published.json").read_bytes())["state"] == "in_review"
        assert (
            curator.call("POST", f"/api/requests/{_request(story, recid)}/actions/accept", json={}).status_code == 200
        )
    assert story.run().status == 0
    for recid in chosen:
        assert json.loads((_results(story, recid) / "published.json").read_bytes())["state"] == "published"


def _request(story: Story, recid: int) -> str:
    return json.loads((_results(story, recid) / "published.json").read_bytes())["request"]["id"]
