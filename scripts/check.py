"""Entry of the rule check."""

from pathlib import Path

from ferry.run.step import write_log
from ferry.steps.check import check_all

log = Path(snakemake.log[0])
write_log(log)
summary = check_all(
    recids=snakemake.params.recids,
    publish=snakemake.params.publish,
    settings=snakemake.params.settings,
    results_dir=Path("results"),
    data_dir=Path("data"),
    logs_dir=log.parent,
    table_path=Path(snakemake.params.table),
)
print(summary)  # noqa: T201 - what was asked for
