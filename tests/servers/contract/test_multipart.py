"""Files in parts: nothing about them is checked by the server."""

import time

from servers.raw_api import md5, multipart


def test_a_file_goes_up_in_parts_in_any_order_and_again(draft):
    entry = draft.init(multipart("m", 10, 6)).json()["entries"][0]
    assert [part["part"] for part in entry["links"]["parts"]] == [1, 2]
    assert entry["links"]["parts"][1]["url"].endswith("/draft/files/m/content/2")
    assert "content" not in entry["links"]
    assert (entry["status"], entry["checksum"], entry["transfer"]["type"]) == ("pending", None, "M")
    assert draft.part("m", 2, b"6789").status_code == 200
    assert draft.part("m", 1, b"xxxxxx").status_code == 200
    assert draft.part("m", 1, b"012345").status_code == 200
    assert draft.content("m").status_code == 403
    done = draft.commit("m")
    assert done.status_code == 200
    assert done.json()["transfer"] == {"type": "L"}
    assert done.json()["checksum"] == md5(b"0123456789")
    assert draft.commit("m").status_code == 200
    assert draft.part("m", 1, b"abcdef").status_code == 400
    assert draft.content("m").content == b"0123456789"


def test_a_part_that_was_never_sent_is_a_hole_of_zeros_and_the_commit_is_fine(draft):
    draft.init(multipart("m", 10, 5), multipart("none", 3, 3))
    draft.part("m", 1, b"01234")
    answer = draft.commit("m")
    assert (answer.status_code, answer.json()["status"], answer.json()["size"]) == (200, "completed", 10)
    assert draft.content("m").content == b"01234" + bytes(5)
    assert draft.commit("none").json()["checksum"] == md5(bytes(3))


def test_short_parts_and_parts_that_are_none_are_answered_200(draft):
    draft.init(multipart("m", 10, 5))
    assert "errors" not in draft.part("m", 2, b"z").json()
    for number in (0, 3, 7):
        answer = draft.part("m", number, b"y")
        assert (answer.status_code, answer.json().get("errors")) == (200, "File upload transfer failed.")
    answer = draft.part("m", 1, b"too long")
    assert (answer.status_code, answer.json().get("errors")) == (200, "File upload transfer failed.")
    assert draft.entry("m").json()["status"] == "pending"
    draft.commit("m")
    assert draft.content("m").content == bytes(5) + b"z" + bytes(4)


def test_a_part_that_breaks_off_leaves_the_entry(draft):
    draft.init(multipart("m", 200_000, 100_000))
    connection = draft.begin_put(f"{draft.file('m')}/content/1", announced=100_000, sent=b"x" * 50_000)
    time.sleep(0.3)
    connection.close()
    time.sleep(1.0)
    assert draft.entry("m").status_code == 200
    assert draft.part("m", 1, b"1" * 100_000).status_code == 200
    assert draft.part("m", 2, b"2" * 100_000).status_code == 200
    assert draft.commit("m").json()["checksum"] == md5(b"1" * 100_000 + b"2" * 100_000)


def test_a_checksum_declared_for_parts_is_echoed_whatever_was_sent(draft):
    declared = "md5:00000000000000000000000000000000"
    draft.init(multipart("m", 3, 3, checksum=declared))
    draft.part("m", 1, b"abc")
    assert draft.commit("m").json()["checksum"] == declared


def test_plain_content_for_a_multipart_file_deletes_it(draft):
    draft.init(multipart("m", 3, 3))
    answer = draft.put("m", b"abc")
    assert (answer.status_code, answer.json()["errors"]) == (200, "File upload transfer failed.")
    assert draft.entry("m").status_code == 404


def test_an_empty_multipart_file_is_refused_and_the_quota_is_not_asked(server, draft):
    for item in (multipart("m", 0, 0), {"key": "m", "transfer": {"type": "M", "parts": 1, "part_size": 5}}):
        answer = draft.init(item)
        assert (answer.status_code, answer.json()["message"]) == (400, "Multipart file transfer requires file size.")
    assert draft.init(multipart("m", 4 * server.quota_bytes, server.quota_bytes)).status_code == 201
