"""Entry of the rule write_pages."""

from pathlib import Path

from ferry.report.pages import write_pages
from ferry.run.run import read_run
from ferry.run.step import write_log

write_log(Path(snakemake.log[0]))
write_pages(
    results_dir=Path(snakemake.output.overview).parent,
    command=read_run().command,
    publish=snakemake.params.publish,
)
