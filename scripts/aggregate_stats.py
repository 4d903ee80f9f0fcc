"""Entry of the rule aggregate_stats."""

from pathlib import Path

from ferry.report.stats import aggregate
from ferry.report.table_digests import note_tables
from ferry.run.step import write_log

log = Path(snakemake.log[0])
write_log(log)
results_dir = Path(snakemake.output.stats).parent
aggregate(
    recids=snakemake.params.recids,
    results_dir=results_dir,
    logs_dir=log.parent,
    publish=snakemake.params.publish,
    all_through=True,
)
tables = ("stats", "csv", "jsonl", "files", "attempts")
note_tables(log.stem, (Path(snakemake.output[name]) for name in tables), results_dir=results_dir)
