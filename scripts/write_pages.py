"""Entry of the rule write_pages."""

from pathlib import Path

from ferry.report.pages import write_pages
from ferry.run.plan import command_of
from ferry.run.step import write_log

write_log(Path(snakemake.log[0]))
write_pages(
    results_dir=Path(snakemake.output.overview).parent,
    command=command_of(),
    publish=snakemake.params.publish,
)
