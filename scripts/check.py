"""Entry of the rule check."""

from functools import partial
from pathlib import Path

from ferry.run.look import look
from ferry.steps.check import check_all
from ferry.steps.check_records import Scope

log = Path(snakemake.log[0])
look(
    log,
    partial(
        check_all,
        Scope(
            recids=snakemake.params.recids,
            publish=snakemake.params.publish,
            settings=snakemake.params.settings,
            reads_bytes=snakemake.params.bytes_at_hand == "present",
            threads=snakemake.threads,
            logs_dir=log.parent,
        ),
        data_root=snakemake.params.data_root,
        table_path=Path(snakemake.params.table),
    ),
)
