"""Runs the entry scripts of jobs as children of one process that has imported already what they use.

A Python of its own spends most of a small job on starting and importing, and a record has six of them. This module is
both ends: `ScriptServer` beside Snakemake, and, run as a program, the process that forks a child for each script. A
child is like a process of its own: its script is `__main__`, its standard streams are those of the run. The server ends
with the process that started it, however that ends, and takes its children along.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import logging
import os
import resource
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

_LARGEST_REQUEST = 1 << 16
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that a process gets when its parent ends."""
_START = b"start"
_BLOCK_BYTES = 512  # in which the system counts what was read and written


@dataclass(frozen=True)
class Ended:
    """How a script ended, and what it and its own children took, as the system has counted it."""

    status: int
    """Negative for a signal, as `subprocess` has it."""
    cpu_s: float = 0.0
    """User and system."""
    peak_bytes: int = 0
    """Of memory at once, by the largest of the processes."""
    read_bytes: int = 0
    """From disks."""
    written_bytes: int = 0
    """To disks."""


class ScriptServer:
    """The server, to be asked from any thread."""

    def __init__(self, *ready: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a process that makes things ready for all scripts and then waits for the first.

        Args:
            ready: modules to be imported (`package.module`), and functions without arguments to be called
                (`package.module:function`), in this order. What fails is left to the script that needs it.
            environment: what the server and its scripts have besides what this process has; what is set here stays.
        """
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this file
                [sys.executable, "-P", __file__, str(theirs.fileno()), *ready],
                pass_fds=[theirs.fileno()],
                env={**(environment or {}), **os.environ},
            )

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    def run(self, path: str, *, environment: Mapping[str, str]) -> Ended:
        """Run the script to its end.

        Args:
            path: of the script.
            environment: what it has there besides what the server has.

        Raises:
            OSError: there is no server any more.
        """
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                request = json.dumps({"path": path, "environment": dict(environment)}).encode()
                socket.send_fds(self._requests, [request], [theirs.fileno()])
            with ours.makefile("r", encoding="ascii") as told:
                if not told.readline():
                    raise ConnectionError("the script server ended before the script began")
                ours.sendall(_START)
                ended = told.readline()
        return Ended(**json.loads(ended)) if ended else Ended(-signal.SIGKILL)

    def stop(self) -> None:
        """End the server and wait until it is gone."""
        self._requests.close()
        self._process.wait()


@dataclass(frozen=True)
class _Script:
    path: str
    environment: Mapping[str, str]


def _serve(requests: socket.socket) -> _Script | None:
    """Fork a child for each request; return its script in the child, and None in the server when the run is over."""
    children: dict[int, socket.socket] = {}
    ended, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGTERM):  # these are for the scripts: the server ends with the run
        signal.signal(number, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([requests, ended], [], [])
        if ended in ready:
            ended.recv(_LARGEST_REQUEST)
            _tell_ended(children)
        if requests not in ready:
            continue
        request, descriptors, _, _ = socket.recv_fds(requests, _LARGEST_REQUEST, 1)
        if not request:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            return None
        asker = socket.socket(fileno=descriptors[0])
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError:  # whoever asked runs the script as Snakemake does
            asker.close()
            continue
        if pid == 0:
            _end_with(server)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for inherited in (requests, ended, wake, *children.values()):
                inherited.close()
            with asker:
                if asker.recv(len(_START)) != _START:
                    return None
            return _Script(**json.loads(request))
        children[pid] = asker
        _tell(asker, "forked")


def _end_with(server: int) -> None:
    """Have this process killed when the server is: whoever asked is told so, and the script may not go on unseen."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)


def _tell_ended(children: dict[int, socket.socket]) -> None:
    """Tell of each child that has ended to whoever asked for it."""
    while children:
        pid, status, usage = os.wait4(-1, os.WNOHANG)
        if pid == 0:
            return
        with children.pop(pid) as asker:
            _tell(asker, json.dumps(asdict(_ended(status, usage))))


def _ended(status: int, usage: resource.struct_rusage) -> Ended:
    return Ended(
        status=os.waitstatus_to_exitcode(status),
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_bytes=usage.ru_maxrss * 1024,
        read_bytes=usage.ru_inblock * _BLOCK_BYTES,
        written_bytes=usage.ru_oublock * _BLOCK_BYTES,
    )


def _tell(asker: socket.socket, line: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        asker.sendall(f"{line}\n".encode())


def _make_ready(name: str) -> None:
    module, _, function = name.partition(":")
    with contextlib.suppress(Exception):  # a script that needs it fails of it, and says so
        imported = importlib.import_module(module)
        if function:
            getattr(imported, function)()


def _run(script: _Script) -> int:
    """Run a script in this process as Python would; return the status."""
    os.environ.update(script.environment)
    sys.argv = [script.path]
    sys.path[0] = str(Path(script.path).parent)
    try:
        runpy.run_path(script.path, run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - what nobody caught is told as the script has it, and ends it
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def main() -> None:
    """Make ready what is named, and serve."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # in place of this folder (-P)
    for name in sys.argv[2:]:
        _make_ready(name)
    gc.collect()
    gc.freeze()  # else a child's first collection would copy all that the server holds
    script = _serve(requests)
    if script is not None:
        status = _run(script)
        logging.shutdown()
        for stream in filter(None, (sys.stdout, sys.stderr)):  # none where the run was begun with it closed
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(status)  # taking down every module in good order would cost ten times as much as the fork


if __name__ == "__main__":
    main()
