"""Reads back what is about to be public, or is, and compares it with what was uploaded."""

from collections.abc import Mapping
from typing import Any

from ferry.deposit.metadata import EditedError, MetadataDeposit, named_changes
from ferry.errors import IntegrityError, PermanentError
from ferry.repository.client import Repository
from ferry.repository.errors import NotFoundError
from ferry.repository.models import RemoteRecord


class DraftGoneError(PermanentError):
    """The draft was deleted in the repository before it was published: it has to be made anew."""

    def __init__(self, record_id: str) -> None:
        super().__init__(
            f"draft {record_id}: expected it as it was uploaded, found neither it nor a record that was published of "
            "it: it was deleted in the repository; run again, it is made anew"
        )


class NotAsUploadedError(IntegrityError):
    """What the repository holds is not what was uploaded: the upload has to bring it again."""


class PublishedEditedError(EditedError):
    """A public record was changed by hand: the upload is what can do something about it."""


async def read_public(
    repository: Repository, uploaded: Mapping[str, Any], document: Mapping[str, Any], metadata: MetadataDeposit
) -> RemoteRecord:
    """Return the public record that was made of what was uploaded.

    Raises:
        DraftGoneError: there is neither it nor its draft.
        PublishedEditedError: its metadata are not ours.
        NotAsUploadedError: its files are not those that were uploaded.
    """
    try:
        record = await repository.read_published(uploaded["record_id"])
    except NotFoundError as error:
        raise DraftGoneError(uploaded["record_id"]) from error
    try:
        changes = metadata.check(record, document)
    except EditedError as error:
        raise PublishedEditedError(str(error)) from error
    if changes:
        raise PublishedEditedError(
            f"record {record.id} is public, and holds what it was not given from here: {named_changes(changes)}; "
            f"compare {record.page_url}; the next run makes of it what repository.when_published says"
        )
    await compare_files(repository, record, uploaded)
    return record


async def compare_files(repository: Repository, record: RemoteRecord, uploaded: Mapping[str, Any]) -> None:
    """Make sure that a draft or record holds exactly the files that were uploaded.

    Raises:
        NotAsUploadedError: it does not.
    """
    expected = {file["key"]: (file["size_bytes"], file["md5"]) for file in uploaded["files"]}
    found: Mapping[str, tuple[int | None, str | None]] = {}
    if expected:
        told = record.told_files
        found = told or {file.key: (file.size_bytes, file.md5) for file in await repository.list_files(record)}
    wrong = sorted(key for key in expected if found.get(key) != expected[key])
    if wrong:
        key = wrong[0]
        then = _then(record, "what is wrong or missing is sent again")
        raise NotAsUploadedError(
            f"{record.id}, {key}: expected (bytes, md5) {expected[key]} as uploaded, found {found.get(key)} in the "
            f"repository ({len(wrong)} such files); run again, {then}"
        )
    if others := sorted(found.keys() - expected.keys()):
        raise NotAsUploadedError(
            f"{record.id}: expected the {len(expected)} files that were uploaded, found also {', '.join(others[:5])} "
            f"({len(others)} such files), which nobody here has sent; look at {record.page_url} and remove them there, "
            f"or set upload.foreign_files to remove, and run again, {_then(record, 'then it is published')}"
        )


def _then(record: RemoteRecord, of_a_draft: str) -> str:
    return "the upload does what repository.when_published says" if record.is_published else of_a_draft
