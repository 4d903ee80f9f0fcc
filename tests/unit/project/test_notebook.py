"""The notebook, run from top to bottom on a run made up in numbers."""

import subprocess
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from ferry.report.figures import FIGURES
from ferry.report.stats import aggregate
from synthetic_runs import plan_run, write_run

ROOT = Path(__file__).resolve().parents[3]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def executed(run: Path, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    """Return the notebook after it was run on the folder `run`; a cell that fails fails the test."""
    monkeypatch.setenv("FERRY_RUN", str(run))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.read(ROOT / "notebooks" / "explore.ipynb", as_version=4)
    resources = {"metadata": {"path": str(ROOT / "notebooks")}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    return notebook


@pytest.mark.slow
@pytest.mark.parametrize(("failed", "skipped"), [(8, 4), (0, 0)])
def test_the_notebook_draws_every_figure_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failed: int, skipped: int
):
    plans = plan_run(records=60, files=400, failed=failed, skipped=skipped)
    write_run(tmp_path, plans)
    recids = [plan.recid for plan in plans]
    aggregate(recids=recids, results_dir=tmp_path / "results", logs_dir=tmp_path / "logs", publish=False)

    outputs = [output for cell in executed(tmp_path, monkeypatch).cells for output in cell.get("outputs", [])]
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == len(FIGURES) + 1  # the flow of bytes twice: all records, and a part of them
    assert len(set(pictures)) == len(pictures)
    printed = "".join(output["text"] for output in outputs if output["output_type"] == "stream")
    assert "files are not proven" in printed
    assert [output for output in outputs if output.get("name") == "stderr"] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_in_git_has_no_outputs(path: Path):
    cells = nbformat.read(path, as_version=4).cells
    left = [cell["id"] for cell in cells if cell.get("outputs") or cell.get("execution_count") is not None]
    assert left == [], "open it, clear all outputs and save it; `make notebook` runs it into results/ instead"


def test_make_runs_the_notebook_in_a_folder_whose_name_has_a_quote(tmp_path: Path):
    folder = tmp_path / "it's mine"
    (folder / ".venv" / "bin").mkdir(parents=True)
    jupyter = folder / ".venv" / "bin" / "jupyter"
    jupyter.write_text('#!/bin/sh\nprintf %s "$FERRY_RUN"\n', encoding="utf-8")
    jupyter.chmod(0o700)
    command = ["make", "--silent", "--makefile", str(ROOT / "Makefile"), "--assume-old=.venv/.installed", "notebook"]
    (folder / ".venv" / ".installed").touch()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == str(folder)
