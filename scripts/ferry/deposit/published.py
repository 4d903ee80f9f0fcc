"""A record that is public already and differs from ours: what may become of it, by the configuration."""

from collections.abc import Sequence

from ferry.deposit.settings import WhenPublished
from ferry.errors import IntegrityError, MetadataError
from ferry.repository.models import RemoteRecord

_AGAIN = (
    "compare {url}, then remove the recid from the list, or set repository.when_published to what shall become of it"
)
_FILES_STAY = (
    "update_metadata leaves the files of {url} as they are, also <recid>.json, which holds the metadata of the source: "
    "set repository.when_published to new_version, or change by a correction what shall change"
)


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
