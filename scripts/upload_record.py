"""Entry of the rule upload_record."""

from pathlib import Path

from ferry.run.step import record_step
from ferry.steps.upload_record import upload

recid = int(snakemake.wildcards.recid)
with record_step(name="upload_record", recid=recid, log_path=Path(snakemake.log[0])) as measured:
    measured.update(
        upload(
            recid=recid,
            record_path=Path(snakemake.input.record),
            package_path=Path(snakemake.input.package),
            receipt_path=Path(snakemake.output.receipt),
            data_dir=Path(snakemake.params.data_dir),
            journal=Path(snakemake.log[0]).with_name("journal.jsonl"),
            repository=snakemake.params.repository,
            settings=snakemake.params.upload,
            empty_records=snakemake.params.empty_records,
            sandbox_dir=Path(snakemake.params.sandbox_dir),
        )
    )
