"""What a real Invenio needs around it, all on loopback: PostgreSQL, Redis, a search server, uWSGI.

The search server is osmem-server, which keeps OpenSearch's indices in memory and takes Invenio's queries unchanged.
"""

import contextlib
import fcntl
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMON_SETTINGS = Path(__file__).resolve().parent / "instance"
"""What the settings of each of them import."""
START_LIMIT_S = 240
LIMITED_AGENT = "limited"
"""A client whose User-Agent begins so meets the rate limits of a real site; others may ask as often as they like."""


@dataclass(frozen=True)
class Ports:
    """Where each part listens."""

    postgres: int
    redis: int
    search: int
    web: int


def install_debian(packages: Mapping[str, bool]) -> None:
    """Install Debian's packages of which one is missing; `packages` says of each whether it is there.

    Raises:
        RuntimeError: one is missing and only root can install it.
    """
    missing = [name for name, there in packages.items() if not there]
    if missing and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", *missing], check=True, stdout=subprocess.DEVNULL)
    elif missing:
        raise RuntimeError(f"expected PostgreSQL and Redis; install {' '.join(missing)}")


def install_servers() -> None:
    """Install PostgreSQL and Redis where they are missing."""
    install_debian({
        "postgresql": _postgres_tools() is not None,
        "redis-server": shutil.which("redis-server") is not None,
    })  # fmt: skip


def uv() -> str:
    """Return the uv of this project, else the one on the path."""
    own = ROOT / ".tools" / "bin" / "uv"
    return str(own) if own.exists() else "uv"


def install_venv(
    venv: Path,
    requirements: Path,
    *,
    interpreter: Path | str = sys.executable,
    finish: Callable[[Path], None] = lambda _venv: None,
) -> Path:
    """Make `venv` hold what the pins say and return its Python; `finish` does what is left to do after that."""
    wanted = _pins(requirements)
    marker = venv / "installed.txt"
    python = venv / "bin" / "python"
    with locked(venv.parent):
        if marker.exists() and marker.read_text() == wanted:
            return python
        subprocess.run([uv(), "venv", "--quiet", "--clear", "--python", interpreter, venv], check=True)
        subprocess.run(
            [uv(), "pip", "install", "--quiet", "--no-deps", "--python", python, "-r", requirements], check=True
        )
        finish(venv)
        marker.write_text(wanted)
    return python


def _pins(requirements: Path) -> str:
    """Return what is to be installed, without the digests: with others it is the same."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return "".join(f"{line.removesuffix(' \\')}\n" for line in lines if not line.lstrip().startswith("--hash="))


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from installing into `folder` at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def data_servers(python: Path, logs: Path) -> Iterator[Ports]:
    """Run PostgreSQL, Redis and the search server, all empty, for as long as the block lasts."""
    ports = Ports(*_free_ports(4))
    with contextlib.ExitStack() as stack:
        stack.enter_context(_postgres(ports.postgres))
        redis = [*f"redis-server --port {ports.redis} --bind 127.0.0.1 --appendonly no --save".split(), ""]
        stack.enter_context(_process(redis, logs / "redis.log"))
        stack.enter_context(_process(_search_command(python, ports.search), logs / "search.log"))
        _wait_for_port(ports.redis)
        _wait_for_port(ports.search)
        yield ports


@contextlib.contextmanager
def web_server(
    python: Path, port: int, log: Path, *, environment: Mapping[str, str], ready: str = "/api/records"
) -> Iterator[str]:
    """Run the repository's web server; give its address when it answers to `ready`."""
    uwsgi = [
        python.with_name("uwsgi"), "--http-socket", f"127.0.0.1:{port}",
        "--module", "invenio_app.wsgi:application", "--master", "--processes", "2", "--threads", "4",
        "--single-interpreter", "--enable-threads", "--need-app", "--die-on-term", "--buffer-size", "16384",
        # it closes after each answer: unless it says so, a client with a pool runs into a reset
        "--add-header", "Connection: close", "--disable-logging", "--http-timeout", "600", "--socket-timeout", "10",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with _process(uwsgi, log, environment=environment) as process:
        _wait_for_answer(f"{url}{ready}", process, log)
        yield url


def populate(script: Path, python: Path, environment: Mapping[str, str], log: Path) -> str:
    """Run the script that fills the empty repository; return what it told on its line of TOKENS.

    Raises:
        RuntimeError: it failed; the end of what it said is in the message.
    """
    done = subprocess.run([python, script], env=dict(environment), capture_output=True, text=True, check=False)
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    told = [line for line in done.stdout.splitlines() if line.startswith("TOKENS ")]
    if done.returncode or not told:
        raise RuntimeError(f"the repository could not be populated:\n{(done.stdout + done.stderr)[-3000:]}")
    return told[0].removeprefix("TOKENS ")


def _postgres_tools() -> Path | None:
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@contextlib.contextmanager
def _postgres(port: int) -> Iterator[None]:
    """PostgreSQL refuses to be root: then it is the user postgres, in a folder that this user can walk to."""
    tools = _postgres_tools()
    assert tools is not None
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
    command: Sequence[str | Path], log: Path, *, environment: Mapping[str, str] | None = None
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


def _wait_for_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=30):
            return
        time.sleep(0.5)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text(errors='replace')[-3000:]}")
