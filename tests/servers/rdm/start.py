"""Starts a real InvenioRDM on loopback, from nothing: `python tests/servers/rdm/start.py --home DIR [--port N]`.

Prints one line of JSON (url, token, other_token) when it answers, and stops everything at Ctrl-C, SIGTERM, or, with
`--until-eof`, when its standard input ends. Real are InvenioRDM, PostgreSQL and Redis; the search is osmem-server,
an OpenSearch that keeps its indices in memory and shows a new record at once.
"""

import argparse
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
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started by its path: its neighbours are found from the tests' folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from servers.rdm.install import HERE, install_debian_packages, install_python_packages, program

HOST = "127.0.0.1"
FILL_LIMIT_S = 300.0
START_LIMIT_S = 120.0
STOP_LIMIT_S = 15.0


@dataclass(frozen=True)
class Options:
    """What may be set; the defaults are those of InvenioRDM 13.1.2, for the rate limit those of the real target.

    Attributes:
        quota_bytes: all files of one record together.
        max_file_bytes: Content-Length of one PUT.
        max_files: files in one record.
        rate_limit: as Flask-Limiter writes limits.
        public_port: port that stands in links, when a proxy is in front; None: its own.
        processes: of the web server.
        threads: of each process.
    """

    quota_bytes: int = 10**10
    max_file_bytes: int = 10**10
    max_files: int = 100
    rate_limit: str = "5000 per hour;500 per minute"
    public_port: int | None = None
    processes: int = 2
    threads: int = 4


