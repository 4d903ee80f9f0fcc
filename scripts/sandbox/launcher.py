"""Starts the sandbox repository beside a run, and makes sure that it does not outlive the run."""

import fcntl
import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ferry.errors import ConfigError, TransientError
from ferry.files import own_lock, write_whole
from sandbox.settings import Settings

SCRIPTS = Path(__file__).resolve().parents[1]
START_LIMIT_S = 300.0
"""It reads what it has before it answers: 2,400 records took 20 s of a busy machine. A dead one is told at once."""
_SECRETS = ("NRP_TOKEN",)
"""Not handed on: the sandbox has tokens of its own."""


@dataclass
class Sandbox:
    """A sandbox repository that runs.

    Attributes:
        url: where it listens, on 127.0.0.1.
        directory: its records, files, tokens and its log.
        token: of its first user.
        other_token: of its second user.
        curator_token: of the user who decides in the community and reviews, where it has the flavour of NRP.
    """

    url: str
    directory: Path
    token: str
    other_token: str
    curator_token: str
    _process: subprocess.Popen[bytes]
    _life_line: int

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    def stop(self) -> None:
        """End the server and wait until it is gone; a second time does nothing."""
        if self._life_line < 0:
            return
        os.close(self._life_line)
        self._life_line = -1
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        (self.directory / "endpoint.json").unlink(missing_ok=True)


def start(
    directory: Path, *, settings: Settings | None = None, port: int | None = None, timeout_s: float = START_LIMIT_S
) -> Sandbox:
    """Start a sandbox repository on the records and files in the directory, and wait until it answers.

    It ends with `stop`, and when this process ends, however that ends. Its address is in `endpoint.json` while it
    runs; the port is kept for the next start and taken again if it is free.

    Raises:
        ConfigError: another sandbox works in this directory, or what lies there is of another flavour.
        TransientError: it did not start; the message has the end of its log.
    """
    directory.mkdir(parents=True, exist_ok=True)
    settings = settings or Settings()
    _wait_for_lock(directory)
    _keep_flavour(directory, settings.flavour)
    port_file = directory / "port"
    wanted = port if port is not None else _read_port(port_file)
    reading, writing = os.pipe()  # neither end is inherited by other children: the server is given the reading one
    log_path = directory / "server.log"
    command = [sys.executable, "-m", "sandbox.server", "--directory", str(directory), "--life-line", str(reading)]
    command += ["--port", str(wanted), "--settings", settings.to_json()]
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    environment["PYTHONPATH"] = str(SCRIPTS)
    try:
        with log_path.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own server
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                pass_fds=(reading,),
                start_new_session=True,  # Ctrl-C is for the run, which then stops the server itself
            )
    finally:
        os.close(reading)
    url = _wait_for_url(process, timeout_s)
    if url is None:
        os.close(writing)
        process.kill()
        process.wait()
        log_end = log_path.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise TransientError(f"the sandbox repository in {directory} did not start within {timeout_s:g} s: {log_end}")
    write_whole(port_file, url.rsplit(":", 1)[1])
    write_whole(directory / "endpoint.json", json.dumps({"url": url}) + "\n")
    tokens = [(directory / name).read_text(encoding="ascii").strip() for name in ("token", "token2", "token_curator")]
    return Sandbox(
        url=url,
        directory=directory,
        token=tokens[0],
        other_token=tokens[1],
        curator_token=tokens[2],
        _process=process,
        _life_line=writing,
    )


def _wait_for_lock(directory: Path, patience_s: float = 3.0) -> None:
    """A server whose run was killed is gone within a second: wait for that, not for one that is alive."""
    deadline = time.monotonic() + patience_s
    with own_lock(directory / "lock") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ConfigError(
                        f"{directory}: expected a sandbox repository that nobody uses, found one that runs for another"
                        " run; wait for that run, or give this one another folder (sandbox: dir)"
                    ) from None
                time.sleep(0.05)
            else:
                return


def _keep_flavour(directory: Path, flavour: str) -> None:
    """Records of one kind of repository are none of the other's."""
    noted = directory / "flavour"
    if noted.exists():
        before = noted.read_text(encoding="ascii").strip()
    else:
        before = "rdm" if (directory / "records").exists() else flavour
    if before != flavour:
        raise ConfigError(
            f"{directory}: expected records of a sandbox of the flavour {flavour}, found those of {before}; give it "
            "another folder (sandbox: dir), or delete this one"
        )
    write_whole(noted, f"{flavour}\n")


def _wait_for_url(process: subprocess.Popen[bytes], timeout_s: float) -> str | None:
    if process.stdout is None:
        return None
    with process.stdout as stdout:
        ready, _, _ = select.select([stdout], [], [], timeout_s)
        line = stdout.readline().decode() if ready else ""
    return line.strip() or None


def _read_port(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
