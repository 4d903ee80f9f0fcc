"""Entry of the rule check."""

from functools import partial
from pathlib import Path

from ferry.run.look import look
from ferry.steps.check import check_all

log = Path(snakemake.log[0])
look(
    log,
    partial(
        check_all,
        recids=snakemake.params.recids,
        publish=snakemake.params.publish,
        settings=snakemake.params.settings,
        data_root=snakemake.params.data_root,
        results_dir=Path("results"),
        data_dir=Path("data"),
        logs_dir=log.parent,
        table_path=Path(snakemake.params.table),
    ),
)
