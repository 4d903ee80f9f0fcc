"""A site that takes no records without files and no files without bytes, as many NRP repositories are set."""

import pytest

from sandbox import launcher
from sandbox.settings import Settings
from servers.flavours import CCMM1
from servers.raw_api import Api, Draft, fields

STRICT = {"metadata_only": False, "empty_files": False}


@pytest.fixture(scope="module", params=["sandbox-nrp", pytest.param("nrp", marks=pytest.mark.nrp)])
def strict(request, tmp_path_factory):
    """One user of such a site."""
    if request.param == "nrp":
        started = request.getfixturevalue("nrp_with")(**STRICT)
        yield Api(started.url, started.token, words=CCMM1.words)
        return
    started = launcher.start(tmp_path_factory.mktemp("strict"), settings=Settings(flavour="nrp", **STRICT))
    yield Api(started.url, started.token, words=CCMM1.words)
    started.stop()


def test_a_record_that_says_it_has_no_files_is_objected_to_under_a_201_and_cannot_be_published(strict):
    answer = strict.call("POST", "/api/records", json={**strict.document(), "files": {"enabled": False}})
    assert (answer.status_code, answer.json()["files"]["enabled"]) == (201, True)
    assert fields(answer) == {"files.enabled": "You don't have permissions to manage files options."}
    assert Draft(strict, answer.json()["id"]).publish().status_code == 400


def test_a_file_of_no_bytes_is_refused_when_it_is_committed(strict):
    draft = strict.create()
    draft.init("empty")
    assert draft.put("empty", b"").status_code == 200
    answer = draft.commit("empty")
    assert (answer.status_code, answer.json()["message"]) == (400, "Empty files are not accepted.")
    assert draft.entry("empty").json()["status"] == "pending"
