"""Search and vocabularies."""

from servers.raw_api import eventually, new_identifier


def word(identifier):
    """Return one word that stands for the identifier, for a title."""
    return "n" + "".join(filter(str.isdecimal, identifier))


def published(api, flavour, identifier, **query):
    """Search what is published for an identifier, or for its word in the title where an identifier finds nothing."""
    if flavour.public_search_takes_addresses:
        return api.search("/api/records", identifier, **query)["hits"]
    words = {"q": f"metadata.title:{word(identifier)}", **query}
    return api.call("GET", "/api/records", params=words).json()["hits"]


def test_ones_own_drafts_and_records_are_found_by_an_identifier(api, stranger, nobody, flavour):
    identifier = new_identifier()
    draft = api.create(identifiers=[{"identifier": identifier, "scheme": "url"}], title=word(identifier))
    hit = eventually(lambda: api.search("/api/user/records", identifier)["hits"]["hits"])[0]
    self_link = f"{api.url}/api/{flavour.model}/{draft.id}/draft"
    assert (hit["id"], hit["is_draft"], hit["links"]["self"]) == (draft.id, True, self_link)
    assert api.search("/api/records", identifier)["hits"]["total"] == 0
    assert stranger.search("/api/user/records", identifier)["hits"]["total"] == 0
    draft.upload("a", b"1")
    draft.publish()
    assert eventually(lambda: published(nobody, flavour, identifier)["hits"])[0]["id"] == draft.id
    mine = eventually(lambda: api.search("/api/user/records", identifier, is_published="true")["hits"]["hits"])
    assert [hit["id"] for hit in mine] == [draft.id]
    assert stranger.search("/api/user/records", identifier)["hits"]["total"] == 0


def test_a_deleted_draft_is_not_found_any_more(api):
    identifier = new_identifier()
    draft = api.create(identifiers=[{"identifier": identifier, "scheme": "url"}])
    eventually(lambda: api.search("/api/user/records", identifier)["hits"]["total"] == 1)
    api.call("DELETE", draft.path)
    eventually(lambda: api.search("/api/user/records", identifier)["hits"]["total"] == 0)


def test_a_search_finds_longer_identifiers_too_or_the_very_one_only(api, flavour):
    identifier = new_identifier()
    longer = api.create(identifiers=[{"identifier": f"{identifier}/files", "scheme": "url"}])
    eventually(lambda: api.search("/api/user/records", f"{identifier}/files")["hits"]["hits"])
    hits = api.search("/api/user/records", identifier)["hits"]["hits"]
    assert [hit["id"] for hit in hits] == ([longer.id] if flavour.finds_longer_identifiers else [])


def test_a_search_for_either_of_two_finds_each_and_a_field_that_no_record_has_finds_nothing(api):
    first, second = new_identifier(), new_identifier()
    made = {api.create(identifiers=[{"identifier": each, "scheme": "url"}]).id for each in (first, second)}
    escaped = [each.replace("/", r"\/") for each in (first, second)]
    either = " OR ".join(f'metadata.identifiers.identifier:"{each}"' for each in escaped)

    def found(query):
        hits = api.call("GET", "/api/user/records", params={"q": query, "shared_with_me": "false"}).json()["hits"]
        return {hit["id"] for hit in hits["hits"]}

    eventually(lambda: found(either) == made)
    one = found(f'metadata.identifiers.identifier:"{escaped[0]}" OR metadata.recid:9200000')
    assert len(one) == 1
    assert one < made
    assert found("metadata.recid:9200000") == set()


def test_a_search_of_what_is_published_takes_an_address_or_finds_nothing(api, nobody, flavour):
    identifier = new_identifier()
    draft = api.create(identifiers=[{"identifier": identifier, "scheme": "url"}], title=word(identifier))
    draft.upload("a", b"1")
    draft.publish()
    eventually(lambda: published(nobody, flavour, identifier)["total"] == 1)
    found = nobody.search("/api/records", identifier)["hits"]["total"]
    assert found == (1 if flavour.public_search_takes_addresses else 0)


def test_only_the_latest_version_is_found_unless_all_are_asked_for(api, flavour):
    identifier = new_identifier()
    given = {"identifiers": [{"identifier": identifier, "scheme": "url"}], "title": word(identifier)}
    first = api.create(**given)
    first.upload("a", b"1")
    first.publish()
    second = type(first)(api, api.call("POST", f"{first.record}/versions").json()["id"])
    second.upload("a", b"2")
    api.call("PUT", second.path, json=api.document(**given))
    second.publish()
    eventually(lambda: [hit["id"] for hit in published(api, flavour, identifier)["hits"]] == [second.id])
    assert published(api, flavour, identifier, allversions="true")["total"] == 2


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


def test_a_vocabulary_tells_whether_it_has_an_id(api, flavour):
    for path in flavour.words.known:
        assert api.call("GET", f"/api/vocabularies/{path}").json()["id"] == path.split("/")[1]
    assert api.call("GET", "/api/vocabularies/licenses/no-such-licence").status_code == 404
