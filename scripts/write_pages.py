"""Entry of the rule write_pages."""

from pathlib import Path

from ferry.report import write_pages
from ferry.run_plan import command_of
from ferry.step import write_log

write_log(Path(snakemake.log[0]))
write_pages(
    results_dir=Path(snakemake.output.overview).parent,
    command=command_of(),
    publish=snakemake.params.publish,
)
