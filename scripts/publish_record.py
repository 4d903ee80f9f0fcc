"""Entry of the rule publish_record."""

from pathlib import Path

from ferry.run.step import record_step
from ferry.steps.publish_record import publish

recid = int(snakemake.wildcards.recid)
with record_step(name="publish_record", recid=recid, log_path=Path(snakemake.log[0])) as measured:
    measured.update(
        publish(
            recid=recid,
            upload_path=Path(snakemake.input.upload),
            record_path=Path(snakemake.input.record),
            receipt_path=Path(snakemake.output.receipt),
            data_dir=Path(snakemake.params.data_dir),
            journal=Path(snakemake.log[0]).with_name("journal.jsonl"),
            repository=snakemake.params.repository,
            settings=snakemake.params.upload,
            sandbox_dir=Path(snakemake.params.sandbox_dir),
        )
    )
