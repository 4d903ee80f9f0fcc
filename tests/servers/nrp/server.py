"""Installs and starts a real NRP repository: OARepo on Invenio 14, with a model `particles`, all on loopback.

What stands in for the real thing: the search server (see invenio_stack), storage on the local disk, tasks that run at
once, no registration of DOIs, pages without content, and Invenio as PyPI has it where an NRP repository has builds of
its own (site/stock_invenio.py does what those do). An error from inside Invenio may be due to that.

By hand: `python -m servers.nrp.server FOLDER [BASE]` from tests/ starts one, writes its address and tokens to
FOLDER/running.json, and stops it at Ctrl-C; tests that are given NRP_RUNNING=FOLDER/running.json use it.
"""

import contextlib
import ctypes.util
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from servers.invenio_stack import (
    COMMON_SETTINGS,
    LIMITED_AGENT,
    ROOT,
    Ports,
    data_servers,
    install_debian,
    install_servers,
    install_venv,
    populate,
    web_server,
)
from servers.nrp.interpreter import python_3_14
from servers.nrp.vocabularies import cut_vocabularies
from servers.rdm.server import MAX_FILE_BYTES, QUOTA_BYTES, RealRepository

HERE = Path(__file__).resolve().parent
Base = Literal["ccmm1", "ccmm2", "rdm"]
"""What the model `particles` stands on: CCMM 1.1, CCMM 2, or the fields of InvenioRDM."""

DATASET: dict[Base, str] = {"ccmm1": "c_ddb1", "ccmm2": "dataset", "rdm": "dataset"}
"""The id of a dataset among the resource types."""

PINS: dict[Base, str] = {"ccmm1": "ccmm1", "ccmm2": "ccmm2", "rdm": "ccmm1"}
UNWANTED_ENTRIES = {
    # pages that oarepo-ui and oarepo-rdm bring under the same names
    "invenio_app_rdm": ("invenio_app_rdm.theme.views", "invenio_app_rdm.records_ui.views"),
    # it names a module where newer releases of oarepo-runtime call a function
    "oarepo_communities": ("oarepo_communities.fixtures",),
}


def default_folder() -> Path:
    """Where it is installed: $NRP_HOME, or .nrp in the project; kept from one test run to the next."""
    return Path(os.environ.get("NRP_HOME", ROOT / ".nrp")).resolve()


@dataclass(frozen=True)
class Knobs:
    """What an operator of such a repository sets differently from site to site."""

    metadata_only: bool = True
    """Whether a record without files may be published."""
    empty_files: bool = True
    """Whether a file of no bytes is taken."""
    workflow: str = "individual"
    """Of a draft that is made without naming one."""
    max_files: int = 100
    """In one record."""
    max_file_bytes: int = MAX_FILE_BYTES
    quota_bytes: int = QUOTA_BYTES
    """All files of one record together."""


@dataclass(frozen=True)
class NrpRepository(RealRepository):
    """One that answers, with what is in it from the beginning."""

    curator_token: str = ""
    """Of the user who decides in `community`, and who reviews what goes by `review_workflow`."""
    base: Base = "ccmm1"
    model: str = "particles"
    community: str = "delphi"
    """The first user may submit to it; the curator decides. Its workflow is `community_workflow`."""
    own_community: str = "delphi-open"
    """The first user owns it."""
    workflow: str = "individual"
    """The depositor publishes."""
    review_workflow: str = "reviewed"
    """A request to publish is accepted by a reviewer."""
    community_workflow: str = "community"
    """The only one that takes a community."""


