"""Entry of the rule plan."""

from pathlib import Path

from ferry.plan_step import PlanInputs, plan_all
from ferry.step import write_log

write_log(Path(snakemake.log[0]))
told = plan_all(
    inputs=PlanInputs(
        config=snakemake.params.config,
        results_dir=Path("results"),
        priorities=snakemake.params.priorities,
    ),
    cores=snakemake.threads,
    table_path=Path(snakemake.params.table),
)
print(told)  # noqa: T201 - the table is what was asked for
