"""Entry of the rule plan."""

from functools import partial
from pathlib import Path

from ferry.run.look import look
from ferry.steps.plan import PlanInputs, plan_all

look(
    Path(snakemake.log[0]),
    partial(
        plan_all,
        inputs=PlanInputs(
            config=snakemake.params.config,
            results_dir=Path("results"),
            priorities=snakemake.params.priorities,
        ),
        cores=snakemake.threads,
        table_path=Path(snakemake.params.table),
    ),
)
