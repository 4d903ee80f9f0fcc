"""Pages of the documentation followed to the letter, in a fresh folder; others have tests of their own beside this."""

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from generated_records import document, put_below, redirect, write_records
from pages import blocks, clone, follow
from record_portal import record_portal

from workflow.conftest import ROOT, SNAKEMAKE, first_record
from workflow.test_chain import COLLISION, assert_ok

DEMO = 80505


@pytest.mark.timeout(900)
def test_the_readme_brings_the_demo_into_the_sandbox(tmp_path):
    tried = next(block.text for block in blocks("README.md", after="## Try it"))
    lines = [line.partition("#")[0].strip() for line in tried.splitlines()]
    assert lines[0].startswith("git clone ")
    clone(tmp_path)
    told = {}
    for number, line in enumerate(lines[1:]):
        done = follow(tmp_path, line)
        assert_ok(done)
        told[number, line] = done.stdout + done.stderr
    assert "ferry: 8 ok, 0 failed, 0 to go, of 8 records" in told[0, "make run"]
    assert (tmp_path / "results" / "report.html").stat().st_size > 100_000
    (example,) = re.findall(
        r"example\n`(\.venv/bin/snakemake [^`]+)`", (ROOT / "README.md").read_text(encoding="utf-8")
    )
    done = follow(tmp_path, example)
    assert_ok(done)
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.timeout(900)
def test_a_first_run_goes_through_from_the_list_to_the_report(tmp_path):
    """The address of a repository is the sandbox's, the record that of the demo: all else is as it stands there."""
    (tmp_path / "opendata-ferry").mkdir()
    clone(tmp_path / "opendata-ferry")
    folder = tmp_path / "first"
    page = blocks("docs/first-run.md")
    made, settings, alias, looks, again, run, _, status, report, publish = page
    assert_ok(follow(tmp_path, made.text, home=tmp_path))
    for block in (settings, publish):
        assert yaml.safe_load(block.text)["repository"]["url"].startswith("https://")
    (folder / "metadata").mkdir()
    (folder / "metadata" / f"{DEMO}.json").write_bytes((ROOT / "metadata" / f"{DEMO}.json").read_bytes())
    (folder / "mine.yaml").write_text(settings.text.replace("https://repository-test.example.org", "sandbox"))
    for commands in (looks, again, run, status, report):
        line = commands.text.replace(" --every 10", "")
        done = follow(folder, f"{alias.text}\n{line}", home=tmp_path)
        assert_ok(done)
    assert (folder / "results" / "report.html").exists()
    (folder / "mine.yaml").write_text(publish.text.replace("https://repository-test.example.org", "sandbox"))
    done = follow(folder, f"{alias.text}\n{run.text}", home=tmp_path)
    assert_ok(done)
    assert json.loads((folder / "results" / str(DEMO) / "published.json").read_bytes())["state"] == "published"


def test_a_whole_experiment_is_listed_and_planned(tmp_path):
    clone(tmp_path)
    settings, listing, wanted, plan = blocks("docs/delphi.md")[:4]
    records = {
        recid: document(recid, [{"uri": f"root://x//{recid}", "size": recid, "checksum": "adler32:00000001"}])
        for recid in range(100_001, 100_031)
    }
    with record_portal(records) as portal:
        config = yaml.safe_load(settings.text) | {"metadata": {"portal": portal.url}}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
        bare = ["alias snakemake=.venv/bin/snakemake"]
        assert_ok(follow(tmp_path, "\n".join([*bare, listing.text])))
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config | yaml.safe_load(wanted.text)))
        done = follow(tmp_path, "\n".join([*bare, plan.text]))
    assert_ok(done)
    assert "records          30, of which 0 cannot succeed as is" in done.stdout


