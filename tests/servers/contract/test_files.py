"""Files of a draft: announced, sent, committed, read, deleted."""

import time

import pytest

from servers.raw_api import eventually, fields, md5


def test_many_files_are_announced_at_once_and_the_answer_lists_all(draft):
    draft.upload("first", b"1")
    answer = draft.init("second", {"key": "third", "metadata": {"adler32": "00000001"}})
    assert answer.status_code == 201
    listed = {entry["key"]: entry for entry in answer.json()["entries"]}
    assert {key: entry["status"] for key, entry in listed.items()} == {
        "first": "completed",
        "second": "pending",
        "third": "pending",
    }
    assert listed["third"]["metadata"] == {"adler32": "00000001"}
    assert listed["second"]["links"]["content"].endswith("/draft/files/second/content")
    assert listed["second"]["links"]["commit"].endswith("/draft/files/second/commit")


@pytest.mark.parametrize("state", ["pending", "sent", "completed"])
def test_a_key_that_exists_refuses_the_whole_list(draft, state):
    draft.init("a")
    if state != "pending":
        draft.put("a", b"1")
    if state == "completed":
        draft.commit("a")
    answer = draft.init("new", "a")
    assert answer.status_code == 400
    assert answer.json()["message"] == "File with key a already exists."
    assert set(draft.entries()) == {"a"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([], "_schema"),
        ({"key": "a"}, "0._schema"),
        ([{}], "0.key"),
        ([{"key": "a", "md5": "x"}], "0.md5"),
        ([{"key": "a", "transfer": {"type": "Q"}}], "0.transfer.type"),
        ([{"key": "a", "size": 3, "transfer": {"type": "M"}}], "0.transfer.parts"),
    ],
)
def test_a_wrong_announcement_is_refused(draft, given, field):
    answer = draft.api.call("POST", f"{draft.path}/files", json=given)
    assert answer.status_code == 400
    assert field in fields(answer)
    assert draft.entries() == {}


def test_one_hundred_files_are_taken_and_not_one_more(draft):
    assert draft.init(*[f"f{number}" for number in range(100)]).status_code == 201
    answer = draft.init("one more")
    assert answer.status_code == 400
    assert "exceeding the max amount" in answer.json()["message"]
    assert len(draft.entries()) == 100
    assert draft.api.call("DELETE", f"{draft.path}/files").status_code == 204
    assert draft.entries() == {}


def test_a_file_goes_up(draft):
    entry = draft.upload("a.txt", b"content")
    assert (entry["status"], entry["size"], entry["checksum"]) == ("completed", 7, md5(b"content"))
    assert draft.entry("a.txt").json()["checksum"] == md5(b"content")
    assert draft.content("a.txt").content == b"content"
    shown = draft.get().json()["files"]
    assert (shown["count"], shown["total_bytes"]) == (1, 7)
    assert shown["entries"]["a.txt"]["checksum"] == md5(b"content")


def test_content_sent_again_before_the_commit_replaces_the_first(draft):
    draft.init("a")
    assert draft.put("a", b"first").status_code == 200
    assert draft.put("a", b"the second").status_code == 200
    assert draft.commit("a").json()["checksum"] == md5(b"the second")


def test_what_is_declared_about_a_file_is_not_checked(draft):
    draft.init({"key": "a", "size": 3, "checksum": "md5:00000000000000000000000000000000"})
    assert draft.put("a", b"something else", **{"Content-MD5": "AAAA"}).status_code == 200
    entry = draft.commit("a").json()
    assert (entry["size"], entry["checksum"]) == (14, md5(b"something else"))


def test_an_empty_file_goes_up(draft):
    draft.init("empty")
    assert draft.put("empty", b"", **{"Content-Length": "0"}).status_code == 200
    entry = draft.commit("empty").json()
    assert (entry["status"], entry["size"], entry["checksum"]) == ("completed", 0, md5(b""))


def test_a_commit_without_content_is_a_server_error_and_a_second_commit_is_fine(draft):
    draft.init("a")
    assert draft.commit("a").status_code == 500
    assert draft.entry("a").json()["status"] == "pending"
    draft.put("a", b"1")
    assert draft.commit("a").status_code == 200
    assert draft.commit("a").status_code == 200
    assert draft.commit("unknown").status_code == 404
    assert draft.put("unknown", b"1").status_code == 404


def test_content_for_a_committed_file_is_answered_200_and_the_file_is_deleted(draft):
    draft.upload("a", b"right")
    answer = draft.put("a", b"again")
    assert answer.status_code == 200
    assert answer.json()["errors"] == "File upload transfer failed."
    assert answer.json()["checksum"] == md5(b"right")
    assert draft.entry("a").status_code == 404
    assert draft.entries() == {}


def test_a_put_that_breaks_off_deletes_the_entry(draft):
    draft.init("cut")
    connection = draft.begin_put(f"{draft.file('cut')}/content", announced=100_000, sent=b"beginning")
    time.sleep(0.3)
    connection.close()
    eventually(lambda: draft.entry("cut").status_code == 404)
    assert draft.put("cut", b"1").status_code == 404
    assert draft.init("cut").status_code == 201
    assert draft.put("cut", b"1").status_code == 200
    assert draft.commit("cut").json()["checksum"] == md5(b"1")


def test_a_file_deleted_while_its_body_comes_in_is_gone(draft):
    draft.init("a")
    connection = draft.begin_put(f"{draft.file('a')}/content", announced=6, sent=b"abc")
    time.sleep(0.3)
    assert draft.delete("a").status_code == 204
    connection.sendall(b"def")
    assert connection.recv(20).split()[1] == b"500"
    connection.close()
    assert draft.entry("a").status_code == 404


def test_a_body_without_a_length_becomes_an_empty_file(draft):
    draft.init("a")
    assert draft.put("a", iter([b"some ", b"bytes"])).status_code == 200
    entry = draft.commit("a").json()
    assert (entry["size"], entry["checksum"]) == (0, md5(b""))


def test_another_content_type_is_refused_and_none_is_taken(draft):
    draft.init("a")
    path = f"{draft.file('a')}/content"
    assert draft.api.call("PUT", path, data=b"1", headers={"Content-Type": "text/plain"}).status_code == 415
    assert draft.api.call("PUT", path, data=b"1", headers={"Content-Type": None}).status_code == 200


def test_a_pending_file_cannot_be_read(draft):
    draft.init("a")
    assert draft.content("a").status_code == 500
    draft.put("a", b"1")
    assert draft.content("a").status_code == 500


def test_a_range_is_not_looked_at(draft):
    draft.upload("a.txt", b"0123456789")
    answer = draft.content("a.txt", headers={"Range": "bytes=2-3"})
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    head = draft.api.call("HEAD", f"{draft.file('a.txt')}/content")
    assert (head.status_code, head.headers["Content-Length"]) == (200, "10")
    assert head.headers["ETag"] == f'"{md5(b"0123456789")}"'


def test_a_file_is_described_and_deleted(draft):
    draft.upload("a", b"1")
    answer = draft.api.call("PUT", draft.file("a"), json={"metadata": {"adler32": "00320032"}})
    assert (answer.status_code, answer.json()["metadata"]) == (200, {"adler32": "00320032"})
    assert draft.delete("a").status_code == 204
    assert draft.delete("a").status_code == 404


def test_an_answer_that_nobody_waited_for_leaves_its_effect(api):
    draft = api.create()
    draft.init("a")
    connection = draft.begin_put(f"{draft.file('a')}/content", announced=3, sent=b"abc")
    time.sleep(0.5)
    connection.close()
    assert draft.commit("a").json()["checksum"] == md5(b"abc")
