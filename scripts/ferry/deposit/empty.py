"""Records without files and files without a byte: some repositories take neither, and tell only when it is tried."""

from collections.abc import Sequence

from ferry.deposit.settings import DepositSettings
from ferry.errors import PermanentError
from ferry.flags import EMPTY_FILES_REFUSED, WITHOUT_FILES_REFUSED, RunFlags

NO_RECORD_WITHOUT_FILES = "this repository takes no record without files"
NO_EMPTY_FILE = "this repository takes no file without a byte"
WAYS_WITHOUT_FILES = (
    "set package.empty_records to metadata_file (the record's own JSON goes up as its file) or to skip, or give the "
    "record files (source.data_root)"
)
WAYS_WITH_EMPTY_FILE = "set package.empty_files to bundle: a record with such a file goes up as a zip"


class WithoutFilesError(PermanentError):
    """The record has no files, and the repository takes none without."""


class EmptyFileError(PermanentError):
    """The repository takes no file without a byte."""


def without_files(recid: int, *, is_skipped: bool) -> WithoutFilesError:
    """Return what is said of a record that is not taken for want of files."""
    told = f"record {recid} has no files, and {NO_RECORD_WITHOUT_FILES}; "
    if is_skipped:
        again = f"to carry it all the same change that, delete results/{recid}/upload.json and run again"
        return WithoutFilesError(f"{told}skipped, as package.empty_records says; {again}")
    return WithoutFilesError(told + WAYS_WITHOUT_FILES)


def empty_file(key: str, *, found: str = "it was refused earlier in this run") -> EmptyFileError:
    """Return what is said of a file that is not taken for want of a byte; `found`: what the repository said."""
    return EmptyFileError(f"{key}: it has no byte, and {NO_EMPTY_FILE} ({found}); {WAYS_WITH_EMPTY_FILE}")


class KnownRefusals:
    """What is known, by the configuration or from another record of the run, to be refused."""

    def __init__(self, *, flags: RunFlags | None, settings: DepositSettings) -> None:
        self._flags = flags
        self._takes_records_without_files = settings.takes_records_without_files

    def of_records_without_files(self) -> bool:
        """Tell whether a record without files would be refused."""
        if self._takes_records_without_files is None:
            return bool(self._flags and self._flags.get(WITHOUT_FILES_REFUSED))
        return not self._takes_records_without_files

    def of_empty_files(self) -> bool:
        """Tell whether a file without a byte would be refused."""
        return bool(self._flags and self._flags.get(EMPTY_FILES_REFUSED))

    def note_record_without_files(self, found: WithoutFilesError) -> None:
        """Tell the other jobs of the run."""
        if self._flags:
            self._flags.set(WITHOUT_FILES_REFUSED, str(found))

    def note_empty_file(self, found: EmptyFileError) -> None:
        """Tell the other jobs of the run."""
        if self._flags:
            self._flags.set(EMPTY_FILES_REFUSED, str(found))


def first_empty(uploads: Sequence[tuple[str, int]]) -> str | None:
    """Return the first key, of (key, bytes), of an upload without a byte; None if there is none."""
    return next((key for key, size_bytes in uploads if size_bytes == 0), None)
