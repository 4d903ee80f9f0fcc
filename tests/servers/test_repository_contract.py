"""What a repository answers, in good cases and in bad ones: the same tests for the sandbox and for a real InvenioRDM.

They keep the sandbox as mean as the real one. Where both must not be asked the same, the test says why.
"""

import hashlib
import time

import pytest

from sandbox import launcher
from sandbox.settings import Settings
from servers.raw_api import OCTETS, Api, document, eventually, metadata, new_identifier
from servers.rdm.server import default_folder, real_repository

QUOTA = 5 * 10**9
MAX_FILE = 10**10
CERN = {"type": "organizational", "name": "CERN"}
PERSON = {"type": "personal"}
FIRST_CREATOR = "metadata.creators.0.person_or_org"
PENDING = "One or more files have not completed their transfer, please wait."


@pytest.fixture(scope="module", params=["sandbox", pytest.param("rdm", marks=[pytest.mark.rdm])])
def server(request, tmp_path_factory):
    """A repository with its quota below the limit of one file, so that both can be met without sending a byte."""
    if request.param == "sandbox":
        settings = Settings(quota_bytes=QUOTA, max_file_bytes=MAX_FILE, index_lag_s=0.3)
        started = launcher.start(tmp_path_factory.mktemp("contract"), settings=settings)
        yield started
        started.stop()
    else:
        limits = {
            "RDM_FILES_DEFAULT_QUOTA_SIZE": QUOTA,
            "FILES_REST_DEFAULT_QUOTA_SIZE": QUOTA,
            "RATELIMIT_AUTHENTICATED_USER": "5000 per hour;500 per minute",
        }
        with real_repository(default_folder(), rate_limit=True, settings=limits) as started:
            yield started


pytestmark = pytest.mark.timeout(900)  # the first test waits for the InvenioRDM to be installed and started


@pytest.fixture
def api(server, request):
    return Api(server.url, server.token, name="own")


@pytest.fixture
def stranger(server):
    return Api(server.url, server.other_token, name="stranger")


@pytest.fixture
def nobody(server):
    return Api(server.url, None, name="nobody")


@pytest.fixture
def draft(api):
    return api.create()


def fields(answer):
    return {error["field"]: error["messages"][0] for error in answer.json().get("errors", [])}


def md5(content):
    return f"md5:{hashlib.md5(content).hexdigest()}"


# --- records


def test_the_home_page_names_the_generator(nobody):
    assert '<meta name="generator" content="InvenioRDM 13' in nobody.call("GET", "/").text


def test_a_draft_is_made_and_tells_where_its_parts_are(api):
    answer = api.call("POST", "/api/records", params={"expand": "1"}, json=document())
    body = answer.json()
    assert answer.status_code == 201
    assert "errors" not in body
    assert answer.headers["ETag"].strip('"') == str(body["revision_id"])
    assert (body["is_draft"], body["is_published"], body["status"]) == (True, False, "draft")
    here = f"{api.url}/api/records/{body['id']}/draft"
    assert body["links"]["self"] == here
    assert body["links"]["files"] == f"{here}/files"
    assert body["links"]["publish"] == f"{here}/actions/publish"
    assert body["links"]["review"] == f"{here}/review"
    assert body["files"] == {"enabled": True, "order": [], "count": 0, "total_bytes": 0, "entries": {}}