@contextlib.contextmanager
def nrp_repository(folder: Path, *, base: Base = "ccmm1", knobs: Knobs | None = None) -> Iterator[NrpRepository]:
    """Install into `folder` what is missing, start with empty data, and stop everything at the end.

    Args:
        folder: keeps the interpreter and the packages from one start to the next. What runs has a folder of its own
            below `folder`/runs, which is kept if the repository does not start.
        base: what the model stands on.
        knobs: of the site, if not the usual ones.

    Raises:
        NoInterpreterError: there is no Python 3.14.
    """
    knobs = knobs or Knobs()
    python = install(folder, base)
    (folder / "runs").mkdir(exist_ok=True)
    run = Path(tempfile.mkdtemp(prefix=f"{base}-", dir=folder / "runs"))
    with data_servers(python, run) as ports:
        environment = _environment(_new_instance(run, base, python), ports, base, knobs)
        tokens = json.loads(populate(HERE / "populate.py", python, environment, run / "populate.log"))
        models = "/.well-known/repository/models"
        with web_server(python, ports.web, run / "web.log", environment=environment, ready=models) as url:
            yield NrpRepository(
                url=url,
                token=tokens["depositor"],
                other_token=tokens["stranger"],
                curator_token=tokens["curator"],
                folder=run,
                quota_bytes=knobs.quota_bytes,
                max_file_bytes=knobs.max_file_bytes,
                base=base,
                workflow=knobs.workflow,
            )
    shutil.rmtree(run)


def install(folder: Path, base: Base) -> Path:
    """Install the interpreter and the packages of `base` into `folder`; return the Python that has them.

    Raises:
        NoInterpreterError: there is no Python 3.14.
    """
    install_servers()
    install_debian({"libcairo2": ctypes.util.find_library("cairo") is not None})
    pins = PINS[base]
    return install_venv(
        folder / f"venv-{pins}",
        HERE / f"requirements-{pins}.txt",
        interpreter=python_3_14(folder),
        finish=_drop_unwanted_entries,
    )


def _drop_unwanted_entries(venv: Path) -> None:
    for package, modules in UNWANTED_ENTRIES.items():
        (entries,) = venv.glob(f"lib/python*/site-packages/{package}-*.dist-info/entry_points.txt")
        lines = entries.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not line.partition("=")[2].strip().startswith(modules)]
        entries.unlink()  # uv links it to its cache: written in place, all other installations would change too
        entries.write_text("\n".join([*kept, ""]), encoding="utf-8")


def _new_instance(run: Path, base: Base, python: Path) -> Path:
    instance = run / "instance"
    shutil.copytree(HERE / "site", instance)
    shutil.copytree(HERE / "app_data", instance / "app_data")
    if base == "rdm":
        with (instance / "app_data" / "vocabularies.yaml").open("a", encoding="utf-8") as listed:
            listed.write((HERE / "app_data" / "vocabularies-rdm.yaml").read_text(encoding="utf-8"))
    else:
        (fixtures,) = python.parents[1].glob("lib/python*/site-packages/ccmm_invenio/fixtures")
        cut_vocabularies(fixtures, instance / "app_data")
    (instance / "data").mkdir()
    _distribution(instance, "oarepo", "14.2.1")
    _distribution(
        instance, "particles_site", "1", "[invenio_base.blueprints]\nparticles_ui = particles_pages:blueprint\n"
    )
    return instance


def _distribution(folder: Path, name: str, version: str, entries: str = "") -> None:
    """A distribution for importlib.metadata that holds nothing but its name and entry points."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(entries, encoding="utf-8")


def _environment(instance: Path, ports: Ports, base: Base, knobs: Knobs) -> dict[str, str]:
    return {
        **os.environ,
        "INVENIO_INSTANCE_PATH": str(instance),
        "PYTHONPATH": os.pathsep.join([str(instance), str(COMMON_SETTINGS)]),
        "PYTHONWARNINGS": "ignore",
        "FERRY_NRP_BASE": base,
        "FERRY_PORTS": json.dumps(asdict(ports)),
        "FERRY_NRP_KNOBS": json.dumps(asdict(knobs)),
        "FERRY_LIMITED_AGENT": LIMITED_AGENT,
    }


if __name__ == "__main__":
    home = Path(sys.argv[1]).resolve()
    (wanted,) = sys.argv[2:] or ["ccmm1"]
    chosen = next(base for base in get_args(Base) if base == wanted)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with nrp_repository(home, base=chosen) as started, contextlib.suppress(KeyboardInterrupt):
        running = home / "running.json"
        running.write_text(json.dumps(asdict(started), default=str), encoding="utf-8")
        print(f"{started.url}\nNRP_RUNNING={running}\nCtrl-C stops it", flush=True)
        signal.pause()
