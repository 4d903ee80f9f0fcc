"""The step `transform`: from the receipt `source` to the receipts `record` and `mapping`."""

from pathlib import Path

from ferry.errors import MetadataError
from ferry.mapping.corrections import corrected, read_corrections
from ferry.mapping.transform import Transformed, transform_record
from ferry.mapping.work import MappingOptions
from ferry.receipts import read_receipt, write_receipt

__all__ = ["MappingOptions", "Transformed", "transform_record", "transform_to_receipts"]


def transform_to_receipts(
    *,
    source_path: Path,
    corrections_path: Path | None,
    profile: str,
    record_path: Path,
    mapping_path: Path,
    options: MappingOptions | None = None,
) -> dict[str, int]:
    """Transform one record, corrected where there is a correction, and write both receipts.

    Returns:
        How many values of the record were mapped, dropped and unknown, and how many warnings there are.

    Raises:
        MetadataError: the record cannot be mapped, or the target would refuse it; names record and path.
        IntegrityError: `source_path` is not a receipt of the kind `source`.
    """
    source = read_receipt(source_path, "source")
    named: list[str] = []
    try:
        if corrections_path is not None:
            record, named = corrected(source["record"], read_corrections(corrections_path))
            source = {**source, "record": record}
        transformed = transform_record(
            source=source, profile=profile, options=options or MappingOptions(attach_source=False)
        )
    except MetadataError as error:
        raise MetadataError(f"record {source['recid']}: {error}") from error
    write_receipt(mapping_path, "mapping", {**transformed.mapping, "corrected": named})
    write_receipt(record_path, "record", transformed.record)
    leaves = transformed.mapping["leaves"]
    return {
        "values_mapped": leaves["mapped"],
        "values_dropped": leaves["dropped"],
        "values_unknown": leaves["unknown"],
        "mapping_warnings": len(transformed.warnings),
    }
