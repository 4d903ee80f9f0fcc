"""Entry of the rule package_files."""

from pathlib import Path

from ferry.package import package
from ferry.package_plan import PackageSettings
from ferry.step import record_step

recid = int(snakemake.wildcards.recid)
with record_step(name=snakemake.rule, recid=recid, log_path=Path(snakemake.log[0])) as measured:
    measured.update(
        package(
            recid=recid,
            source_path=Path(snakemake.input.source),
            download_path=Path(snakemake.input.download),
            receipt_path=Path(snakemake.output.receipt),
            data_dir=Path(snakemake.params.data_dir),
            settings=PackageSettings.of(snakemake.params.package),
            threads=snakemake.threads,
        )
    )
