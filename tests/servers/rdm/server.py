"""Installs and starts a real InvenioRDM: PostgreSQL, Redis, a search server and uWSGI, all on loopback.

The search server is osmem-server, which keeps OpenSearch's indices in memory and takes RDM's queries unchanged.
By hand: `python -m servers.rdm.server FOLDER` from tests/ starts one, writes its address and tokens to
FOLDER/running.json, and stops it at Ctrl-C; tests that are given RDM_RUNNING=FOLDER/running.json use it.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DEBIAN_PACKAGES = ("postgresql", "redis-server")
START_LIMIT_S = 240
MAX_FILE_BYTES = 10**10  # InvenioRDM's default
QUOTA_BYTES = 5 * 10**9  # half of its default, so that both limits can be met without sending a byte
QUOTAS = {"RDM_FILES_DEFAULT_QUOTA_SIZE": QUOTA_BYTES, "FILES_REST_DEFAULT_QUOTA_SIZE": QUOTA_BYTES}
LIMITED_AGENT = "limited"
"""A client whose User-Agent begins so meets the rate limits of a real site; others may ask as often as they like."""


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


@contextlib.contextmanager
def real_repository(
    folder: Path, *, settings: Mapping[str, object] = QUOTAS, files_dir: Path | None = None
) -> Iterator[RealRepository]:
    """Install into `folder` what is missing, start with empty data, and stop everything at the end.

    Args:
        folder: keeps the installed packages from one start to the next.
        settings: of the instance, besides those of invenio.cfg.
        files_dir: where the content of files lies; in the folder if it is not given.
    """
    python = _install(folder)
    with contextlib.ExitStack() as stack:
        ports = dict(zip(("postgres", "redis", "search", "web"), _free_ports(4), strict=True))
        instance = _new_instance(folder, files_dir)
        environment = {
            **os.environ,
            "INVENIO_INSTANCE_PATH": str(instance),
            "FERRY_RDM_PORTS": json.dumps(ports),
            "FERRY_RDM_LIMITED_AGENT": LIMITED_AGENT,
            "FERRY_RDM_SETTINGS": json.dumps(settings),
            "PYTHONWARNINGS": "ignore",
        }
        stack.enter_context(_postgres(ports["postgres"]))
        redis = [*f"redis-server --port {ports['redis']} --bind 127.0.0.1 --appendonly no --save".split(), ""]
        stack.enter_context(_process(redis, folder / "redis.log"))
        stack.enter_context(_process(_search_command(python, ports["search"]), folder / "search.log"))
        _wait_for_port(ports["redis"])
        _wait_for_port(ports["search"])
        tokens = _populate(python, environment, folder)
        uwsgi = [
            python.with_name("uwsgi"), "--http-socket", f"127.0.0.1:{ports['web']}",
            "--module", "invenio_app.wsgi:application", "--master", "--processes", "2", "--threads", "4",
            "--single-interpreter", "--enable-threads", "--need-app", "--die-on-term", "--buffer-size", "16384",
            # it closes after each answer: unless it says so, a client with a pool runs into a reset
            "--add-header", "Connection: close", "--disable-logging", "--http-timeout", "600", "--socket-timeout", "10",
        ]  # fmt: skip
        stack.enter_context(_process(uwsgi, folder / "web.log", environment=environment))
        url = f"http://127.0.0.1:{ports['web']}"
        _wait_for_answer(f"{url}/api/records", folder / "web.log")
        yield RealRepository(url=url, token=tokens[0], other_token=tokens[1], folder=folder)


def _install(folder: Path) -> Path:
    missing = [name for name in ("redis-server", "psql") if shutil.which(name) is None]
    if (missing or not _postgres_tools()) and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", *DEBIAN_PACKAGES], check=True, stdout=subprocess.DEVNULL)
    if not _postgres_tools():
        raise RuntimeError(f"expected PostgreSQL and Redis; install {' '.join(DEBIAN_PACKAGES)}")
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "venv" / "bin" / "python"
    wanted = (HERE / "requirements.txt").read_bytes()
    marker = folder / "installed.txt"
    if not python.exists() or not marker.exists() or marker.read_bytes() != wanted:
        own_uv = ROOT / ".tools" / "bin" / "uv"
        uv = str(own_uv) if own_uv.exists() else "uv"
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder / "venv"], check=True)
        install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", python, "-r", HERE / "requirements.txt"]
        subprocess.run(install, check=True)
        marker.write_bytes(wanted)
    return python


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


def _postgres_tools() -> Path | None:
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@contextlib.contextmanager
def _postgres(port: int) -> Iterator[None]:
    """PostgreSQL refuses to be root: then it is the user postgres, in a folder that this user can walk to."""
    tools = _postgres_tools()
    data = Path(tempfile.mkdtemp(prefix="ferry-pg-"))
    become: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(data, "postgres")
        become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def run(*command: str | Path) -> None:
        subprocess.run([*become, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")

    cluster = data / "cluster"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data} -c fsync=off"
    run(tools / "initdb", "-D", cluster, "-U", "invenio", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8")
    run(tools / "pg_ctl", "-D", cluster, "-w", "-o", options, "-l", data / "log", "start")
    try:
        run(tools / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "invenio", "invenio")
        yield
    finally:
        run(tools / "pg_ctl", "-D", cluster, "-m", "immediate", "-w", "stop")
        shutil.rmtree(data)


@contextlib.contextmanager
def _process(
    command: list[str | Path], log: Path, *, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _search_command(python: Path, port: int) -> list[str | Path]:
    ask = "import osmem_server; print(osmem_server.resolve_binary())"
    binary = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
    return [binary, "-addr", f"127.0.0.1:{port}", "-no-stdin-watch", "-no-ja"]


def _populate(python: Path, environment: Mapping[str, str], folder: Path) -> list[str]:
    done = subprocess.run(
        [python, HERE / "populate.py"], env=dict(environment), capture_output=True, text=True, check=False
    )
    (folder / "populate.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    told = [line for line in done.stdout.splitlines() if line.startswith("TOKENS ")]
    if done.returncode or not told:
        raise RuntimeError(f"InvenioRDM could not be populated:\n{(done.stdout + done.stderr)[-3000:]}")
    tokens: list[str] = json.loads(told[0].removeprefix("TOKENS "))
    return tokens


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"nothing answers on port {port}")


def _wait_for_answer(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=30):
            return
        time.sleep(0.5)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text(errors='replace')[-3000:]}")


if __name__ == "__main__":
    home = Path(sys.argv[1]).resolve()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with real_repository(home) as started, contextlib.suppress(KeyboardInterrupt):
        running = home / "running.json"
        running.write_text(json.dumps(asdict(started), default=str), encoding="utf-8")
        print(f"{started.url}\nRDM_RUNNING={running}\nCtrl-C stops it", flush=True)
        signal.pause()
