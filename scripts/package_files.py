"""Entry of the rule package_files."""

from functools import partial
from pathlib import Path

from ferry.bundle.plan import PackageSettings
from ferry.run.step import record_step
from ferry.steps.bytes_again import BytesAgain, with_bytes
from ferry.steps.package_files import package

recid, params = int(snakemake.wildcards.recid), snakemake.params
receipt = Path(snakemake.output.receipt)
again = BytesAgain.of(recid=recid, record_dir=receipt.parent, params=params, threads=snakemake.threads)
act = partial(
    package,
    recid=recid,
    source_path=Path(snakemake.input.source),
    download_path=Path(snakemake.input.download),
    receipt_path=receipt,
    data_dir=Path(params.data_dir),
    settings=PackageSettings.of(params.package),
    settings_name=Path(snakemake.input.settings).stem,
    threads=snakemake.threads,
)
with record_step(name="package_files", recid=recid, log_path=Path(snakemake.log[0])) as measured:
    measured.update(with_bytes(act, fetch=again.fetch))
