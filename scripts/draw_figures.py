"""Entry of the rule draw_figures."""

from pathlib import Path

from ferry.figures import draw_figures
from ferry.step import write_log

write_log(Path(snakemake.log[0]))
draw_figures(results_dir=Path(snakemake.input.stats).parent, out_dir=Path(snakemake.output[0]).parent)
