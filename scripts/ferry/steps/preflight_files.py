"""The part of the preflight that is about files: what the repository takes, of which it tells little."""

from collections.abc import Mapping
from typing import Any

from ferry.errors import FerryError
from ferry.repository.client import Repository
from ferry.steps.preflight_checks import Check

_LIMITS = ("max_upload_bytes", "max_record_bytes")


async def check_files(
    *, repository: Repository, takes_records_without_files: bool | None, package: Mapping[str, Any]
) -> list[Check]:
    """Say what is known of records without files, of files without a byte, and of the limits of files.

    Args:
        repository: opened.
        takes_records_without_files: as configured, None: not known.
        package: that part of the configuration.
    """
    return [
        await _check_without_files(repository, takes_records_without_files, package["empty_records"]),
        _check_empty_files(package["empty_files"]),
        _check_limits(package),
    ]


async def _check_without_files(repository: Repository, takes: bool | None, choice: str) -> Check:
    name = "without files"
    if takes is not None:
        told = "are taken" if takes else f"are not taken (package.empty_records: {choice})"
        return Check(name, True, f"records without files {told}, as repository.takes_records_without_files says")
    try:
        there = await repository.count_without_files()
    except FerryError as error:
        return Check(name, None, str(error))
    if there:
        return Check(name, True, f"records without files were taken: {there} are public")
    advice = "ask, and set repository.takes_records_without_files; else the first that is refused tells"
    return Check(name, None, f"the repository does not tell whether it takes records without files; {advice}")


def _check_empty_files(choice: str) -> Check:
    if choice == "bundle":
        return Check("empty files", True, "go up in a zip (package.empty_files: bundle)")
    advice = "ask, and set package.empty_files to bundle where it does not"
    return Check("empty files", None, f"the repository does not tell whether it takes files without a byte; {advice}")


def _check_limits(package: Mapping[str, Any]) -> Check:
    ours = ", ".join(f"package.{name}: {package[name] or 'no limit'}" for name in _LIMITS)
    return Check("limits of files", None, f"the repository does not tell them: ask, and compare with {ours}")
