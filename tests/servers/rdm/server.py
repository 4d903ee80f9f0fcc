"""Installs and starts a real InvenioRDM, all on loopback: 14, or the one that RDM_VERSION names (13 or 14).

By hand: `python -m servers.rdm.server FOLDER` from tests/ starts one, writes its address and tokens to
FOLDER/running.json, and stops it at Ctrl-C; tests that are given RDM_RUNNING=FOLDER/running.json use it.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from servers.invenio_stack import (
    COMMON_SETTINGS,
    LIMITED_AGENT,
    ROOT,
    data_servers,
    install_servers,
    install_venv,
    populate,
    web_server,
)

HERE = Path(__file__).resolve().parent
MAX_FILE_BYTES = 10**10  # of one PUT: InvenioRDM 13's default
MAX_FILE_BYTES_14 = 100 * 2**20  # nobody has set a limit in 14, so the one of any request's body rules
QUOTA_BYTES = 5 * 10**9  # half of the default, so that both limits can be met without sending a byte
QUOTAS = {"RDM_FILES_DEFAULT_QUOTA_SIZE": QUOTA_BYTES, "FILES_REST_DEFAULT_QUOTA_SIZE": QUOTA_BYTES}


Version = Literal["13", "14"]


def default_version() -> Version:
    """Which InvenioRDM: $RDM_VERSION, or 14.

    Raises:
        ValueError: it is another.
    """
    wanted = os.environ.get("RDM_VERSION", "14")
    for version in get_args(Version):
        if wanted == version:
            return version
    raise ValueError(f"RDM_VERSION: expected one of {get_args(Version)}, found {wanted}")


def default_folder() -> Path:
    """Where it is installed: $RDM_HOME, or .rdm in the project; kept from one test run to the next."""
    return Path(os.environ.get("RDM_HOME", ROOT / ".rdm")).resolve()


@dataclass(frozen=True)
class RealRepository:
    """One that answers."""

    url: str
    token: str
    other_token: str
    """Of a user who owns nothing."""
    folder: Path
    """Where it lies."""
    quota_bytes: int = QUOTA_BYTES
    """All files of a record together."""
    max_file_bytes: int = MAX_FILE_BYTES
    """Of one PUT."""
    version: Version = "14"


@contextlib.contextmanager
def real_repository(
    folder: Path,
    *,
    version: Version | None = None,
    settings: Mapping[str, object] = QUOTAS,
    files_dir: Path | None = None,
) -> Iterator[RealRepository]:
    """Install into `folder` what is missing, start with empty data, and stop everything at the end.

    Args:
        folder: keeps the installed packages from one start to the next.
        version: which InvenioRDM, if not the default one.
        settings: of the instance, besides those of invenio.cfg.
        files_dir: where the content of files lies; in the folder if it is not given.
    """
    version = version or default_version()
    python = _install(folder, version)
    with data_servers(python, folder) as ports:
        instance = _new_instance(folder, files_dir)
        environment = {
            **os.environ,
            "INVENIO_INSTANCE_PATH": str(instance),
            "PYTHONPATH": str(COMMON_SETTINGS),
            "FERRY_PORTS": json.dumps(asdict(ports)),
            "FERRY_LIMITED_AGENT": LIMITED_AGENT,
            "FERRY_RDM_SETTINGS": json.dumps(settings),
            "PYTHONWARNINGS": "ignore",
        }
        tokens = json.loads(populate(HERE / "populate.py", python, environment, folder / "populate.log"))
        with web_server(python, ports.web, folder / "web.log", environment=environment) as url:
            yield RealRepository(
                url=url,
                token=tokens[0],
                other_token=tokens[1],
                folder=folder,
                max_file_bytes=MAX_FILE_BYTES if version == "13" else MAX_FILE_BYTES_14,
                version=version,
            )


def _install(folder: Path, version: Version) -> Path:
    install_servers()
    return install_venv(folder / f"venv-{version}", HERE / f"requirements-{version}.txt")


def _new_instance(folder: Path, files_dir: Path | None) -> Path:
    instance = folder / "instance"
    shutil.rmtree(instance, ignore_errors=True)
    instance.mkdir(parents=True)
    if files_dir is None:
        (instance / "data").mkdir()
    else:
        (instance / "data").symlink_to(files_dir)
    shutil.copy(HERE / "invenio.cfg", instance)
    shutil.copytree(HERE / "app_data", instance / "app_data")
    return instance


if __name__ == "__main__":
    home = Path(sys.argv[1]).resolve()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with real_repository(home) as started, contextlib.suppress(KeyboardInterrupt):
        running = home / "running.json"
        running.write_text(json.dumps(asdict(started), default=str), encoding="utf-8")
        print(f"{started.url}\nRDM_RUNNING={running}\nCtrl-C stops it", flush=True)
        signal.pause()
