"""Entry of the rule mend."""

from functools import partial
from pathlib import Path

from ferry.run.look import look
from ferry.steps.check import mend_all

log = Path(snakemake.log[0])
look(
    log,
    partial(
        mend_all,
        recids=snakemake.params.recids,
        publish=snakemake.params.publish,
        settings=snakemake.params.settings,
        results_dir=Path("results"),
        data_dir=Path("data"),
        logs_dir=log.parent,
    ),
)
