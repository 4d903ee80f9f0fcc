"""What a community of a real InvenioRDM decides about records and their versions."""

import time

import pytest

from ferry.repository.errors import DeclinedError
from servers.nrp.server import NrpRepository
from servers.raw_api import Api
from servers.reviewing import Case

pytestmark = pytest.mark.rdm


@pytest.fixture
def case(invenio, tmp_path):
    """Give a new record for a community whose owner decides."""
    slug = f"c{time.time_ns()}"
    owner = Api(invenio.url, invenio.other_token)
    access = {"visibility": "public", "review_policy": "closed"}
    assert (
        owner.call(
            "POST", "/api/communities", json={"slug": slug, "metadata": {"title": "DELPHI"}, "access": access}
        ).status_code
        == 201
    )
    here = NrpRepository(
        url=invenio.url,
        token=invenio.token,
        other_token=invenio.other_token,
        curator_token=invenio.other_token,
        folder=invenio.folder,
        base="rdm",
        model="records",
    )
    return Case(here, tmp_path, {"community": slug})


def test_a_declined_record_fails_with_the_reviewer_s_words_until_it_is_corrected_and_is_then_in_review_again(case):
    first = case.publish()
    assert case.publish() == first
    case.decide(first, "decline", "Please name the detector.")
    with pytest.raises(DeclinedError, match=r"who say: Please name the detector\.; correct the record"):
        case.publish()
    case.title = "A record of the DELPHI detector"
    second = case.publish()
    assert (second["state"], second["record_id"]) == ("in_review", first["record_id"])
    case.decide(second, "accept")
    assert case.publish()["state"] == "published"
    assert case.read(first["record_id"])["metadata"]["title"] == case.title


def test_a_new_version_of_a_community_s_record_is_published_directly_and_stays_in_it(case):
    case.decide(case.publish(), "accept")
    first = case.publish()
    case.settings["when_published"] = "new_version"
    case.contents["a.al"] = b"second"
    second = case.publish()
    assert (second["state"], second["request"]) == ("published", None)
    assert second["record_id"] != first["record_id"]
    ids = case.read(first["record_id"])["parent"]["communities"]["ids"]
    assert case.read(second["record_id"])["parent"]["communities"]["ids"] == ids
