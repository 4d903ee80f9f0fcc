"""Entry of the rule plan."""

from pathlib import Path

from ferry.run.step import write_log
from ferry.steps.plan import PlanInputs, plan_all

write_log(Path(snakemake.log[0]))
summary = plan_all(
    inputs=PlanInputs(
        config=snakemake.params.config,
        results_dir=Path("results"),
        priorities=snakemake.params.priorities,
    ),
    cores=snakemake.threads,
    table_path=Path(snakemake.params.table),
)
print(summary)  # noqa: T201 - the table is what was asked for
