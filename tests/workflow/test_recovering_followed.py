"""docs/recovering.md followed to the letter, from top to bottom: what happens to records is done, then what it says."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from pages import blocks, clone, follow
from record_portal import record_portal

from sandbox import launcher
from sandbox.settings import Settings
from servers.raw_api import Api
from workflow.conftest import ROOT
from workflow.test_chain import COLLISION
from workflow.test_pages_followed import rows

pytestmark = pytest.mark.timeout(900)

PAGE = "docs/recovering.md"
AGAIN, CHECK, MEND, PROOF, AUDIT, MEND_AUDITED, MEND_UNANSWERED, REMOVE = blocks(PAGE)
WRONG, UNTITLED, OF_PORTAL = 80505, 81592, 81494
RECIDS = [int(path.stem) for path in (ROOT / "metadata").glob("*.json")]


@dataclass
class Folder:
    """A clone with the demo, a repository that outlives its runs, and a portal that has one of the records."""

    path: Path
    api: Api

    def does(self, commands: str) -> str:
        """Follow commands that go well; return what they tell."""
        done = follow(self.path, f"alias snakemake=.venv/bin/snakemake\n{commands}")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fails(self, commands: str) -> str:
        """Follow commands that are to fail; return what they tell."""
        done = follow(self.path, f"alias snakemake=.venv/bin/snakemake\n{commands}")
        assert done.returncode != 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def set(self, changes: dict) -> None:
        """Change config.yaml."""
        path = self.path / "config.yaml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        for part, values in changes.items():
            config[part] |= values
        path.write_text(yaml.safe_dump(config), encoding="utf-8")

    def receipt(self, recid: int, name: str) -> Path:
        """Return the path of a receipt."""
        return self.path / "results" / str(recid) / f"{name}.json"

    def record_id(self, recid: int) -> str:
        """Return the id of a record's draft."""
        return json.loads(self.receipt(recid, "upload").read_bytes())["record_id"]

    def statuses(self) -> dict[int, str]:
        """Return what became of each record of the last run."""
        return {int(row["recid"]): row["status"] for row in rows(self.path / "results" / "stats.csv")}


@pytest.fixture
def folder(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Folder]:
    clone(tmp_path)
    server = launcher.start(tmp_path_factory.mktemp("repository"), settings=Settings(rate_limits=()))
    monkeypatch.setenv("NRP_TOKEN", server.token)
    path = tmp_path / "metadata" / f"{OF_PORTAL}.json"
    document = json.loads(path.read_bytes())
    record = document.get("metadata", document)
    path.unlink()
    try:
        with record_portal({OF_PORTAL: record}) as portal:
            made = Folder(tmp_path, Api(server.url, server.token))
            made.set({"repository": {"url": server.url}, "metadata": {"portal": portal.url}})
            made.change_on_portal = lambda **changes: portal.change(
                OF_PORTAL, {**record, **changes}, "2026-01-01T00:00:00+00:00"
            )
            yield made
    finally:
        server.stop()


def inline(command: str) -> str:
    """Return a command that stands within a sentence of the page."""
    assert f"`{command}`" in re.sub(r"\s+", " ", (ROOT / PAGE).read_text(encoding="utf-8")), command
    return command