@pytest.mark.timeout(900)
def test_a_whole_experiment_is_carried_by_the_rest_of_the_page(tmp_path, tmp_path_factory):
    """All but `tmux`, which wants a terminal; bundles that open want an InvenioRDM 14."""
    clone(tmp_path)
    settings, listing, wanted, plan, less_disk, _browsable, links, bulk, some, prometheus = blocks("docs/delphi.md")
    far, demo = tmp_path_factory.mktemp("far"), [int(recid) for recid in re.findall(r"results/(\d+)/", some.text)]
    generated = [100_001, 100_002, 100_003]
    write_records(far / "records", {recid: [300, 200] for recid in generated}, put=put_below(far))
    paths = [*(tmp_path / "metadata" / f"{recid}.json" for recid in demo), *(far / "records").glob("*.json")]
    records = {int(path.stem): first_record(json.loads(path.read_bytes())) for path in paths}
    with record_portal(records) as portal:
        config = {"metadata": {"portal": portal.url}, "source": {"redirects": redirect(far)}}
        for block in (settings, wanted, less_disk, links, prometheus):
            config |= yaml.safe_load(block.text)
        config["progress"]["prometheus"] = str(tmp_path / "ferry.prom")
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        shell = "alias snakemake=.venv/bin/snakemake"
        assert bulk.text.splitlines()[0] == "tmux new -s ferry"
        for commands in (listing.text, plan.text, some.text, bulk.text.partition("\n")[2]):
            done = follow(tmp_path, f"{shell}\n{commands}")
            assert_ok(done)
    assert "ferry: 5 ok, 0 failed, 0 to go, of 5 records" in done.stderr
    assert 'ferry_records{status="failed"} 0' in (tmp_path / "ferry.prom").read_text(encoding="utf-8")
    assert not [path for recid in records for path in tmp_path.glob(f"data/{recid}/files/*")]
    report = re.search(r'`(make report\s+ARGS="[^"]+")`', (ROOT / "docs" / "delphi.md").read_text(encoding="utf-8"))[1]
    assert_ok(follow(tmp_path, " ".join(report.split())))
    assert (tmp_path / "results" / "report.html").exists()


