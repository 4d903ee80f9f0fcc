"""Entry of the rule draw_figures."""

from pathlib import Path

from ferry.report.figures import draw_figures
from ferry.run.plan import read_plan
from ferry.run.step import write_log

write_log(Path(snakemake.log[0]))
plan = read_plan()
draw_figures(
    results_dir=Path(snakemake.input.stats).parent,
    out_dir=Path(snakemake.output[0]).parent,
    caps=plan.caps if plan else None,
)
