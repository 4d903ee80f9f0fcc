"""Entry of the rule upload_record."""

from functools import partial
from pathlib import Path

from ferry.run.step import record_step
from ferry.steps.bytes_again import BytesAgain, with_bytes
from ferry.steps.upload_record import upload

recid, params = int(snakemake.wildcards.recid), snakemake.params
receipt = Path(snakemake.output.receipt)
again = BytesAgain.of(recid=recid, record_dir=receipt.parent, params=params, threads=snakemake.threads)
act = partial(
    upload,
    recid=recid,
    record_path=Path(snakemake.input.record),
    package_path=Path(snakemake.input.package),
    receipt_path=receipt,
    data_dir=Path(params.data_dir),
    journal=Path(snakemake.log[0]).with_name("journal.jsonl"),
    repository=params.repository,
    settings=params.upload,
    empty_records=params.package["empty_records"],
    sandbox_dir=Path(params.sandbox_dir),
)
with record_step(name="upload_record", recid=recid, log_path=Path(snakemake.log[0])) as measured:
    measured.update(with_bytes(act, fetch=again.fetch_and_pack))
