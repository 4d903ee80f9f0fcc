"""The other side of `make bench-scale` still does what the rules do; a benchmark that nobody runs would not tell."""

import pytest

from bench.whole_chain import by_asyncio, by_snakemake, records_on_server, uploaded
from servers.xrootd_server import need_xrootd

pytestmark = pytest.mark.xrootd


def test_one_asyncio_process_brings_what_the_workflow_brings():
    need_xrootd()
    sizes = {100_001: [1000, 2000], 100_002: [30]}
    with records_on_server(sizes) as records:
        _, by_one_process = by_asyncio(records)
        _, by_rules = by_snakemake(records, cores=2)
        brought = uploaded(by_one_process, records)
        assert brought == uploaded(by_rules, records)
        with_attachments = [2 + 2, 1 + 2]  # the record's own metadata and the RO-Crate
        assert [len(files) for files in brought.values()] == with_attachments
