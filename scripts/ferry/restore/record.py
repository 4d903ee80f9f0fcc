"""The files of one record, from a repository to a folder: what is there and right stays, the rest is fetched."""

import logging
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from ferry.checksums import digest_file
from ferry.errors import DiskError, FerryError, PermanentError, disk_error
from ferry.repository.models import RemoteFile
from ferry.restore.content import ContentReader, content_url
from ferry.restore.paths import RestoredPaths, make_folder
from ferry.restore.statements import StatedFile, Statement
from ferry.restore.unpack import MADE_HERE, Bundle, BundleUnpacker
from ferry.restore.zip_stream import Header
from ferry.source.download import Download, DownloadSettings
from ferry.source.fetch import BrokenOffError, names_of, part_path
from ferry.source.fetch_missing import proof_of_existing
from ferry.source.final_names import FinalNames
from ferry.source.progress import TransferStats
from ferry.source.threads import results_of
from ferry.source.verified import Proof, SourceFile, VerifiedFiles

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RestoreSettings:
    """How to restore."""

    patterns: tuple[str, ...] = ()
    """Shell patterns of keys; none: all files."""
    parallel_files: int = 4
    attempts: int = 5
    stall_s: float = 120.0


@dataclass
class Restored:
    """What has become of a record."""

    files: list[dict[str, Any]] = field(default_factory=list)
    """In the form that the receipt `restored` has."""
    files_fetched: int = 0
    bytes_fetched: int = 0


