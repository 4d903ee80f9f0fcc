"""Entry of the rule restore."""

from functools import partial
from pathlib import Path

from ferry.run.look import look
from ferry.steps.restore import Restore, restore_all

restore = Restore(
    repository=snakemake.params.repository,
    settings=snakemake.params.upload,
    identifier_prefix=snakemake.params.metadata["identifier_prefix"],
    hosts=snakemake.params.hosts,
    patterns=snakemake.params.restore["patterns"],
    records_at_once=snakemake.threads,
    results_dir=Path("results"),
    restored_dir=Path("restored"),
    sandbox_dir=Path(snakemake.params.sandbox_dir),
)
query, table_path = snakemake.params.restore["query"], Path(snakemake.params.table)
recids = snakemake.params.recids
look(Path(snakemake.log[0]), partial(restore_all, restore, recids, query=query, table_path=table_path))
