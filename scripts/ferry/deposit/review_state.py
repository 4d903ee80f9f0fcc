"""What is known of the review of a record between two runs: results/<recid>/review.json, which no rule declares.

It is there from the first time on that somebody has to decide about a record, and an input of `publish_record` from the
next run on. As long as the decision is open, the last step of a record writes it anew, with another number in it. So it
is newer than the receipt `published`, and the next run asks again; once the record is public it is written no more.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ferry.errors import FerryError
from ferry.receipts import REVIEW, digest, read_receipt, write_receipt
from ferry.repository.models import ReviewRequest


@dataclass(frozen=True)
class ReviewState:
    """The request that decides about a record, and what was submitted with it."""

    recid: int
    repository: str
    record_id: str
    request: dict[str, str]
    """id, status and url, as last read."""
    submitted_sha256: str
    """Of the receipt `upload` that reviewers had before them, as far as is known: of the one when it was last open."""
    asked: int = 0
    """In how many runs the decision was found open."""
    finish: str = ""
    """`repository.finish` of the run that found it open last; "" of an earlier release."""

    @classmethod
    def load(cls, path: Path, uploaded: Mapping[str, Any]) -> Self | None:
        """Return what is known of the review of what was uploaded; None if nothing is, or it is of another draft."""
        try:
            known = cls(**read_receipt(path, "review", recid=uploaded["recid"]))
        except (OSError, FerryError):
            return None
        there = (known.repository, known.record_id)
        return known if there == (uploaded["repository"], uploaded["record_id"]) else None

    @classmethod
    def of(
        cls, request: ReviewRequest, *, uploaded: Mapping[str, Any], before: "ReviewState | None", finish: str = ""
    ) -> Self:
        """Return what is to be remembered of a request; once it is decided, what was decided about stays."""
        stays = before is not None and before.request["id"] == request.id and not request.is_pending
        return cls(
            recid=uploaded["recid"],
            repository=uploaded["repository"],
            record_id=uploaded["record_id"],
            request=request_entry(request),
            submitted_sha256=before.submitted_sha256 if before is not None and stays else digest(uploaded),
            asked=before.asked if before is not None else 0,
            finish=finish,
        )

    def save(self, path: Path) -> None:
        """Write it."""
        write_receipt(path, "review", asdict(self))


def request_entry(request: ReviewRequest) -> dict[str, str]:
    """Return what receipts hold of a request."""
    return {"id": request.id, "status": request.status, "url": request.url}


def ask_again(recid: int, record_dir: Path) -> None:
    """Have the next run ask about a record whose receipt `published` says that its review is open."""
    path = record_dir / REVIEW
    try:
        known = read_receipt(path, "review", recid=recid)
    except (OSError, FerryError):
        path.unlink(missing_ok=True)  # an input that is gone has the step run again, too
        return
    write_receipt(path, "review", {**known, "asked": known["asked"] + 1})
