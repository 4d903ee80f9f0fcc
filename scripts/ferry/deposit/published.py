"""A record that is public already and differs from ours: what may become of it, by the configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ferry.deposit.files import FileDeposit
from ferry.deposit.metadata import MetadataDeposit
from ferry.deposit.plan import LocalFile
from ferry.deposit.settings import WhenPublished
from ferry.deposit.state import DepositState
from ferry.errors import IntegrityError, MetadataError
from ferry.repository.client import Repository
from ferry.repository.models import RemoteRecord
from ferry.retry import RetryPolicy

_AGAIN = (
    "compare {url}, then remove the recid from the list, or set repository.when_published to what shall become of it"
)
_FILES_STAY = (
    "update_metadata leaves the files of {url} as they are, also <recid>.json, which holds the metadata of the source: "
    "set repository.when_published to new_version, or change by a correction what shall change"
)


@dataclass(frozen=True)
class Adopted:
    """What is gone on with of a public record.

    record: the public record itself where it is equal, else the draft of its change.
    files: its files, where they are right; None: they are to be brought into the draft, which is that of a new version.
    """

    record: RemoteRecord
    files: list[LocalFile] | None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be done."""
        return self.record.is_published


class PublishedRecord:
    """Accepts a public record that is equal; opens a draft where it differs, if the configuration says so."""

    def __init__(
        self,
        *,
        repository: Repository,
        identifier: str,
        metadata: MetadataDeposit,
        files: FileDeposit,
        state: DepositState,
        retry: RetryPolicy,
        choice: WhenPublished,
    ) -> None:
        """Compare by what `metadata` and `files` know; `choice` is what becomes of a record that differs."""
        self._repository = repository
        self._identifier = identifier
        self._metadata = metadata
        self._files = files
        self._state = state
        self._retry = retry
        self._choice = choice

    async def adopt(self, record: RemoteRecord, document: Mapping[str, Any], *, has_files: bool) -> Adopted:
        """Compare a public record with ours, and do what the configuration says where it differs.

        Raises:
            IntegrityError, MetadataError: it differs, and is to be left as it is.
        """
        local, wrong = await self._files.compare(record) if has_files or record.has_files else ([], [])
        changes = [change.path for change in self._metadata.check(record, document)]
        if not wrong and not changes:
            return Adopted(record, local)
        raise_if_left_alone(
            record, identifier=self._identifier, wrong_files=wrong, changed_fields=changes, choice=self._choice
        )
        if self._choice == "new_version":
            return Adopted(await self._begin_version(record, document), None)
        self._metadata.take_for_ours(record.document, document)
        with self._state.asking("edit", self._repository.traffic):
            return Adopted(await self._retry.retried(lambda: self._repository.edit(record)), local)

    async def _begin_version(self, record: RemoteRecord, document: Mapping[str, Any]) -> RemoteRecord:
        with self._state.asking("edit", self._repository.traffic):
            draft = await self._retry.retried(lambda: self._repository.new_version(record))
        # the date is the only field that the repository does not take over into the draft of a version
        opened = {**record.document["metadata"], "publication_date": draft.document["metadata"].get("publication_date")}
        self._metadata.take_for_ours({**record.document, "metadata": opened}, document)
        self._state.begin_record(draft.id)
        return draft


def raise_if_left_alone(
    record: RemoteRecord,
    *,
    identifier: str,
    wrong_files: Sequence[str],
    changed_fields: Sequence[str],
    choice: WhenPublished,
) -> None:
    """Raise an error that names what differs, if the configuration does not let that be changed.

    Raises:
        IntegrityError: files differ, and there is to be no new version.
        MetadataError: metadata differ, and the record is only to be compared.
    """
    named = f"record {record.id} of {identifier} is published already"
    if wrong_files and choice != "new_version":
        advice = _AGAIN if choice == "compare" else _FILES_STAY
        raise IntegrityError(
            f"{named} and its files differ: {', '.join(wrong_files[:10])}; {advice.format(url=record.page_url)}"
        )
    if choice == "compare":
        raise MetadataError(
            f"{named} and its metadata differ: {', '.join(changed_fields[:10])}; {_AGAIN.format(url=record.page_url)}"
        )