def test_missing_fields_are_named_under_a_201(api):
    answer = api.call("POST", "/api/records", json={"metadata": {"version": "1"}})
    assert answer.status_code == 201
    assert {
        "metadata.resource_type",
        "metadata.creators",
        "metadata.title",
        "metadata.publication_date",
    } <= fields(answer).keys()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"energy": 91.2}, "metadata.energy"),
        ({"title": "ab"}, "metadata.title"),
        ({"title": 3}, "metadata.title"),
        ({"publication_date": "yesterday"}, "metadata.publication_date"),
        ({"creators": []}, "metadata.creators"),
        ({"creators": [{"person_or_org": {**PERSON, "given_name": "A"}}]}, f"{FIRST_CREATOR}.family_name"),
        ({"creators": [{"person_or_org": {"type": "organizational"}}]}, f"{FIRST_CREATOR}.name"),
        ({"description": "x"}, "metadata.description"),
        ({"identifiers": [{"identifier": "zzz", "scheme": "doi"}]}, "metadata.identifiers.0.identifier"),
        ({"identifiers": [{"identifier": "zzz", "scheme": "recid"}]}, "metadata.identifiers.0.scheme"),
        ({"identifiers": [{"identifier": "https://a.org", "scheme": "url"}] * 2}, "metadata.identifiers"),
        ({"dates": [{"date": "soon", "type": {"id": "created"}}]}, "metadata.dates.0.date"),
        ({"contributors": [{"person_or_org": CERN}]}, "metadata.contributors.0.role"),
        ({"resource_type": "dataset"}, "metadata.resource_type._schema"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_under_a_201(api, changes, field):
    answer = api.call("POST", "/api/records", json=document(**changes))
    assert answer.status_code == 201
    assert field in fields(answer)


@pytest.mark.parametrize(
    "changes",
    [
        {"resource_type": {"id": "no-such-type"}},
        {"languages": [{"id": "xxx"}]},
        {"rights": [{"id": "no-such-licence"}]},
        {"dates": [{"date": "1999", "type": {"id": "no-such-type"}}]},
        {"related_identifiers": [{"identifier": "https://a.org", "scheme": "url", "relation_type": {"id": "no-such"}}]},
    ],
)
def test_an_unknown_vocabulary_id_makes_no_draft(api, changes):
    answer = api.call("POST", "/api/records", json=document(**changes))
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Invalid value")


def test_metadata_of_all_kinds_are_taken(api):
    answer = api.call(
        "POST",
        "/api/records",
        json=document(
            description="<p>Simulated with DELSIM.</p>",
            additional_descriptions=[{"description": "Steps", "type": {"id": "methods"}, "lang": {"id": "eng"}}],
            identifiers=[
                {"identifier": new_identifier(), "scheme": "url"},
                {"identifier": "10.7483/OPENDATA.DELPHI.Q5L9", "scheme": "doi"},
            ],
            related_identifiers=[
                {"identifier": "https://example.org/80502", "scheme": "url", "relation_type": {"id": "isdocumentedby"}}
            ],
            subjects=[{"subject": "CERN-LEP"}],
            dates=[{"date": "1998/2000", "type": {"id": "created"}}],
            languages=[{"id": "eng"}],
            rights=[{"id": "cc0-1.0"}],
            contributors=[{"person_or_org": CERN, "role": {"id": "distributor"}}],
            sizes=["14 files"],
            formats=["xsdst"],
            version="1",
        ),
    )
    assert answer.status_code == 201
    assert fields(answer) == {}
    assert answer.json()["metadata"]["rights"][0]["id"] == "cc0-1.0"


def test_no_json_is_refused(api):
    answer = api.call("POST", "/api/records", data="{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


def test_what_was_read_can_be_put_back_as_it_is(api):
    draft = api.create(languages=[{"id": "eng"}], rights=[{"id": "cc0-1.0"}])
    draft.upload("a", b"1")
    answer = api.call("PUT", draft.path, json=draft.get().json())
    assert answer.status_code == 200
    assert fields(answer).keys() <= {"metadata.rights.0.icon"}  # shown, yet not taken back; the rest of it is kept
    assert answer.json()["metadata"]["rights"][0]["id"] == "cc0-1.0"
    assert answer.json()["metadata"]["languages"][0]["id"] == "eng"


def test_an_update_objects_to_files_that_are_not_there_or_that_must_go(api, draft):
    assert list(fields(api.call("PUT", draft.path, json=document()))) == ["files.enabled"]
    draft.upload("a", b"1")
    assert fields(api.call("PUT", draft.path, json=document())) == {}
    answer = api.call("PUT", draft.path, json={**document(), "files": {"enabled": False}})
    assert (answer.status_code, list(fields(answer))) == (200, ["files.enabled"])
    assert set(draft.entries()) == {"a"}


def test_a_stale_revision_is_refused(api, draft):
    revision = draft.get().json()["revision_id"]
    assert api.call("PUT", draft.path, json=document(), headers={"If-Match": str(revision)}).status_code == 200
    answer = api.call("PUT", draft.path, json=document(title="Another"), headers={"If-Match": str(revision)})
    assert answer.status_code == 412
    assert draft.get().json()["metadata"]["title"] == metadata()["title"]
    assert api.call("DELETE", draft.path, headers={"If-Match": str(revision)}).status_code == 412
    assert api.call("PUT", draft.path, json=document(), headers={"If-Match": f'"{revision}"'}).status_code == 400


def test_a_deleted_draft_is_gone(api, draft):
    assert api.call("DELETE", draft.path).status_code == 204
    assert draft.get().status_code == 404
    assert api.call("DELETE", draft.path).status_code == 404


def test_nobody_and_strangers_may_do_nothing_with_a_draft(draft, stranger, nobody, server):
    wrong = Api(server.url, "not-a-token", name="wrong")
    for other in (stranger, nobody, wrong):
        for method, path in (
            ("GET", draft.path),
            ("PUT", draft.path),
            ("DELETE", draft.path),
            ("GET", f"{draft.path}/files"),
            ("POST", f"{draft.path}/files"),
            ("POST", f"{draft.path}/actions/publish"),
        ):
            body = (
                {"json": [{"key": "a"}] if path.endswith("files") else document()} if method in ("PUT", "POST") else {}
            )
            assert other.call(method, path, **body).status_code == 403, (method, path)
    for other in (nobody, wrong):
        assert other.call("POST", "/api/records", json=document()).status_code == 403
        assert other.call("GET", "/api/user/records").status_code == 403
        assert other.call("GET", "/api/records").status_code == 200


def test_an_unknown_record_is_not_found(api):
    for path in ("", "/draft", "/draft/files"):
        assert api.call("GET", f"/api/records/abcde-12345{path}").status_code == 404


# --- files, announced and sent


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


# --- limits


def status_of_announced(draft, key, announced):
    """Announce a body and send none of it: the limits answer before it is read."""
    connection = draft.begin_put(f"{draft.file(key)}/content", announced=announced, sent=b"")
    try:
        return int(connection.recv(100).split()[1])
    finally:
        connection.close()


def test_a_file_over_the_limit_is_refused_before_a_byte_is_read(draft):
    draft.init("huge")
    assert status_of_announced(draft, "huge", MAX_FILE + 1) == 413
    assert draft.entry("huge").json()["status"] == "pending"


def test_a_file_over_the_quota_is_refused_and_its_entry_stays(draft):
    draft.init("large")
    assert status_of_announced(draft, "large", QUOTA + 1) == 400
    assert draft.entry("large").json()["status"] == "pending"


def test_every_answer_tells_of_the_rate_limit(api, draft):
    for answer in (draft.get(), draft.entry("unknown"), api.call("GET", "/")):
        assert answer.headers["X-RateLimit-Limit"] == "500"
        assert 0 < int(answer.headers["X-RateLimit-Remaining"]) < 500
        assert 0 < int(answer.headers["Retry-After"]) <= 61


def test_the_rate_limit_counts_a_user_agent_not_a_token(server, api):
    greedy = Api(server.url, server.token, name="greedy")
    term = "/api/vocabularies/languages/eng"
    answers = [greedy.call("GET", term) for _ in range(502)]
    if all(answer.status_code == 200 for answer in answers):
        pytest.skip("this machine is too slow to make 500 requests in a minute")
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json() == {"message": "500 per 1 minute", "status": 429}
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert api.call("GET", term).status_code == 200


# --- multipart


def multipart(key, size, part_size, **more):
    parts = -(-size // part_size) if part_size else 1
    return {"key": key, "size": size, "transfer": {"type": "M", "parts": parts, "part_size": part_size}, **more}


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


def test_an_empty_multipart_file_is_refused_and_the_quota_is_not_asked(draft):
    for item in (multipart("m", 0, 0), {"key": "m", "transfer": {"type": "M", "parts": 1, "part_size": 5}}):
        answer = draft.init(item)
        assert (answer.status_code, answer.json()["message"]) == (400, "Multipart file transfer requires file size.")
    assert draft.init(multipart("m", 4 * QUOTA, QUOTA)).status_code == 201


# --- keys


@pytest.mark.parametrize(
    "key",
    [
        "žluťoučký kůň.pdf",
        "a b",
        "folder/inner/x.al",
        *("?", "#", "100%", "%2F", "\\", '"', "+", "tab\there"),
        "k" * 255,
        *("commit", "a/commit", "content"),
    ],
)
def test_a_key_goes_up_and_comes_back(draft, key):
    assert draft.upload(key, b"1")["key"] == key
    assert draft.entry(key).json()["key"] == key
    assert draft.content(key).content == b"1"
    link = draft.entries()[key]["links"]["content"]
    assert draft.api.call("GET", link).content == b"1"
    assert draft.delete(key).status_code == 204


def test_composed_and_decomposed_letters_are_two_keys(draft):
    draft.upload("\u017e", b"composed")
    draft.upload("z\u030c", b"decomposed")
    assert set(draft.entries()) == {"\u017e", "z\u030c"}
    assert draft.content("\u017e").content == b"composed"


@pytest.mark.parametrize("key", ["/abs", "new\nline", "", "k" * 256])
def test_a_key_can_be_announced_and_never_used(draft, key):
    assert draft.init(key).status_code == 201
    assert draft.put(key, b"1").status_code in (308, 400, 404)
    assert draft.entries()[key]["status"] == "pending"


def test_a_key_above_its_folder_is_announced_and_its_links_lead_elsewhere(draft):
    assert draft.init("../x").status_code == 201
    assert (
        draft.api.call("PUT", draft.entries()["../x"]["links"]["content"], data=b"1", headers=OCTETS).status_code != 200
    )


def test_a_key_that_ends_like_a_route_hides_its_metadata(draft):
    draft.upload("x/content", b"1")
    assert draft.entry("x/content").status_code == 404
    assert draft.delete("x/content").status_code == 204


def test_a_nul_in_a_key_is_a_server_error(draft):
    assert draft.init("a\0b").status_code == 500
    assert draft.entries() == {}


# --- publishing


def test_a_draft_without_files_cannot_be_published(draft):
    answer = draft.publish()
    assert answer.status_code == 400
    assert fields(answer)["files.enabled"].startswith("Missing uploaded files.")


def test_a_draft_with_a_pending_file_cannot_be_published(draft):
    draft.upload("a", b"1")
    draft.init("b")
    answer = draft.publish()
    assert (answer.status_code, fields(answer)) == (400, {"files": PENDING})


def test_a_draft_with_wrong_metadata_cannot_be_published(api):
    draft = api.create(creators=None, title=None)
    draft.upload("a", b"1")
    answer = draft.publish()
    assert answer.status_code == 400
    assert {"metadata.creators", "metadata.title"} <= fields(answer).keys()


def test_a_published_record_can_be_read_by_everybody_and_changed_by_nobody(draft, nobody):
    draft.upload("a b/c.txt", b"1")
    answer = draft.publish()
    assert answer.status_code == 202
    body = answer.json()
    assert (body["id"], body["is_published"], body["is_draft"], body["status"]) == (draft.id, True, False, "published")
    assert body["pids"]["doi"]["identifier"]
    assert body["links"]["self"] == f"{nobody.url}{draft.record}"
    assert nobody.call("GET", draft.record).json()["metadata"]["title"] == metadata()["title"]
    (entry,) = nobody.call("GET", f"{draft.record}/files").json()["entries"]
    assert (entry["key"], entry["checksum"], entry["status"]) == ("a b/c.txt", md5(b"1"), "completed")
    assert nobody.call("GET", entry["links"]["content"]).content == b"1"
    api = draft.api
    assert api.call("POST", f"{draft.record}/files", json=[{"key": "b"}]).status_code == 405
    assert api.call("DELETE", draft.record).status_code == 403
    assert draft.publish().status_code == 404
    assert draft.get().status_code == 404
    assert draft.init("b").status_code == 404
    assert draft.put("a b/c.txt", b"2").status_code == 404
    assert api.call("PUT", draft.path, json=document()).status_code == 404


def test_a_record_without_files_can_be_published(api):
    answer = api.call("POST", "/api/records", json={**document(), "files": {"enabled": False}})
    draft_path = f"/api/records/{answer.json()['id']}/draft"
    assert api.call("GET", f"{draft_path}/files").json()["enabled"] is False
    assert api.call("POST", f"{draft_path}/files", json=[{"key": "a"}]).status_code == 403
    assert api.call("POST", f"{draft_path}/actions/publish").status_code == 202


def test_a_draft_is_no_published_record(draft):
    assert draft.api.call("GET", draft.record).status_code == 404
    assert draft.api.call("GET", f"{draft.record}/files").status_code == 404


def test_metadata_of_a_published_record_are_changed_by_a_draft_whose_files_are_locked(api):
    draft = api.create()
    draft.upload("a", b"1")
    draft.publish()
    answer = api.call("POST", draft.path)
    assert (answer.status_code, answer.json()["id"], answer.json()["is_published"]) == (201, draft.id, True)
    assert draft.entries()["a"]["status"] == "completed"
    assert draft.put("a", b"2").status_code == 403
    assert draft.delete("a").status_code == 403
    assert api.call("PUT", draft.path, json=document(title="A better title")).status_code == 200
    assert api.call("GET", draft.record).json()["metadata"]["title"] == metadata()["title"]
    assert draft.publish().status_code == 202
    assert api.call("GET", draft.record).json()["metadata"]["title"] == "A better title"
    assert draft.content("a").status_code in (403, 404)
    assert api.call("GET", f"{draft.record}/files/a/content").content == b"1"


def test_a_new_version_starts_without_files_and_date(api):
    first = api.create()
    first.upload("a", b"1")
    first.publish()
    answer = api.call("POST", f"{first.record}/versions")
    assert answer.status_code == 201
    body = answer.json()
    assert body["id"] != first.id
    assert body["versions"]["index"] == 2
    assert "publication_date" not in body["metadata"]
    assert api.call("POST", f"{first.record}/versions").json()["id"] == body["id"]
    second = type(first)(api, body["id"])
    assert second.entries() == {}
    assert api.call("POST", f"{second.path}/actions/files-import").status_code == 201
    assert second.entries()["a"]["checksum"] == md5(b"1")
    assert api.call("POST", f"{second.path}/actions/files-import").status_code == 400
    assert "metadata.publication_date" in fields(second.publish())
    second.delete("a")
    second.upload("a", b"2")
    api.call("PUT", second.path, json=document())
    assert second.publish().status_code == 202
    assert api.call("GET", f"{first.record}/files/a/content").content == b"1"
    assert api.call("GET", f"{second.record}/files/a/content").content == b"2"


def test_the_same_identifier_is_published_twice_without_a_word(api):
    identifiers = [{"identifier": new_identifier(), "scheme": "url"}]
    for _ in range(2):
        draft = api.create(identifiers=identifiers)
        draft.upload("a", b"1")
        assert draft.publish().status_code == 202


def test_a_doi_that_another_record_has_is_objected_to_and_refused(api):
    doi = f"10.7483/OPENDATA.TEST.{time.time_ns()}"
    pids = {"doi": {"identifier": doi, "provider": "external"}}
    first, second = (api.call("POST", "/api/records", json={**document(), "pids": pids}) for _ in range(2))
    assert (first.status_code, fields(first)) == (201, {})
    drafts = [type(api.create())(api, answer.json()["id"]) for answer in (first, second)]
    for draft in drafts:
        draft.upload("a", b"1")
    assert drafts[0].publish().status_code == 202
    late = api.call("POST", "/api/records", json={**document(), "pids": pids})
    assert (late.status_code, list(fields(late))) == (201, ["pids.doi"])
    assert drafts[1].publish().status_code == 400


# --- search


def test_ones_own_drafts_and_records_are_found_by_an_identifier(api, stranger, nobody):
    identifier = new_identifier()
    draft = api.create(identifiers=[{"identifier": identifier, "scheme": "url"}])
    hit = eventually(lambda: api.search("/api/user/records", identifier)["hits"]["hits"])[0]
    assert (hit["id"], hit["is_draft"], hit["links"]["self"]) == (draft.id, True, f"{api.url}{draft.path}")
    assert api.search("/api/records", identifier)["hits"]["total"] == 0
    assert stranger.search("/api/user/records", identifier)["hits"]["total"] == 0
    draft.upload("a", b"1")
    draft.publish()
    assert eventually(lambda: nobody.search("/api/records", identifier)["hits"]["hits"])[0]["id"] == draft.id
    mine = eventually(lambda: api.search("/api/user/records", identifier, is_published="true")["hits"]["hits"])
    assert [hit["id"] for hit in mine] == [draft.id]
    assert stranger.search("/api/user/records", identifier)["hits"]["total"] == 0


def test_a_deleted_draft_is_not_found_any_more(api):
    identifier = new_identifier()
    draft = api.create(identifiers=[{"identifier": identifier, "scheme": "url"}])
    eventually(lambda: api.search("/api/user/records", identifier)["hits"]["total"] == 1)
    api.call("DELETE", draft.path)
    eventually(lambda: api.search("/api/user/records", identifier)["hits"]["total"] == 0)


def test_a_search_finds_longer_identifiers_too(api):
    identifier = new_identifier()
    longer = api.create(identifiers=[{"identifier": f"{identifier}/files", "scheme": "url"}])
    hits = eventually(lambda: api.search("/api/user/records", identifier)["hits"]["hits"])
    assert [hit["id"] for hit in hits] == [longer.id]


def test_only_the_latest_version_is_found_unless_all_are_asked_for(api):
    identifier = new_identifier()
    identifiers = [{"identifier": identifier, "scheme": "url"}]
    first = api.create(identifiers=identifiers)
    first.upload("a", b"1")
    first.publish()
    second = type(first)(api, api.call("POST", f"{first.record}/versions").json()["id"])
    second.upload("a", b"2")
    api.call("PUT", second.path, json=document(identifiers=identifiers))
    second.publish()
    eventually(lambda: [hit["id"] for hit in api.search("/api/records", identifier)["hits"]["hits"]] == [second.id])
    assert api.search("/api/records", identifier, allversions="true")["hits"]["total"] == 2


def test_pages_are_given_and_impossible_ones_refused(api):
    identifier = new_identifier()
    for _ in range(3):
        api.create(identifiers=[{"identifier": identifier, "scheme": "url"}])
    eventually(lambda: api.search("/api/user/records", identifier)["hits"]["total"] == 3)
    first = api.search("/api/user/records", identifier, size="2")
    assert len(first["hits"]["hits"]) == 2
    second = api.call("GET", first["links"]["next"]).json()
    assert len(second["hits"]["hits"]) == 1
    assert "next" not in second["links"]
    assert api.call("GET", "/api/records", params={"size": "0"}).status_code == 400
    assert api.call("GET", "/api/records", params={"size": "1000", "page": "100"}).status_code == 400
    assert api.call("GET", "/api/records", params={"q": 'a:b:c"'}).status_code == 400


# --- vocabularies, communities


def test_a_vocabulary_tells_whether_it_has_an_id(api):
    for path in ("resourcetypes/dataset", "licenses/cc0-1.0", "languages/eng", "relationtypes/isdocumentedby"):
        assert api.call("GET", f"/api/vocabularies/{path}").json()["id"] == path.split("/")[1]
    assert api.call("GET", "/api/vocabularies/licenses/no-such-licence").status_code == 404


def test_a_draft_goes_through_the_review_of_a_community(api, stranger):
    slug = f"c{time.time_ns()}"
    given = {
        "slug": slug,
        "metadata": {"title": "Tests"},
        "access": {"visibility": "public", "review_policy": "closed"},
    }
    community = stranger.call("POST", "/api/communities", json=given)
    assert community.status_code == 201, community.text
    assert api.call("GET", "/api/communities/no-such").status_code == 404
    found = api.call("GET", f"/api/communities/{slug}").json()["id"]
    draft = api.create()
    draft.upload("a", b"1")
    assert api.call("GET", f"{draft.path}/review").status_code == 404
    proposal = {"receiver": {"community": found}, "type": "community-submission"}
    answer = api.call("PUT", f"{draft.path}/review", json=proposal)
    assert (answer.status_code, answer.json()["status"]) == (200, "created")
    assert draft.publish().status_code == 400
    submitted = api.call("POST", f"{draft.path}/actions/submit-review", json={})
    assert (submitted.status_code, submitted.json()["status"], submitted.json()["is_open"]) == (202, "submitted", True)
    request = submitted.json()["links"]["self"]
    assert api.call("POST", f"{request}/actions/accept", json={}).status_code == 403
    accepted = stranger.call("POST", f"{request}/actions/accept", json={})
    assert (accepted.status_code, accepted.json()["status"]) == (200, "accepted")
    assert api.call("GET", draft.record).json()["parent"]["communities"]["ids"] == [found]
    assert api.call("GET", request).json()["status"] == "accepted"


# --- the lost answer


def test_an_answer_that_nobody_waited_for_leaves_its_effect(api):
    draft = api.create()
    draft.init("a")
    connection = draft.begin_put(f"{draft.file('a')}/content", announced=3, sent=b"abc")
    time.sleep(0.5)
    connection.close()
    assert draft.commit("a").json()["checksum"] == md5(b"abc")
