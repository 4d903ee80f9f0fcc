"""How much memory this process has used at most."""

import resource
from pathlib import Path


def peak_memory_bytes(status: Path = Path("/proc/self/status")) -> int:
    """Return the largest resident memory so far, in bytes.

    Not ru_maxrss where it can be helped: a child inherits the peak of the process that started it.
    """
    try:
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
