"""Whether a file goes up whole or in parts, and what is learned about that from what the repository refuses."""

import logging

from ferry.deposit.body_limits import BodyLimits
from ferry.deposit.plan import LocalFile
from ferry.deposit.settings import DepositSettings
from ferry.errors import PermanentError, TransientError
from ferry.flags import PARTS_REFUSED
from ferry.repository.client import Repository
from ferry.repository.errors import PartsRefusedError, TooLargeError
from ferry.repository.files import MOST_PARTS, Announcement
from ferry.repository.models import RemoteFile

log = logging.getLogger(__name__)


class TransferChoice:
    """Chooses for the files of one record; what it learns, the other jobs of the run know as well."""

    def __init__(self, *, repository: Repository, settings: DepositSettings) -> None:
        self._repository = repository
        self._settings = settings
        self._limits = BodyLimits(
            part_bytes=settings.part_bytes,
            floor_bytes=settings.least_part_bytes,
            most_parts=MOST_PARTS,
            flags=repository.flags,
        )

    @property
    def learned(self) -> int:
        """How often a refusal told what to do better: such a round was not in vain."""
        return self._limits.lowered

    def in_parts(self) -> bool:
        """Tell whether files may go in parts at all, as far as is known."""
        flags = self._repository.flags
        may = self._settings.multipart_from_bytes is not None and self._repository.takes_parts
        return may and not (flags and flags.get(PARTS_REFUSED))

    def takes_part(self, part_bytes: int) -> bool:
        """Tell whether a part of this length was not refused yet."""
        return self._limits.takes_part(part_bytes)

    def announcement(self, file: LocalFile) -> Announcement:
        """Return how a file is to be announced.

        Raises:
            PermanentError: it would need more parts than a file can have.
        """
        size_bytes, limit = file.size_bytes, self._settings.multipart_from_bytes
        is_large = limit is not None and size_bytes >= max(limit, 1)
        if not self.in_parts() or not (is_large or not self._limits.takes_whole(size_bytes)):
            return Announcement(key=file.key, size_bytes=size_bytes)
        try:
            part_bytes = self._limits.part_bytes_of(size_bytes)
        except PermanentError as error:
            raise PermanentError(f"{file.key}: {error}") from error
        return Announcement(key=file.key, size_bytes=size_bytes, part_bytes=part_bytes)

    def without_parts(self, error: PartsRefusedError) -> TransientError:
        """Learn that no parts are taken; return what is to be told of it."""
        if self._repository.flags:
            self._repository.flags.set(PARTS_REFUSED, str(error))
        self._repository.takes_parts = False
        log.warning("%s; files go up whole from now on", error)
        return TransientError(str(error))

    def in_smaller(self, entry: RemoteFile, size_bytes: int, error: TooLargeError) -> TransientError:
        """Learn from a body that was too large: the file is announced anew, in parts or in smaller ones.

        Args:
            entry: as it was announced; it is still pending.
            size_bytes: of the file.
            error: the refusal.

        Raises:
            PermanentError: nothing smaller can be sent.
        """
        try:
            if entry.part_bytes is not None:
                self._limits.part_was_refused(min(entry.part_bytes, size_bytes))
            elif self._settings.multipart_from_bytes is None:
                raise PermanentError("it may not go in parts: set upload.multipart_from_bytes")
            elif not self.in_parts():
                raise PermanentError("the repository takes no files in parts: larger bodies have to be allowed")
            else:
                self._limits.whole_was_refused(size_bytes)
        except PermanentError as refusal:
            raise PermanentError(f"{error} ({size_bytes} bytes); {refusal}") from error
        log.warning("%s; larger files go in parts from now on", error)
        return TransientError(str(error))
