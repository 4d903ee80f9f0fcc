"""What may go wrong, by what is to be done about it."""

import errno
from pathlib import Path

from ferry.text.safe_text import safe_text


class FerryError(Exception):
    """Base of every error of this package: says what was done, what was expected and what was found."""

    def __init__(self, message: object) -> None:
        """Say so in text that may be shown anywhere, whatever a server or a file has brought into it."""
        super().__init__(safe_text(str(message)))


class TransientError(FerryError):
    """May pass by itself: worth trying again after a pause."""


class PermanentError(FerryError):
    """Will be the same next time: never retried, somebody has to change something."""


class StoppedError(FerryError):
    """The run was stopped before this was begun; a plain rerun goes on."""


class IntegrityError(PermanentError):
    """Bytes are not what they were declared to be; the message names both values."""


class MetadataError(PermanentError):
    """A record, or a field of it, is not what it must be; the message names the path inside the record."""


class OnTapeError(PermanentError):
    """Files of a record are on tape: no failure; it waits until somebody has them staged at the portal."""


class ConfigError(PermanentError):
    """The configuration, the master list or the surroundings are not as they must be; nothing was started."""


class DiskError(PermanentError):
    """The local disk refused; no other file will fare better."""


def disk_error(path: Path | str, doing: str, error: OSError) -> DiskError:
    """Say what the disk refused."""
    hint = "make room and run again" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "see to the disk and run again"
    return DiskError(f"{path}: expected to {doing}, found {error.strerror or error}; {hint}")


def with_others(error: FerryError, *, failed: int, untried: int = 0) -> FerryError:
    """Return the error of a file with how many more of its record failed, and how many were not tried any more.

    The numbers stand behind their words, so that failures that are alike but for them are one group in a report.
    """
    also = f"; more files of the record that failed: {failed}" if failed else ""
    also += f"; not tried any more: {untried}" if untried else ""
    return type(error)(f"{error}{also}")