class RealRdm:
    """One InvenioRDM and what it leans on, below one folder; `start`, then `stop`."""

    def __init__(self, home: Path, *, port: int | None = None, options: Options | None = None) -> None:
        self.home = home.resolve()
        self.options = options or Options()
        self.port = port or free_port()
        self._ports = {name: free_port() for name in ("postgres_port", "redis_port", "search_port")}
        self._processes: list[tuple[str, subprocess.Popen[bytes], int]] = []
        self._database: Path | None = None
        self._run = self.home / "run"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    @property
    def tokens(self) -> tuple[str, str]:
        """The tokens of its two users."""
        first, second = ((self.home / name).read_text() for name in ("token", "token2"))
        return first, second

    def start(self) -> None:
        """Install what is missing, start everything with empty data, and wait until it answers.

        Raises:
            MissingNeedError: something cannot be installed from here.
            RuntimeError: a part did not start; the message has the end of its log.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        stop_leftovers(self._run)
        install_debian_packages()
        binaries = install_python_packages(self.home)
        instance = self._prepare_instance()
        try:
            self._start_postgres()
            self._start_redis()
            self._start_search(binaries)
            environment = {
                **os.environ,
                "INVENIO_INSTANCE_PATH": str(instance),
                "PYTHONWARNINGS": "ignore",
                "PATH": f"{binaries}:{os.environ['PATH']}",
            }
            self._fill(binaries, instance, environment)
            self._start_web(binaries, environment)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all processes, the last started first, and remove the database."""
        while self._processes:
            name, process, how = self._processes.pop()
            if process.poll() is None:
                process.send_signal(how)
                try:
                    process.wait(STOP_LIMIT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            (self._run / f"{name}.pid").unlink(missing_ok=True)
        if self._database is not None:
            shutil.rmtree(self._database, ignore_errors=True)
            self._database = None

    def _prepare_instance(self) -> Path:
        instance = self.home / "instance"
        shutil.rmtree(instance, ignore_errors=True)
        shutil.copytree(HERE / "instance", instance)
        (instance / "data").mkdir()
        site: dict[str, Any] = {**asdict(self.options), **self._ports}
        site["public_port"] = self.options.public_port or self.port
        (instance / "site.json").write_text(json.dumps(site))
        return instance

    def _start_postgres(self) -> None:
        # a short path that the database's own user can walk to; it refuses to run as root
        self._database = Path(tempfile.mkdtemp(prefix="ferry-rdm-"))
        self._database.chmod(0o755)
        data, user = self._database / "data", None
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            user = "postgres"
            shutil.chown(data, user, user)
            shutil.chown(self._database, user, user)
        where = ["-D", str(data)]
        initialise = [_path("initdb"), *where, "-U", "invenio", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run(initialise, check=True, user=user, cwd=self._database, stdout=subprocess.DEVNULL)
        settings = {
            "listen_addresses": HOST,
            "unix_socket_directories": str(self._database),
            "port": self._ports["postgres_port"],
            "fsync": "off",  # nothing in it outlives the tests
            "shared_buffers": "32MB",
        }
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        self._spawn("postgres", [_path("postgres"), *where, *flags], how=signal.SIGINT, user=user, cwd=self._database)
        where = ["-h", HOST, "-p", str(self._ports["postgres_port"]), "-U", "invenio"]
        self._wait("postgres", lambda: _succeeds([_path("psql"), *where, "-d", "postgres", "-c", "select 1"]))
        subprocess.run([_path("createdb"), *where, "invenio"], check=True)

    def _start_redis(self) -> None:
        port = str(self._ports["redis_port"])
        command = [_path("redis-server"), "--port", port, "--bind", HOST, "--save", "", "--appendonly", "no"]
        self._spawn("redis", command, cwd=self.home)
        self._wait("redis", lambda: _listens(int(port)))

    def _start_search(self, binaries: Path) -> None:
        question = "import osmem_server; print(osmem_server.resolve_binary())"
        asked = subprocess.run([binaries / "python", "-c", question], check=True, capture_output=True, text=True)
        port = self._ports["search_port"]
        command = [asked.stdout.strip(), "-addr", f"{HOST}:{port}", "-no-stdin-watch", "-no-ja"]
        self._spawn("search", command)
        self._wait("search", lambda: _answers(f"http://{HOST}:{port}/"))

    def _fill(self, binaries: Path, instance: Path, environment: dict[str, str]) -> None:
        command = [binaries / "python", HERE / "fill.py", instance / "data", self.home / "token", self.home / "token2"]
        log = self.home / "fill.log"
        with log.open("wb") as stream:
            done = subprocess.run(
                command, env=environment, stdout=stream, stderr=stream, timeout=FILL_LIMIT_S, check=False
            )
        if done.returncode != 0:
            raise RuntimeError(f"InvenioRDM's database was not filled: {_tail(log)}")

    def _start_web(self, binaries: Path, environment: dict[str, str]) -> None:
        command = [
            *(
                str(binaries / "pyuwsgi"),
                "--module",
                "invenio_app.wsgi:application",
                "--virtualenv",
                str(binaries.parent),
            ),
            *("--http-socket", f"{HOST}:{self.port}", "--add-header", "Connection: close"),
            *("--master", "--processes", str(self.options.processes), "--threads", str(self.options.threads)),
            *("--single-interpreter", "--enable-threads", "--need-app", "--die-on-term", "--vacuum"),
            *("--buffer-size", "16384", "--http-timeout", "600", "--socket-timeout", "30"),
            *("--disable-logging", "--log-5xx"),
        ]
        self._spawn("web", command, how=signal.SIGINT, env=environment)
        self._wait("web", lambda: _answers(f"{self.url}/api/records?size=1"))

    def _spawn(self, name: str, command: Sequence[str | Path], *, how: int = signal.SIGTERM, **more: Any) -> None:
        with (self.home / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **more,
            )
        self._processes.append((name, process, how))
        self._run.mkdir(exist_ok=True)
        (self._run / f"{name}.pid").write_text(f"{process.pid} {_start_time(process.pid)}")

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        process = self._processes[-1][1]
        deadline = time.monotonic() + START_LIMIT_S
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start: {_tail(self.home / f'{name}.log')}")
            time.sleep(0.1)


def stop_leftovers(run: Path) -> None:
    """End what a start on this home left behind when it was killed; only processes that are the very same."""
    for path in run.glob("*.pid"):
        pid, started = path.read_text().split()
        if _start_time(int(pid)) == started:
            os.kill(int(pid), signal.SIGKILL if path.stem == "web" else signal.SIGTERM)
            deadline = time.monotonic() + STOP_LIMIT_S
            while _start_time(int(pid)) == started and time.monotonic() < deadline:
                time.sleep(0.1)
        path.unlink()


def free_port() -> int:
    """Return a port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _path(name: str) -> str:
    found = program(name)
    if found is None:
        raise RuntimeError(f"{name}: expected it among the programs of PostgreSQL and Redis, found it nowhere")
    return str(found)


def _start_time(pid: int) -> str:
    """Return when a process began, in ticks since the boot: with the pid it names one process for good."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return "gone"
    return "gone" if fields[0] == "Z" else fields[19]


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=60):
            return True
    except urllib.error.HTTPError:
        return False
    except OSError:
        return False


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-3000:]


def main() -> int:
    """Start, say where, wait for the end, stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="folder for packages, data, tokens, logs; reused")
    parser.add_argument("--port", type=int, help="port to listen on (default: a free one)")
    parser.add_argument("--options", type=lambda text: Options(**json.loads(text)), default=Options(), help="as JSON")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends")
    arguments = parser.parse_args()
    server = RealRdm(arguments.home, port=arguments.port, options=arguments.options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.start()
        print(json.dumps({"url": server.url, "token": server.tokens[0], "other_token": server.tokens[1]}), flush=True)
        if arguments.until_eof:
            sys.stdin.read()
        else:
            signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