def test_what_failed_is_carried_again_by_itself_and_gets_through_once_it_is_mended(folder):
    right = {}
    for recid in (WRONG, UNTITLED):
        path = folder.path / "metadata" / f"{recid}.json"
        right[path] = path.read_bytes()
        document = json.loads(right[path])
        record = document.get("metadata", document)
        if recid == WRONG:
            record["files"][0]["checksum"] = "adler32:00000001"
        else:
            record["title"] = ""
        path.write_text(json.dumps(document), encoding="utf-8")
    told = folder.fails("snakemake --cores 2")
    assert "6 ok, 2 failed" in told
    reasons = {int(row["recid"]): row["error_type"] for row in rows(folder.path / "results" / "failures.csv")}
    assert reasons == {WRONG: "IntegrityError", UNTITLED: "MetadataError"}

    (folder.path / "again.yaml").write_text(AGAIN.text, encoding="utf-8")
    folder.fails(inline("snakemake --cores 2 --configfile again.yaml"))
    assert folder.statuses() == {WRONG: "failed", UNTITLED: "failed"}
    folder.does(inline("cp results/failures.csv again.csv"))
    (folder.path / "again.yaml").write_text(AGAIN.text.replace("results/failures.csv", "again.csv"), encoding="utf-8")
    path = folder.path / "metadata" / f"{WRONG}.json"
    path.write_bytes(right[path])
    folder.fails("snakemake --cores 2 --configfile again.yaml")
    assert folder.statuses() == {WRONG: "ok", UNTITLED: "failed"}
    corrections = folder.path / "metadata" / "corrections"
    corrections.mkdir(exist_ok=True)
    (corrections / f"{UNTITLED}.yaml").write_text("title: Simulated events\n", encoding="utf-8")
    folder.does("snakemake --cores 2 --configfile again.yaml")
    assert folder.statuses() == {WRONG: "ok", UNTITLED: "ok"}
    folder.does("snakemake --cores 2")
    assert set(folder.statuses().values()) == {"ok"}

    folder.change_on_portal(title="Mended on the portal")
    assert "Nothing to be done" in folder.does("snakemake --cores 2")
    assert f"changed          1 record ({OF_PORTAL})" in folder.does(inline("snakemake --cores 1 refresh"))
    folder.does("snakemake --cores 2")
    assert json.loads(folder.receipt(OF_PORTAL, "record").read_bytes())["metadata"]["title"] == "Mended on the portal"


def test_what_is_lost_torn_deleted_or_doubled_is_told_and_mended_by_what_the_page_says(folder):
    folder.does("snakemake --cores 2")
    folder.does(CHECK.text)

    torn = folder.receipt(WRONG, "record")
    torn.write_bytes(torn.read_bytes()[:-20])
    folder.receipt(UNTITLED, "package").unlink()
    told = folder.fails(CHECK.text)
    assert {int(row["recid"]) for row in rows(folder.path / "results" / "check.csv")} == {WRONG, UNTITLED}, told
    folder.does(MEND.text)
    folder.does(CHECK.text)

    before = folder.does(PROOF.text)
    proof = folder.receipt(COLLISION, "proof")
    kept = proof.read_bytes()
    proof.write_bytes(kept.replace(b"verified", b"Verified", 1))
    assert f"{COLLISION}/proof.json: FAILED" in folder.fails(PROOF.text)
    proof.write_bytes(kept)
    assert folder.does(PROOF.text) == before

    folder.does(AUDIT.text)
    gone = folder.record_id(COLLISION)
    assert folder.api.call("DELETE", f"/api/records/{gone}/draft").status_code == 204
    folder.fails(AUDIT.text)
    audited = {int(row["recid"]): row["result"] for row in rows(folder.path / "results" / "audit.csv")}
    assert {recid for recid, result in audited.items() if result != "ok"} == {COLLISION}
    assert audited[COLLISION] == "lost"
    folder.does(MEND_AUDITED.text)
    assert folder.record_id(COLLISION) != gone
    folder.does(AUDIT.text)

    for name in ("data", "results"):
        shutil.rmtree(folder.path / name)
    folder.does(inline("snakemake --cores 2 restore"))
    assert "`source.data_root: restored`" in (ROOT / PAGE).read_text(encoding="utf-8")
    with_files = [recid for recid in RECIDS if recid != OF_PORTAL]
    folder.set({"source": {"data_root": "restored"}, "records": {"recids": with_files}})
    folder.does("snakemake --cores 2")
    folder.set({"source": {"data_root": None}, "records": {"recids": []}})
    folder.does("snakemake --cores 2")
    assert set(folder.statuses().values()) == {"ok"}

    draft = folder.api.call("GET", f"/api/records/{folder.record_id(WRONG)}/draft").json()
    twin = folder.api.call("POST", "/api/records", json={name: draft[name] for name in ("metadata", "access")})
    assert twin.status_code == 201
    for name in ("data", "results"):
        shutil.rmtree(folder.path / name / str(WRONG))
    told = folder.fails("snakemake --cores 2")
    assert "DuplicateError" in told
    assert twin.json()["id"] in told
    folder.does(f"snakemake --cores 2 {REMOVE.text}")
    assert folder.api.call("GET", f"/api/records/{twin.json()['id']}/draft").status_code == 404
    assert MEND == MEND_AUDITED == MEND_UNANSWERED
    folder.does(MEND_UNANSWERED.text)
    folder.does(CHECK.text)
