"""The schemas of the targets say what the profiles say, and their ids are the servers' own."""

import pytest

from dev.target_schemas import target_schema
from ferry.mapping.profiles import PROFILES
from ferry.schemas import load_schema


@pytest.mark.parametrize("name", PROFILES)
def test_the_schema_in_the_tree_is_the_one_that_make_schemas_would_write(name: str) -> None:
    assert load_schema(f"target/{name}") == target_schema(PROFILES[name])


@pytest.mark.parametrize("name", PROFILES)
def test_every_id_of_a_profile_is_in_the_vocabulary_of_its_server(name: str) -> None:
    profile, vocabulary = PROFILES[name], load_schema(f"vocabularies/{PROFILES[name].vocabulary}")
    for table, ids in (
        (profile.resource_types, "resource_types"),
        (profile.licenses, "licenses"),
        (profile.dates, "date_types"),
        (profile.relations, "relation_types"),
        (profile.roles, "contributor_roles"),
    ):
        assert set(table.values()) <= set(vocabulary[ids])
