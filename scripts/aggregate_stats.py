"""Entry of the rule aggregate_stats."""

from pathlib import Path

from ferry.report.stats import aggregate
from ferry.run.step import write_log

log = Path(snakemake.log[0])
write_log(log)
aggregate(
    recids=snakemake.params.recids,
    results_dir=Path(snakemake.output.stats).parent,
    logs_dir=log.parent,
    publish=snakemake.params.publish,
    all_through=True,
)
