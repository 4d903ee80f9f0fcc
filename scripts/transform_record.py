"""Entry of the rule transform_record."""

from pathlib import Path

from ferry.limits import Limits
from ferry.run.step import record_step
from ferry.source.known_records import KnownRecords
from ferry.steps.transform_record import mapping_options, transform_to_receipts

recid = int(snakemake.wildcards.recid)
corrections = next(iter(snakemake.input.corrections), None)
with record_step(name="transform_record", recid=recid, log_path=Path(snakemake.log[0])) as measured:
    measured.update(
        transform_to_receipts(
            recid=recid,
            source_path=Path(snakemake.input.source),
            corrections_path=Path(corrections) if corrections else None,
            profile=snakemake.params.transform["profile"],
            options=mapping_options(
                transform=snakemake.params.transform,
                package=snakemake.params.package,
                metadata=snakemake.params.metadata,
                known=KnownRecords(
                    Path(snakemake.params.metadata["dir"]), Path(snakemake.params.catalogue), snakemake.params.folders
                ),
            ),
            record_path=Path(snakemake.output.record),
            mapping_path=Path(snakemake.output.mapping),
            limits=Limits(**snakemake.params.metadata["limits"]),
            folders=snakemake.params.folders,
            settings=Path(snakemake.input.settings).stem,
        )
    )
