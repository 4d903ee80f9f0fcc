"""Entry of the rule download_files."""

from pathlib import Path

from ferry.run.step import record_step
from ferry.steps.download_files import download_to_receipt

recid = int(snakemake.wildcards.recid)
with record_step(name="download_files", recid=recid, log_path=Path(snakemake.log[0])) as measured:
    measured.update(
        download_to_receipt(
            recid=recid,
            source_path=Path(snakemake.input.source),
            receipt_path=Path(snakemake.output.receipt),
            data_dir=Path(snakemake.params.data_dir),
            source=snakemake.params.source,
            portal=snakemake.params.portal,
            download=snakemake.params.download,
            package=snakemake.params.package,
            storage=snakemake.params.storage,
            repository=snakemake.params.repository,
            sandbox_dir=Path(snakemake.params.sandbox_dir),
        )
    )
