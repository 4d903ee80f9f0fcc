"""The workflow reads from a real XRootD server by a config file alone."""

import pandas as pd
import pytest

import small_records
from servers.xrootd_server import need_xrootd, running_server
from workflow.conftest import Flow

pytestmark = [pytest.mark.slow, pytest.mark.xrootd]


def test_records_are_read_from_a_real_xrootd_server_and_a_missing_file_fails_its_record_alone(tmp_path):
    need_xrootd()
    flow = Flow(folder=tmp_path)
    with running_server() as server:
        flow.config = {"source": {"redirects": {small_records.SOURCE_PREFIX: server.prefix}}}
        for recid in (80502, 81642, 81023):
            document = small_records.with_small_files(
                small_records.load(recid), lambda path, data: server.put(path.removeprefix("eos/opendata/"), data)
            )
            flow.write_metadata(recid, document)
        flow.want(80502, 81642, 81023)
        missing = next(server.export.rglob("*.pdf"))
        content = missing.read_bytes()
        missing.unlink()
        assert flow.run().returncode != 0
        stats = flow.stats()
        assert dict(stats["status"]) == {80502: "failed", 81642: "ok", 81023: "ok"}
        assert missing.name in stats.loc[80502, "error"]
        server.put(str(missing.relative_to(server.export)), content)
        assert flow.run().returncode == 0
    assert set(flow.stats()["status"]) == {"ok"}
    assert pd.read_parquet(tmp_path / "results" / "files.parquet")["verified"].all()
