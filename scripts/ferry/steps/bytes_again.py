"""Bytes that a step needs and that are gone, or are not what they were: fetched and packed again by that step itself.

So a folder data/ that was removed, in mid-course or later, costs one run and no word of anybody.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ferry.bundle.member_files import BytesError
from ferry.bundle.plan import PackageSettings
from ferry.receipts import read_receipt
from ferry.run.disk_budget import DROPPED
from ferry.steps.download_files import download_to_receipt
from ferry.steps.package_files import package

log = logging.getLogger(__name__)


def with_bytes[Result](act: Callable[[], Result], *, fetch: Callable[[], object]) -> Result:
    """Act; where bytes on disk are not what their receipts say, fetch what is wrong and act once more.

    Raises:
        BytesError: they are still not.
    """
    try:
        return act()
    except BytesError as error:
        log.warning("%s; fetched again, and tried once more", error)
    fetch()
    return act()


@dataclass(frozen=True)
class BytesAgain:
    """What it takes to have the bytes of a record again, by the parts of the configuration that it takes."""

    recid: int
    record_dir: Path
    """results/<recid>."""
    data_dir: Path
    """data/<recid>."""
    source: Mapping[str, Any]
    portal: str
    """Address of the portal."""
    download: Mapping[str, Any]
    package: Mapping[str, Any]
    storage: Mapping[str, Any]
    repository: str
    """Name of the one that the files are for."""
    sandbox_dir: Path
    threads: int

    @classmethod
    def of(cls, *, recid: int, record_dir: Path, params: Any, threads: int) -> Self:
        """Return it by the params of a rule, which bear the names of the parts of the configuration."""
        return cls(
            recid=recid,
            record_dir=record_dir,
            data_dir=Path(params.data_dir),
            source=params.source,
            portal=params.portal,
            download=params.download,
            package=params.package,
            storage=params.storage,
            repository=params.repository["url"],
            sandbox_dir=Path(params.sandbox_dir),
            threads=threads,
        )

    def fetch(self) -> None:
        """Read all files of the record that are here, and fetch those that are not, or are wrong."""
        for known in (DROPPED, "verified.jsonl"):
            (self.data_dir / known).unlink(missing_ok=True)
        download_to_receipt(
            recid=self.recid,
            source_path=self.record_dir / "source.json",
            receipt_path=self.record_dir / "download.json",
            data_dir=self.data_dir,
            source=self.source,
            portal=self.portal,
            download=self.download,
            package=self.package,
            storage=self.storage,
            repository=self.repository,
            sandbox_dir=self.sandbox_dir,
        )

    def fetch_and_pack(self) -> None:
        """Have what goes up again, too."""
        receipt_path = self.record_dir / "package.json"
        settings_name = read_receipt(receipt_path, "package", recid=self.recid).get("settings")
        self.fetch()
        package(
            recid=self.recid,
            source_path=self.record_dir / "source.json",
            download_path=self.record_dir / "download.json",
            receipt_path=receipt_path,
            data_dir=self.data_dir,
            settings=PackageSettings.of(self.package),
            settings_name=settings_name,
            threads=self.threads,
        )
