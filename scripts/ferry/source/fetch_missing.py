"""Bringing the files of a record to their places: what is there and right stays, the rest is fetched."""

import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ferry.errors import FerryError, IntegrityError, disk_error
from ferry.source.access import redirected
from ferry.source.fetch import FileFetcher, names_of, part_path
from ferry.source.final_names import ProvenPart
from ferry.source.tasks import Tasks
from ferry.source.verified import Proof, SourceFile, VerifiedFiles, hash_file, verify

log = logging.getLogger(__name__)

Outcome = Proof | ProvenPart | FerryError
"""What became of a file: it was there already, it has arrived, or why it has not."""


class MissingFilesFetcher:
    """Brings files below one folder, many at once."""

    def __init__(
        self,
        files: Sequence[SourceFile],
        *,
        files_dir: Path,
        verified: VerifiedFiles,
        redirects: Mapping[str, str],
        fetcher: FileFetcher,
        tasks: Tasks,
    ) -> None:
        """Make the folders, and look at what is there.

        Raises:
            DiskError: a folder cannot be made or read.
        """
        self._files_dir = files_dir
        self._keys = [file["key"] for file in files]
        self._names = names_of(self._keys)
        self._verified = verified
        self._redirects = redirects
        self._fetcher = fetcher
        self._tasks = tasks
        self._make_folders()
        self._found = self._names_below()

    async def bring(self, file: SourceFile) -> Outcome:
        """Bring one file; return what became of it, also an error, which is not raised."""
        key: str = file["key"]
        path = f"{self._files_dir}/{key}"
        try:
            if key in self._found:
                there = await self._what_is_there(file, Path(path))
                if there is not None:
                    return there
            part = part_path(path, key=key, names=self._names)
            url = redirected(file["uri"], self._redirects)
            return await self._fetcher.fetch(file, url, part, resumes=self._goes_on(part))
        except FerryError as error:
            return error
        except OSError as error:
            return disk_error(path, "be read or written", error)

    def _goes_on(self, part: str) -> bool:
        """Tell whether there is a part to go on from."""
        if part.removeprefix(f"{self._files_dir}/") not in self._found:
            return False
        if os.stat(part).st_nlink > 1:
            os.unlink(part)  # left by a killed link to somebody's own file (source.data_root), which no byte may change
            return False
        return True

    async def _what_is_there(self, file: SourceFile, path: Path) -> Proof | None:
        prove = partial(proof_of_existing, file, path, self._verified)
        return prove() if self._verified.find(file, path) else await self._tasks.in_thread(prove)  # which reads it

    def _make_folders(self) -> None:
        for name in sorted({"", *(key.rpartition("/")[0] for key in self._keys)}):
            folder = self._files_dir / name
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise disk_error(folder, "be made", error) from error

    def _names_below(self) -> frozenset[str]:
        """Return what lies below the folder, relative to it, so that nobody has to ask file by file."""

        def refuse(error: OSError) -> None:
            raise disk_error(error.filename, "be read", error) from error

        start = len(f"{self._files_dir}/")
        found = os.walk(self._files_dir, onerror=refuse)
        return frozenset(f"{folder}/{name}"[start:] for folder, _, names in found for name in names)


def proof_of_existing(file: SourceFile, path: Path, verified: VerifiedFiles) -> Proof | None:
    """Return what proves that a file which is there is the one that is meant; else remove it, and return None.

    Raises:
        OSError: the disk refuses.
    """
    known = verified.find(file, path)
    if known is not None and _is_right(file, known, path):
        return known
    if file["checksum"] is not None:  # nothing else can tell that these bytes are those of the address
        found = hash_file(file, path)
        if _is_right(file, found, path):
            return found
    path.unlink()
    return None


def _is_right(file: SourceFile, proof: Proof, path: Path) -> bool:
    try:
        verify(file, size_bytes=proof.size_bytes, digests=proof.digests, found_at=str(path))
    except IntegrityError as error:
        log.warning("%s; fetched anew", error)
        return False
    return True
