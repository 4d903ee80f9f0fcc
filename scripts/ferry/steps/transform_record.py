"""The step `transform`: from the receipt `source` to the receipts `record` and `mapping`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferry.bundle.plan import PackageSettings, is_bundled
from ferry.chain import READ_STEP, mark_again
from ferry.errors import MetadataError
from ferry.limits import DEFAULT_LIMITS, Limits
from ferry.mapping.correction_files import read_correction
from ferry.mapping.corrections import corrected
from ferry.mapping.own import target_record
from ferry.mapping.work import MappingOptions
from ferry.receipts import digest, read_receipt, write_receipt
from ferry.source.known_records import KnownRecords
from ferry.source.origin import OriginError


def mapping_options(
    *,
    transform: Mapping[str, Any],
    package: Mapping[str, Any],
    metadata: Mapping[str, Any],
    known: KnownRecords | None = None,
) -> MappingOptions:
    """Return what these parts of the configuration decide about a record.

    known: where titles and kinds of related records are looked up; None: nothing is known of them.
    """
    settings = PackageSettings.of(package)
    return MappingOptions(
        doi=transform["doi"],
        publisher=transform["publisher"],
        access=transform["access"],
        categories=transform["categories"],
        date_descriptions=transform["date_descriptions"],
        default_rights=transform["default_rights"],
        **({"known": known.find} if known else {}),
        identifier_prefix=metadata["identifier_prefix"] if metadata["origin"] == "own" else None,
        attached=bool(settings.attachments),
        own_json="source" in settings.attachments,
        own_json_alone=package["empty_records"] == "metadata_file",
        bundled=lambda keys, has_empty: is_bundled(keys, settings, has_empty=has_empty),
    )


def transform_to_receipts(
    *,
    recid: int,
    source_path: Path,
    corrections_path: Path | None,
    profile: str,
    options: MappingOptions,
    record_path: Path,
    mapping_path: Path,
    settings: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    folders: Sequence[str] = (),
) -> dict[str, int]:
    """Transform one record, corrected where there is a correction, and write both receipts.

    Args:
        recid: of the record.
        source_path: the receipt `source`.
        corrections_path: the record's corrections, None if there are none.
        profile: of the target.
        options: how to map.
        record_path, mapping_path: where the receipts go.
        limits: most that the corrections may hold.
        folders: into which they may be links (source.allow.folders).
        settings: name of the settings that `profile` and `options` are made of, for `snakemake check`.

    Returns:
        How many values of the record were mapped, dropped and unknown, and how many warnings there are.

    Raises:
        MetadataError: the record cannot be mapped, or the target would refuse it; names record and path.
        ReceiptError: `source_path` is not the receipt `source` of this record.
    """
    source = read_receipt(source_path, "source", recid=recid)
    source_sha256 = digest(source)
    changes: list[dict[str, Any]] = []
    try:
        if corrections_path is not None:
            patch = read_correction(corrections_path, limits=limits, folders=folders)
            record, changes = corrected(source["record"], patch)
            source = {**source, "record": record}
        transformed = target_record(source=source, profile=profile, options=options)
    except OriginError:
        mark_again(READ_STEP, source_path.parent)  # it was read when metadata.origin was another
        raise
    except MetadataError as error:
        raise MetadataError(f"record {recid}: {error}") from error
    mapping = {
        **transformed.mapping,
        "corrected": changes,
        "source_sha256": source_sha256,
        "record_sha256": digest(transformed.record),
    }
    write_receipt(mapping_path, "mapping", mapping if settings is None else {**mapping, "settings": settings})
    write_receipt(record_path, "record", transformed.record)
    leaves = transformed.mapping["leaves"]
    return {
        "values_mapped": leaves["mapped"],
        "values_dropped": leaves["dropped"],
        "values_unknown": leaves["unknown"],
        "mapping_warnings": len(transformed.warnings),
    }
