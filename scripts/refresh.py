"""Entry of the rule refresh."""

from functools import partial
from pathlib import Path

from ferry.flags import RunFlags
from ferry.run.look import look
from ferry.run.run import read_run
from ferry.steps.refresh import refresh_all

look(
    Path(snakemake.log[0]),
    partial(
        refresh_all,
        recids=snakemake.params.recids,
        metadata=snakemake.params.metadata,
        folders=snakemake.params.folders,
        results_dir=Path("results"),
        flags=RunFlags(run_id=read_run().run_id),
    ),
)
