"""What the sandbox repository allows and how it behaves; the defaults are those of InvenioRDM 13.1.2."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Settings:
    """Limits and manners of the sandbox.

    Attributes:
        quota_bytes: all files of one record together; more is refused with 400.
        max_file_bytes: Content-Length of one PUT; more is refused with 413 before a byte is read.
        max_files: files in one draft.
        index_lag_s: a change is found by a search only after so many seconds (OpenSearch: about 1).
        rate_limits: (requests, seconds) pairs, all of them counted for each token and User-Agent; who has no
            token of ours is one client with all others of that kind, whatever name it gives itself.
        body_timeout_s: a body that stands still for so long counts as interrupted.
        checksum_lag_s: a committed multipart file shows no checksum for so long.
        multipart: False refuses transfers of type "M", as a backend without parts does.
        discovery: False hides /.well-known/repository, as a plain InvenioRDM does.
        flavour: `rdm` for InvenioRDM, `nrp` for an NRP repository: models, workflows, requests to publish.
        metadata_only: False refuses records without files: a draft that is to have none is one that is to have some.
        empty_files: False refuses files of no bytes, when they are committed.
        public_url: address that stands in links when a proxy stands in front; None: the server's own.
    """

    quota_bytes: int = 10**10
    max_file_bytes: int = 10**10
    max_files: int = 100
    index_lag_s: float = 1.0
    rate_limits: tuple[tuple[int, float], ...] = ((500, 60.0), (5000, 3600.0))
    body_timeout_s: float = 30.0
    checksum_lag_s: float = 0.0
    multipart: bool = True
    discovery: bool = True
    flavour: str = "rdm"
    metadata_only: bool = True
    empty_files: bool = True
    public_url: str | None = None

    def to_json(self) -> str:
        """Return the settings as one line of JSON, for the server's command line."""
        return json.dumps(asdict(self))


def settings_from_json(text: str) -> Settings:
    """Read what `Settings.to_json` wrote; what is left out keeps its default.

    Raises:
        ValueError: not JSON, or a name that is no setting.
    """
    given: dict[str, Any] = json.loads(text)
    unknown = set(given) - {field.name for field in fields(Settings)}
    if unknown:
        raise ValueError(f"sandbox settings: expected names of {Settings.__name__}, found {sorted(unknown)}")
    if "rate_limits" in given:
        given["rate_limits"] = tuple((int(count), float(seconds)) for count, seconds in given["rate_limits"])
    return Settings(**given)
