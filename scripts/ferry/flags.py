"""What one job has found out and every other job of the same run has to know."""

from dataclasses import dataclass
from pathlib import Path

from ferry.files import write_whole

FLAGS_DIR = Path("logs/flags")
TOKEN_REFUSED = "token-refused"  # noqa: S105 - the name of a flag
PARTS_REFUSED = "parts-refused"
WITHOUT_FILES_REFUSED = "records-without-files-refused"
EMPTY_FILES_REFUSED = "empty-files-refused"
STOPPED = "stopped"
ENDS = "ends"
"""Nothing is begun or tried again any more, in this run or one that follows it: tables, figures and pages are made."""
ENDED = "ended"
"""The run has told how its records stand; one that is gone without it was killed, or its machine went down."""
HELD = "held"
WAS_HELD, WENT_ON = "was-held", "went-on"
AWAY = "away"
PORTAL_AWAY, PORTAL_TOLD = "portal-away", "portal-told"
FOUND_WRONG = "found-wrong"


@dataclass(frozen=True)
class RunFlags:
    """The flags of a run; the next run begins without any."""

    run_id: str
    directory: Path = FLAGS_DIR

    def set(self, name: str, text: str, *, replace: bool = False) -> None:
        """Leave a flag for all jobs; one that is there stays as it is unless it is to be replaced.

        Of two that are set at the same moment, either is there.
        """
        path = Path(self._path(name))
        if path.exists() and not replace:
            return
        write_whole(path, f"{text}\n", shared=True)  # jobs find out the same at the same time, also on several nodes

    def get(self, name: str) -> str | None:
        """Return the text of a flag, None if nobody has left it."""
        try:
            with open(self._path(name), encoding="utf-8") as stream:
                return stream.read().strip()
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Take a flag away."""
        Path(self._path(name)).unlink(missing_ok=True)

    def take(self, name: str) -> bool:
        """Leave a flag and tell whether it was not there: of several that try, one is told so."""
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            Path(self._path(name)).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def _path(self, name: str) -> str:
        # a flag is asked for before each request, and a Path costs more
        return f"{self.directory}/{self.run_id}.{name}"
