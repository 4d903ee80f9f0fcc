"""Entry of the rule package_files."""

from pathlib import Path

from ferry.bundle.plan import PackageSettings
from ferry.run.step import record_step
from ferry.steps.package_files import package

recid = int(snakemake.wildcards.recid)
with record_step(name="package_files", recid=recid, log_path=Path(snakemake.log[0])) as measured:
    measured.update(
        package(
            recid=recid,
            source_path=Path(snakemake.input.source),
            download_path=Path(snakemake.input.download),
            receipt_path=Path(snakemake.output.receipt),
            data_dir=Path(snakemake.params.data_dir),
            settings=PackageSettings.of(snakemake.params.package),
            settings_name=Path(snakemake.input.settings).stem,
            threads=snakemake.threads,
        )
    )
