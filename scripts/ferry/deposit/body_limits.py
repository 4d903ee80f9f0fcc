"""How large a body the repository takes in one request: learned from what it refuses (413), and known to all jobs.

InvenioRDM 14 takes 100 MiB as it comes, 13 takes 10 GB, a proxy in front may take anything; none tells.
"""

from dataclasses import dataclass

from ferry.errors import PermanentError
from ferry.flags import RunFlags

WHOLE_LIMIT = "whole-limit"
PART_LIMIT = "part-limit"
_ADVICE = "its operators have to allow larger ones (nginx: client_max_body_size, Invenio: MAX_CONTENT_LENGTH)"


@dataclass
class BodyLimits:
    """Both limits only ever shrink; each time it is at least by half of what was refused, or to `part_bytes`."""

    part_bytes: int
    """Length of a part as long as nothing was refused."""
    floor_bytes: int
    """No part is made smaller than this."""
    most_parts: int
    """Of one file."""
    flags: RunFlags | None = None
    """Shared by the jobs of the run."""
    lowered: int = 0
    """How often this job has found out something."""

    def __post_init__(self) -> None:
        self._known: dict[str, int] = {}

    def takes_whole(self, size_bytes: int) -> bool:
        """Tell whether a file of this length can go in one request, as far as is known."""
        limit = self._limit(WHOLE_LIMIT)
        return limit is None or size_bytes <= limit

    def takes_part(self, part_bytes: int) -> bool:
        """Tell whether a part of this length can go in one request, as far as is known."""
        limit = self._limit(PART_LIMIT)
        return limit is None or part_bytes <= limit

    def part_bytes_of(self, size_bytes: int) -> int:
        """Return how long each part but the last is, of a file of this length.

        Raises:
            PermanentError: that would make more parts than a file can have.
        """
        wanted = max(self.part_bytes, -(-size_bytes // self.most_parts))
        if wanted >= size_bytes and not self.takes_whole(size_bytes):
            wanted = min(wanted, self._limit(WHOLE_LIMIT) or wanted)
        if self.takes_part(wanted):
            return wanted
        limit = self._limit(PART_LIMIT) or wanted
        if -(-size_bytes // limit) > self.most_parts:
            raise PermanentError(
                f"a file of {size_bytes} bytes goes in at most {self.most_parts} parts, of {wanted} bytes then, and "
                f"the repository takes no part of that length in one request (413), of {limit} bytes perhaps; {_ADVICE}"
            )
        return limit

    def whole_was_refused(self, size_bytes: int) -> None:
        """Take down that a file of this length does not go in one request: the like of it goes in parts.

        Raises:
            PermanentError: smaller ones are not tried.
        """
        self._require_room(size_bytes)
        self._lower(WHOLE_LIMIT, self._shorter_than(size_bytes))

    def part_was_refused(self, part_bytes: int) -> None:
        """Take down that a part of this length does not go in one request: parts are made shorter.

        Raises:
            PermanentError: smaller ones are not tried.
        """
        self._require_room(part_bytes)
        shorter = self._shorter_than(part_bytes)
        self._lower(PART_LIMIT, shorter)
        self._lower(WHOLE_LIMIT, shorter)

    def _require_room(self, refused_bytes: int) -> None:
        if refused_bytes <= self.floor_bytes:
            raise PermanentError(
                f"the repository refuses a body of {refused_bytes} bytes (413), expected that it takes at least "
                f"{self.floor_bytes} bytes, the shortest part that storages take; {_ADVICE}"
            )

    def _shorter_than(self, refused_bytes: int) -> int:
        return self.part_bytes if self.part_bytes < refused_bytes else max(self.floor_bytes, refused_bytes // 2)

    def _limit(self, name: str) -> int | None:
        told = self.flags.get(name) if self.flags is not None else None
        known = [int(told)] if told else []
        if name in self._known:
            known.append(self._known[name])
        return min(known, default=None)

    def _lower(self, name: str, limit: int) -> None:
        before = self._limit(name)
        if before is not None and before <= limit:
            return
        self._known[name] = limit
        self.lowered += 1
        if self.flags is not None:
            self.flags.set(name, str(limit), replace=True)
