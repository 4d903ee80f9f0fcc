"""Names of files: which work, and which can be announced and never used."""

import pytest

from servers.raw_api import OCTETS


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
def test_a_key_can_be_announced_and_never_used(draft, flavour, key):
    assert draft.init(key).status_code == 201
    assert draft.put(key, b"1").status_code in flavour.unusable_keys
    assert draft.entries()[key]["status"] == "pending"


def test_a_key_above_its_folder_is_announced_and_its_links_lead_elsewhere(draft):
    assert draft.init("../x").status_code == 201
    link = draft.entries()["../x"]["links"]["content"]
    assert draft.api.call("PUT", link, data=b"1", headers=OCTETS).status_code != 200


def test_a_key_that_ends_like_a_route_hides_its_metadata(draft):
    draft.upload("x/content", b"1")
    assert draft.entry("x/content").status_code == 404
    assert draft.delete("x/content").status_code == 204


def test_a_nul_in_a_key_is_a_server_error(draft):
    assert draft.init("a\0b").status_code == 500
    assert draft.entries() == {}
