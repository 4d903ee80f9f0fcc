"""Entry of the rule restore_record."""

from pathlib import Path

from ferry.run.step import write_log
from ferry.steps.restore import Restore, restore_one
from ferry.text.terminal import show

write_log(Path(snakemake.log[0]))
receipt_path = Path(snakemake.output.receipt)
restore = Restore(
    repository=snakemake.params.repository,
    settings=snakemake.params.upload,
    identifier_prefix=snakemake.params.metadata["identifier_prefix"],
    hosts=snakemake.params.hosts,
    patterns=snakemake.params.restore["patterns"],
    results_dir=Path("results"),
    restored_dir=receipt_path.parent,
    sandbox_dir=Path(snakemake.params.sandbox_dir),
)
show(restore_one(restore, int(snakemake.wildcards.recid)))
