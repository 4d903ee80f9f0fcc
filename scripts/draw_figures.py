"""Entry of the rule draw_figures."""

from pathlib import Path

from ferry.report.figures import draw_figures
from ferry.report.table_digests import note_tables
from ferry.run.plan import read_plan
from ferry.run.step import write_log

log = Path(snakemake.log[0])
write_log(log)
results_dir = Path(snakemake.input.stats).parent
plan = read_plan()
draw_figures(
    results_dir=results_dir,
    out_dir=Path(snakemake.output[0]).parent,
    caps=plan.caps if plan else None,
    slots=plan.slots if plan else None,
)
note_tables(log.stem, map(Path, snakemake.output), results_dir=results_dir)
