"""Metadata of real records of all kinds: a real NRP repository on CCMM 1 objects to nothing and keeps everything."""

import asyncio

import pytest

from ferry.mapping.diff import diff_records
from ferry.mapping.transform import transform_record
from ferry.mapping.work import MappingOptions
from ferry.repository.client import Repository
from ferry.repository.discovery import discover
from real_metadata import real_metadata

pytestmark = [pytest.mark.nrp, pytest.mark.timeout(600)]

CHOSEN = (81507, 80508, 12220, 93910, 212, 2618, 26265, 456)
"""A collection, several years, derived data, more events than fit, no rights, a trigger, a note, TeX in names."""
APART = 2 * 10**8


@pytest.mark.parametrize("date_descriptions", [None, "text"])
def test_every_field_is_taken_and_read_back_as_it_was_sent(nrp, date_descriptions):
    records = {int(record["recid"]): record for record in real_metadata()}

    async def carry():
        info = await discover(url=nrp.url, verify_tls=True)
        wrong = {}
        async with Repository(name=nrp.url, url=nrp.url, token=nrp.token, info=info, model=nrp.model) as repository:
            for recid in CHOSEN:
                source = {"recid": APART + recid, "origin": "metadata", "record": records[recid], "files": []}
                options = MappingOptions(date_descriptions=date_descriptions)
                ours = transform_record(source=source, profile=nrp.base, options=options).record
                draft = await repository.create(ours, workflow=None)
                live = await repository.read_draft(draft.id)
                if draft.errors or diff_records(ours, live.document):
                    wrong[recid] = (draft.errors, diff_records(ours, live.document))
                await repository.delete_draft(draft)
        return wrong

    assert asyncio.run(carry()) == {}
