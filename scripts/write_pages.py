"""Entry of the rule write_pages."""

from pathlib import Path

from ferry.report.pages import write_pages
from ferry.report.table_digests import note_tables
from ferry.run.run import read_run
from ferry.run.step import write_log

log = Path(snakemake.log[0])
write_log(log)
results_dir = Path(snakemake.output.overview).parent
write_pages(
    results_dir=results_dir,
    command=read_run().command,
    publish=snakemake.params.publish,
)
# the page of the audit is made anew by each audit too
pages = (Path(path) for path in snakemake.output if path != snakemake.output.audit)
note_tables(log.stem, pages, results_dir=results_dir)
