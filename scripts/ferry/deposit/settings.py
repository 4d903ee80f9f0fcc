"""How an upload behaves towards the repository."""

from dataclasses import dataclass
from typing import Literal

from ferry.deposit.metadata import WhenEdited
from ferry.deposit.plan import ForeignFiles

WhenPublished = Literal["compare", "update_metadata", "new_version"]
EmptyRecords = Literal["fail", "skip", "metadata_file"]
DuplicateDrafts = Literal["fail", "remove"]
FilesOrder = Literal["largest_first", "smallest_first", "by_key"]


@dataclass(frozen=True)
class DepositSettings:
    """How to behave towards the repository."""

    attempts: int = 5
    """Rounds in a row without progress before the record counts as failed."""
    parallel_files: int = 100
    """Most files in flight at once; as many are as make it faster (in_flight)."""
    settle_s: float = 120.0
    """How late something may come of a request that nobody has answered, and be shown by the repository's search."""
    duplicate_drafts: DuplicateDrafts = "fail"
    """What becomes of a second draft of ours that holds nothing which the one in use does not hold."""
    checksum_wait_s: float = 600.0
    """How long the repository may take to compute a checksum."""
    foreign_files: ForeignFiles = "leave"
    workflow: str | None = None
    community: str | None = None
    """That the draft is for; without a workflow it gets the community's own."""
    publishes: bool = True
    """Whether the draft goes on to be published or reviewed."""
    when_published: WhenPublished = "compare"
    """What becomes of a published record that differs from ours."""
    when_edited: WhenEdited = "fail"
    """What becomes of what was changed by hand."""
    takes_records_without_files: bool | None = None
    """Whether the repository does; None: not known."""
    empty_records: EmptyRecords = "fail"
    """What becomes of a record without files where the repository takes none."""
    order: FilesOrder = "largest_first"
    bytes_per_s: float | None = None
    """Most that one record sends."""
    multipart_from_bytes: int | None = None
    """Files of this length and more go in parts, where the repository takes them; None: never."""
    part_bytes: int = 100_000_000
    least_part_bytes: int = 5 << 20
    """Parts are made no smaller than this where larger ones are refused: S3 takes no smaller ones but the last."""
    parallel_parts: int = 4
    """Parts of one file in flight at once."""
