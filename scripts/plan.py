"""Entry of the rule plan."""

from functools import partial
from pathlib import Path

from ferry.flags import RunFlags
from ferry.run.look import look
from ferry.run.run import read_run
from ferry.steps.plan import PlanInputs, plan_all

look(
    Path(snakemake.log[0]),
    partial(
        plan_all,
        inputs=PlanInputs(
            config=snakemake.params.config,
            results_dir=Path("results"),
            priorities=snakemake.params.priorities,
            flags=RunFlags(run_id=read_run().run_id),
        ),
        cores=snakemake.threads,
        table_path=Path(snakemake.params.table),
    ),
)
