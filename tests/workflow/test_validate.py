"""`snakemake validate`: nothing is downloaded, everything is told, and a refusal is the exit status."""

import pytest

from workflow.test_chain import MANUAL, assert_ok, first_record


@pytest.mark.smoke
def test_validation_moves_nothing_and_fails_only_if_a_record_would_be_refused(flow):
    flow.want(MANUAL)
    done = flow.run("validate")
    assert_ok(done)
    assert "1 record for rdm-plain: 1 valid" in done.stdout
    document = flow.metadata(MANUAL)
    first_record(document).pop("title")
    flow.write_metadata(MANUAL, document)
    refused = flow.run("validate")
    assert refused.returncode != 0
    assert "1 refused" in refused.stdout + refused.stderr
    assert "title  a text    none" in refused.stdout + refused.stderr
    assert not (flow.folder / "data" / str(MANUAL)).exists()
    assert not (flow.folder / "results" / "stats.csv").exists()
