"""The one record of a recid in the repository: by its id where that is known, else by the identifier of its source."""

from collections.abc import Sequence

from ferry.errors import PermanentError
from ferry.repository.client import Repository
from ferry.repository.errors import NotFoundError
from ferry.repository.models import RemoteRecord


class NotThereError(PermanentError):
    """The repository has no such record, or shows none."""


async def find_record(
    repository: Repository, *, identifier: str, known_id: str | None, has_token: bool
) -> RemoteRecord:
    """Return the published record that carries the identifier, or else one's own draft of it.

    Args:
        repository: is asked.
        identifier: of the source.
        known_id: of the record, where something here remembers it.
        has_token: without one only public records are seen.

    Raises:
        NotThereError: there is none.
        PermanentError: there are several, and nothing tells which one is meant; or the known one is of another source.
    """
    if known_id is not None:
        record = await _read(repository, known_id, has_token=has_token)
        if record is not None:
            if not record.is_of(identifier=identifier, recid=None):
                raise PermanentError(
                    f"{record.page_url}: expected the record of {identifier}, found one of "
                    f"{', '.join(sorted(record.identifiers)) or 'no source'}"
                )
            return record
    hits = await repository.search_own(identifier) if has_token else []
    hits = hits or await repository.search_public(identifier)
    published = [hit for hit in hits if hit.was_published]
    chosen = _latest(identifier, published or hits)
    if chosen.is_published:
        return chosen
    found = await _read(repository, chosen.id, has_token=has_token)
    if found is None:
        raise NotThereError(f"{chosen.page_url}: expected the record of {identifier}, as a search says, found none")
    return found


def _latest(identifier: str, hits: Sequence[RemoteRecord]) -> RemoteRecord:
    if not hits:
        raise NotThereError(
            f"{identifier}: expected a record in the repository, found none that is public, or one's own; is "
            "repository.url the right one, and for drafts NRP_TOKEN set?"
        )
    if len({hit.parent_id or hit.id for hit in hits}) > 1:
        pages = ", ".join(sorted({hit.page_url for hit in hits})[:5])
        raise PermanentError(
            f"{identifier}: expected one record that carries it, found several, and nothing that tells which one is "
            f"ours: {pages}; put back results/<recid> with its receipts or proof, or set NRP_TOKEN of their owner"
        )
    return max(hits, key=lambda hit: hit.version)


async def _read(repository: Repository, record_id: str, *, has_token: bool) -> RemoteRecord | None:
    """Return the published record of this id, else the draft, None if there is neither."""
    try:
        return await repository.read_published(record_id)
    except NotFoundError:
        if not has_token:
            return None
    try:
        return await repository.read_draft(record_id)
    except NotFoundError:
        return None
