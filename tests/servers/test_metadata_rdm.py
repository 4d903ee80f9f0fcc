"""Metadata of real records, of all experiments and kinds: a real InvenioRDM objects to nothing and keeps everything."""

import asyncio
import contextlib

import pytest

from ferry.errors import TransientError
from ferry.mapping.diff import diff_records
from ferry.mapping.transform import transform_record
from ferry.mapping.work import MappingOptions
from ferry.repository.client import Repository
from ferry.repository.discovery import discover
from ferry.retry import RetryPolicy
from ferry.source.facts import source_facts
from real_metadata import real_metadata
from servers.depositing import deposit, document, own_recid
from servers.raw_api import Api

pytestmark = [pytest.mark.rdm, pytest.mark.timeout(1200)]

LEAST = 60
APART = 10**8
"""Added to the recids: other tests carry the same records into the same repository."""


def chosen():
    """One record of each experiment and kind, then others up to the least number."""
    records = real_metadata()
    kinds = {}
    for record in records:
        facts = source_facts(record)
        kinds.setdefault((facts["experiment"], facts["type_primary"], facts["type_secondary"]), record)
    one_each = list(kinds.values())
    return one_each + [record for record in records if record not in one_each][: max(0, LEAST - len(one_each))]


def test_every_field_is_taken_published_and_read_back_as_it_was_sent(invenio):
    records = chosen()
    assert len(records) >= LEAST
    assert {source_facts(record)["experiment"] for record in records} >= {
        "DELPHI", "CMS", "ATLAS", "ALICE", "LHCb", "OPERA", "JADE", "PHENIX", "TOTEM"
    }  # fmt: skip

    async def carry():
        info = await discover(url=invenio.url, verify_tls=True)
        retry, wrong = RetryPolicy(), {}
        async with Repository(name=invenio.url, url=invenio.url, token=invenio.token, info=info) as repository:
            for record in records:
                recid = APART + int(record["recid"])
                source = {"recid": recid, "origin": "metadata", "record": record, "files": []}
                ours = transform_record(source=source, profile="rdm-plain", options=MappingOptions()).record
                draft = await retry.retried(lambda ours=ours: repository.create(ours, workflow=None))
                with contextlib.suppress(TransientError):  # an answer may be lost: what counts is what is read back
                    await repository.publish(draft)
                live = await retry.retried(lambda draft=draft: repository.read_published(draft.id))
                if draft.errors or diff_records(ours, live.document):
                    wrong[recid] = (draft.errors, diff_records(ours, live.document))
        return wrong

    assert asyncio.run(carry()) == {}


def test_the_file_that_somebody_has_chosen_to_be_shown_first_stays_chosen_when_the_metadata_change(invenio, tmp_path):
    recid = own_recid()
    record_id = deposit(invenio, tmp_path, recid=recid).receipt["record_id"]
    api, path = Api(invenio.url, invenio.token), f"/api/records/{record_id}/draft"
    chosen = {"enabled": True, "default_preview": "deep/b 1.pdf"}
    assert not api.call("PUT", path, json={**document(recid=recid), "files": chosen}).json().get("errors")
    corrected = document(title="A corrected manual", recid=recid)
    assert deposit(invenio, tmp_path, recid=recid, doc=corrected).receipt["record_id"] == record_id
    shown = api.call("GET", path).json()
    assert shown["metadata"]["title"] == "A corrected manual"
    assert shown["files"]["default_preview"] == "deep/b 1.pdf"
