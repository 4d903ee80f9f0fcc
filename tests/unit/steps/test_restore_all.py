"""Restoring what a list or a query names."""

from types import SimpleNamespace

import pytest

from ferry.errors import PermanentError
from ferry.steps.restore import restore_all


async def nothing(_recids, *, query):
    return []


def test_a_list_without_a_record_is_nothing_to_restore_and_a_query_that_finds_none_is_an_error(tmp_path):
    restore, table = SimpleNamespace(run=nothing), tmp_path / "restore.csv"
    told = restore_all(restore, [], query=None, table_path=table)
    assert (told, table.exists()) == ("0 records to restore: the list names none", False)
    with pytest.raises(PermanentError, match=r"restore\.query: expected records of ours that fit 'delphi', found none"):
        restore_all(restore, [], query="delphi", table_path=table)