@pytest.mark.timeout(900)
def test_a_profile_of_ones_own_is_made_by_what_the_page_says_and_carries_a_record(tmp_path):
    """The receipt refused the name, two files were not named, and types of descriptions were nobody's to choose."""
    clone(tmp_path)
    copied, profile, made, taken = blocks("docs/new-repository.md", after="## A profile of its own")
    assert_ok(follow(tmp_path, copied.text))
    path = tmp_path / "scripts" / "ferry" / "mapping" / "profiles.py"
    code = path.read_text(encoding="utf-8").replace("import dataclass, field", "import dataclass, field, replace")
    code = code.replace("PROFILES: Mapping", f"{profile.text}\nPROFILES: Mapping").replace(
        "CCMM1, CCMM2)", "CCMM1, CCMM2, MINE)"
    )
    path.write_text(code, encoding="utf-8")
    path = tmp_path / "schemas" / "config.json"
    config = json.loads(path.read_bytes())
    config["properties"]["transform"]["properties"]["profile"]["enum"].append("mine")
    path.write_text(json.dumps(config), encoding="utf-8")
    assert_ok(follow(tmp_path, made.text))
    assert "`mine`" in (tmp_path / "docs" / "mapping.md").read_text(encoding="utf-8")
    assert "`mine`" in (tmp_path / "docs" / "configuration.md").read_text(encoding="utf-8")
    done = follow(tmp_path, taken.text)
    assert_ok(done)
    assert "8 records for mine: 8 valid" in done.stdout
    receipt = f"results/{COLLISION}/record.json"
    done = subprocess.run(
        [".venv/bin/snakemake", "--cores", "1", "--configfile", "mine.yaml", "--", receipt], cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert_ok(done)
    assert json.loads((tmp_path / "results" / str(COLLISION) / "mapping.json").read_bytes())["profile"] == "mine"
    kinds = {
        each["type"]["id"]
        for path in tmp_path.glob("results/*/record.json")
        for each in json.loads(path.read_bytes())["metadata"].get("additional_descriptions", ())
    }
    assert kinds <= {"method", "technical", "other"}
    assert kinds


@pytest.mark.timeout(900)
def test_an_experiment_with_fields_of_its_own_is_mapped_by_what_the_page_says(tmp_path):
    """Which experiments have rules was written down twice."""
    clone(tmp_path, with_tests=True)
    validate, module, fields, docs, tried, correction = blocks("docs/new-experiment.md")
    new, of_experiment = 90_001, {"optics": {"beta_star": "90 m", "author": "N. N."}, "experiment": ["TOTEM"]}
    demo = json.loads((tmp_path / "metadata" / f"{COLLISION}.json").read_bytes())
    record = {**demo.get("metadata", demo), **of_experiment, "recid": str(new)}
    (tmp_path / "metadata" / f"{new}.json").write_text(json.dumps(record), encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"records": {"recids": [new, DEMO]}}), encoding="utf-8")

    def told_of(field: str) -> list[str]:
        assert_ok(follow(tmp_path, validate.text))
        return [str(row) for row in rows(tmp_path / "results" / "validation.csv") if field in str(row)]

    assert told_of("optics.beta_star")
    place = tmp_path / re.search(r"# (scripts/\S+)", module.text)[1]
    place.write_text(module.text, encoding="utf-8")
    assert not told_of("optics")
    reference = tmp_path / "scripts" / "dev" / "mapping_reference.py"
    lines = "".join(line for line in fields.text.splitlines(keepends=True) if line.startswith("    Field("))
    code = reference.read_text(encoding="utf-8").replace('    Field("pids.oai.id"', f'{lines}    Field("pids.oai.id"')
    reference.write_text(code, encoding="utf-8")
    assert_ok(follow(tmp_path, docs.text))
    page = (tmp_path / "docs" / "mapping.md").read_text(encoding="utf-8")
    assert "| `optics.beta_star` | TOTEM: focus of the beams where they cross | `texts[methods]` |" in page
    (tmp_path / "tests" / "fixtures" / "records" / f"{new}.json").write_text(json.dumps(record), encoding="utf-8")
    done = follow(tmp_path, tried.text)
    assert_ok(done)
    assert " passed" in done.stdout
    corrected = tmp_path / re.search(r"# (metadata/\S+)", correction.text)[1]
    corrected.parent.mkdir(exist_ok=True)
    corrected.write_text(correction.text, encoding="utf-8")
    assert_ok(follow(tmp_path, ".venv/bin/snakemake --cores 2 --configfile mine.yaml"))
    coverage = {row["path"]: row for row in rows(tmp_path / "results" / "coverage_paths.csv")}
    assert coverage["optics.beta_star"]["to"] == "metadata.additional_descriptions[methods]"
    assert coverage["optics.author"]["dropped"] == "1"
    title = yaml.safe_load(correction.text)["title"]
    assert json.loads((tmp_path / f"results/{DEMO}/record.json").read_bytes())["metadata"]["title"] == title


def test_the_image_is_made_of_what_a_run_needs_and_of_nothing_of_a_working_folder(flow, tmp_path_factory):
    """The page on containers cannot be followed here, where none can be made: what its image is made of can."""
    rules = [rule for rule in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if rule[:1] in "*!"]
    assert rules[0] == "*", "a token may lie in any file"
    names = [rule[1:] for rule in rules if rule.startswith("!")]
    assert not {"data", "metadata", "results", "logs", "tests"} & set(names)
    image = tmp_path_factory.mktemp("image")
    for name in names:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, image / name)
    flow.want(DEMO)
    done = subprocess.run(
        [str(SNAKEMAKE), "--snakefile", str(image / "Snakefile"), "--directory", str(flow.folder), "--cores", "2"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert_ok(done)
    assert "ferry: 1 ok, 0 failed" in done.stderr


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