class RecordRestore:
    """The restore of one record, for a thread."""

    def __init__(
        self,
        *,
        recid: int,
        statement: Statement,
        listed: Sequence[RemoteFile],
        folder: Path,
        state_path: Path,
        reader: ContentReader,
        settings: RestoreSettings,
    ) -> None:
        """Prepare to restore.

        Args:
            recid: of the record.
            statement: what its files have to be.
            listed: what the repository has of it.
            folder: gets its files.
            state_path: remembers while it runs what was proven. What lies in the folder is read anew by each restore:
                years may have passed.
            reader: opens the content of files.
            settings: how to.
        """
        self._recid = recid
        self._statement = statement
        self._listed = {file.key: file for file in listed}
        self._folder = folder
        self._state_path = state_path
        self._reader = reader
        self._settings = settings
        self._paths = RestoredPaths(folder)
        self._lock = threading.Lock()
        self._traffic = TransferStats()
        self._stopped = threading.Event()

    def run(self) -> Restored:
        """Do it.

        Raises:
            IntegrityError: bytes in the repository are not what they have to be, or a name leads elsewhere.
            PermanentError: the repository will not give them.
            DiskError: the disk will not take them.
            TransientError: not through after all attempts; running again goes on from here.
        """
        try:
            self._state_path.unlink(missing_ok=True)
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(self._folder, "be made", error) from error
        placed = [(file, self._paths.add(file.key, file.original_name)) for file in self._statement.files]
        wanted = [(file, path) for file, path in placed if self._is_wanted(file.key)]
        for _, path in wanted:
            make_folder(path, root=self._folder)
        loose = {path: file for file, path in wanted if file.uploaded_key == file.key}
        members = {path: file for file, path in wanted if file.uploaded_key != file.key}
        restored = Restored()
        self._fetch(loose, restored)
        self._unpack(members, restored)
        restored.files.sort(key=lambda file: str(file["key"]))
        return restored

    def _is_wanted(self, key: str) -> bool:
        return not self._settings.patterns or any(fnmatchcase(key, pattern) for pattern in self._settings.patterns)

    def _fetch(self, loose: Mapping[str, StatedFile], restored: Restored) -> None:
        """Bring the files that lie in the repository by themselves."""
        if not loose:
            return
        source = {
            "recid": self._recid,
            "files": [self._source_file(path, file, self._listed[file.key]) for path, file in loose.items()],
        }
        done = Download(
            source=source,
            files_dir=self._folder,
            state_path=self._state_path,
            settings=DownloadSettings(
                parallel_files=self._settings.parallel_files,
                attempts=self._settings.attempts,
                stall_s=int(self._settings.stall_s),
                allow_unverified=True,  # where the repository has no MD5 of a file; told in the receipt
            ),
            open_url=self._reader.open,
        ).run()
        restored.files_fetched += done.measured["files_moved"]
        restored.bytes_fetched += done.measured["bytes_moved"]
        for entry in done.receipt["files"]:
            restored.files.append(_told(entry["key"], loose[entry["key"]], entry["size_bytes"], entry["adler32"]))

    def _unpack(self, members: Mapping[str, StatedFile], restored: Restored) -> None:
        """Bring the members of bundles."""
        verified = VerifiedFiles(self._state_path)
        names = FinalNames(files_dir=self._folder, verified=verified)
        by_bundle: dict[str, dict[str, StatedFile]] = {key: {} for key in sorted(self._statement.unlisted)}
        for path, file in members.items():
            by_bundle.setdefault(file.uploaded_key, {})[path] = file
        if not by_bundle:
            return
        bring = partial(self._bring_bundle, verified=verified, names=names, restored=restored, among=names_of(members))
        errors: dict[str, FerryError] = {}
        with closing(self._outcomes(list(by_bundle.items()), bring)) as outcomes:
            for outcome in outcomes:
                if outcome is None:
                    with self._lock:
                        names.flush()
                elif outcome[1] is not None and not isinstance(outcome[1], BrokenOffError):
                    errors[outcome[0]] = outcome[1]
                    if isinstance(outcome[1], DiskError):
                        self._stopped.set()
        with self._lock:
            names.flush()
        restored.files_fetched += len(names.proofs)
        restored.bytes_fetched += self._traffic.bytes_moved
        if errors:
            chosen = next((error for error in errors.values() if isinstance(error, PermanentError)), None)
            raise chosen or min(errors.items())[1]

    def _outcomes(
        self,
        bundles: Sequence[tuple[str, Mapping[str, StatedFile]]],
        bring: Callable[[tuple[str, Mapping[str, StatedFile]]], tuple[str, FerryError | None]],
    ) -> Generator[tuple[str, FerryError | None] | None]:
        limit_s = 10 * self._settings.stall_s
        return results_of(
            bundles,
            work=bring,
            threads=max(1, min(self._settings.parallel_files, len(bundles))),
            stopped=self._stopped,
            is_stuck=lambda: self._traffic.overdue(limit_s) is not None,
        )

    def _bring_bundle(
        self,
        item: tuple[str, Mapping[str, StatedFile]],
        *,
        verified: VerifiedFiles,
        names: FinalNames,
        restored: Restored,
        among: frozenset[str],
    ) -> tuple[str, FerryError | None]:
        """Bring the members of one bundle; give its key and why it could not be done."""
        key, members = item
        remote = self._listed[key]
        try:
            url, is_listed = content_url(remote), key not in self._statement.unlisted
            files = {path: self._source_file(path, file, remote) for path, file in members.items()}
            wanted: dict[str, tuple[SourceFile, str]] = {}
            for path, file in members.items():
                proof = self._existing(files[path], verified)
                if proof is None:
                    part = part_path(f"{self._folder}/{path}", key=path, names=among)
                    wanted[file.key] = (files[path], part)
                else:
                    self._note(restored, path, file, proof)
            all_of_it = sum(file.uploaded_key == key for file in self._statement.files)
            if is_listed and not wanted:
                return key, None
            unlisted: dict[str, StatedFile] = {}
            unpacker = BundleUnpacker(
                Bundle(key, url, remote.size_bytes or 0, remote.md5),
                open_at=lambda start: self._reader.open(url, start=start),
                wanted=wanted if is_listed else None,
                is_part=len(wanted) < all_of_it,
                place=lambda header: self._place(header, remote, restored, unlisted),
                attempts=self._settings.attempts,
                traffic=self._traffic,
                pause=self._stopped.wait,
                is_stopped=self._stopped.is_set,
            )
            for proven in unpacker.parts():
                path = proven.proof.key
                if not is_listed and MADE_HERE.fullmatch(path):
                    self._add_path(path)
                with self._lock:
                    names.add(proven)
                self._note(restored, path, members.get(path) or unlisted[path], proven.proof)
        except FerryError as error:
            return key, error
        except OSError as error:
            return key, disk_error(self._folder, "be read or written", error)
        return key, None

    def _place(
        self,
        header: Header,
        remote: RemoteFile,
        restored: Restored,
        unlisted: dict[str, StatedFile],
    ) -> tuple[SourceFile, str] | None:
        """Say where a member goes of which nothing is known but what its header says."""
        if not self._is_wanted(header.name):
            return None
        path, is_new = header.name, header.name not in unlisted
        if is_new and not MADE_HERE.fullmatch(path):
            self._add_path(path)
        place, named = self._folder / path, f"{remote.key}/{path}"
        file = StatedFile(path, header.size_bytes, (), remote.key, "bundle")
        if is_new and place.exists() and place.stat().st_size == header.size_bytes:
            found = digest_file(place).values()
            if found["crc32"] == f"{header.crc32:08x}":
                self._note(restored, path, file, Proof(path, header.size_bytes, 0, found))
                return None
        unlisted[path] = file
        return self._source_file(path, file, remote), part_path(
            str(place), key=named, names=frozenset({f"{named}.part"})
        )

    def _add_path(self, name: str) -> None:
        with self._lock:
            path = self._paths.add(name)
        make_folder(path, root=self._folder)

    def _existing(self, file: SourceFile, verified: VerifiedFiles) -> Proof | None:
        path = self._folder / file["key"]
        return proof_of_existing(file, path, verified) if path.exists() else None

    def _note(self, restored: Restored, path: str, file: StatedFile, proof: Proof) -> None:
        restored.files.append(_told(path, file, proof.size_bytes, proof.digests["adler32"]))

    def _source_file(self, path: str, file: StatedFile, remote: RemoteFile) -> SourceFile:
        """Return the entry by which a file is fetched and held against what is stated of it."""
        first, *others = file.checksums or (None,)
        entry = {"key": path, "size_bytes": file.size_bytes, "checksum": first, "uri": content_url(remote)}
        return entry | {"online": True} | ({"stated": others} if others else {})


def _told(path: str, file: StatedFile, size_bytes: int, adler32: str) -> dict[str, Any]:
    checksums = {checksum["algorithm"]: checksum["value"] for checksum in file.checksums}
    original = {} if path == file.key or file.original_name is None else {"original_name": file.original_name}
    return {
        "key": file.key,
        **original,
        "size_bytes": size_bytes,
        "checksums": {"adler32": adler32, **checksums},
        "bundle": file.uploaded_key if file.uploaded_key != file.key else None,
        "proven_by": file.proven_by,
    }
