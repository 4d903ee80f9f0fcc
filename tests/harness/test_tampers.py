"""Whatever is changed after a run is found, and nothing is told of what was not: dozens of changes, many by `long`."""

import random
from functools import partial
from pathlib import Path

import pytest
from generated_records import put_below, redirect
from sandbox_here import sandbox_here

from ferry.errors import FerryError
from ferry.steps.audit import audit_all
from ferry.steps.audit_records import Audit
from ferry.steps.check import check_all
from ferry.steps.check_records import Scope
from harness.records import MAX_FILES, write_records
from harness.tampers import tamper_here
from harness.tampers_there import decay_there, tamper_there
from workflow.conftest import Flow
from workflow.test_chain import assert_ok

pytestmark = pytest.mark.slow

RECORDS = 12
AMOUNTS = ["few", pytest.param("many", marks=[pytest.mark.long, pytest.mark.timeout(7200)])]
SEEDS = {"few": range(30), "many": range(1000)}
"""Each for changes here and for changes there, and in two folders."""
RESULTS, DATA = Path("results"), Path("data")


@pytest.fixture(scope="module", params=["file, published", "stream, drafts"])
def carried(request, tmp_path_factory):
    """Give a folder whose records of all kinds are public, or drafts, the repository that has them, and the recids."""
    flow = Flow(folder=tmp_path_factory.mktemp("carried"))
    recids = write_records(flow.folder, random.Random(5), put_below(flow.folder / "far"), records=RECORDS)
    mode, finish = {"file, published": ("file", "publish"), "stream, drafts": ("stream", "draft")}[request.param]
    with sandbox_here(flow.folder / "repository") as here:
        flow.environment = {"NRP_TOKEN": here.token}
        flow.config = {
            "source": {"redirects": redirect(flow.folder / "far")},
            "package": {"max_files": MAX_FILES, "mode": mode},
            "repository": {
                "url": here.url,
                "finish": finish,
                "requests_per_minute": None,
                "requests_per_hour": None,
            },
        }
        assert_ok(flow.run())
        assert_ok(flow.run("audit"))
        yield flow, here, recids


@pytest.fixture
def looking(carried, monkeypatch):
    """Be in the folder, with the repository's token."""
    flow, here, recids = carried
    monkeypatch.chdir(flow.folder)
    monkeypatch.setenv("NRP_TOKEN", here.token)
    return flow, here, recids


def check(flow, recids):
    """Do what `snakemake check` does, in this process; return what it found that must not be, "" if all holds."""
    try:
        scope = Scope(
            recids=recids,
            publish=flow.config["repository"]["finish"] == "publish",
            settings={"transform": "", "package": ""},  # counts records of other settings only
            reads_bytes=True,
            threads=2,
            logs_dir=Path("logs"),
            results_dir=RESULTS,
            data_dir=DATA,
        )
        check_all(scope, table_path=Path("check.csv"))
    except FerryError as error:
        return f"{error}\n{Path('check.csv').read_text(encoding='utf-8')}"
    return ""


def audit(flow, recids, *, read_back=0.0):
    """Do what `snakemake audit` does, in this process; return as `check`."""
    made = Audit(
        repository={"verify_tls": True, "model": None, **flow.config["repository"]},
        settings={"stall_s": 10, "attempts": 1, "parallel_files": 4},
        identifier_prefix=None,
        read_back=read_back,
        publish=flow.config["repository"]["finish"] == "publish",
        results_dir=RESULTS,
        data_dir=DATA,
        logs_dir=Path("logs"),
        sandbox_dir=DATA / "sandbox",
    )
    try:
        audit_all(made, recids, seed=1, results_dir=RESULTS, table_path=Path("audit.csv"))
    except FerryError as error:
        return f"{error}\n{Path('audit.csv').read_text(encoding='utf-8')}"
    return ""


def missed(seeds, tamper, look):
    """Return what was changed and not told by its name, and alarms about what is whole again."""
    wrong = []
    for seed in seeds:
        done = tamper(random.Random(seed))
        found = look()
        done.undo()
        if done.named not in found:
            wrong.append((seed, done.what, found[:300]))
        if alarm := look():
            wrong.append((seed, f"undone: {done.what}", alarm[:300]))
    return wrong


@pytest.mark.parametrize("amount", AMOUNTS)
def test_each_change_of_receipts_proofs_and_bytes_at_hand_is_found_by_the_check(looking, amount):
    flow, _, recids = looking
    assert check(flow, recids) == ""
    assert missed(SEEDS[amount], lambda chance: tamper_here(flow.folder, chance), lambda: check(flow, recids)) == []


@pytest.mark.parametrize("amount", AMOUNTS)
def test_each_change_of_what_the_repository_has_is_found_by_the_audit(looking, amount):
    flow, here, recids = looking
    assert audit(flow, recids) == ""
    assert missed(SEEDS[amount], lambda chance: tamper_there(here.site, chance), lambda: audit(flow, recids)) == []


@pytest.mark.parametrize("amount", AMOUNTS)
def test_each_byte_that_decays_in_the_repository_is_found_by_an_audit_that_reads_all_back(looking, amount):
    flow, here, recids = looking
    assert audit(flow, recids, read_back=1.0) == ""
    assert check(flow, recids) == "", "proofs tell of what was read back, and still fit"
    seeds = list(SEEDS[amount])[: len(SEEDS[amount]) // 3]  # each reads everything twice
    look = partial(audit, flow, recids, read_back=1.0)
    assert missed(seeds, lambda chance: decay_there(here.site, chance), look) == []
