"""Entry of the rule link_members."""

from pathlib import Path

from ferry.report.table_digests import note_tables
from ferry.run.step import write_log
from ferry.steps.link_members import link_all
from ferry.text.terminal import show

log = Path(snakemake.log[0])
write_log(log)
summary = link_all(
    recids=snakemake.params.recids,
    repository=snakemake.params.repository,
    settings=snakemake.params.upload,
    publish=snakemake.params.publish,
    results_dir=Path("results"),
    data_dir=Path("data"),
    sandbox_dir=Path(snakemake.params.sandbox_dir),
    table_path=Path(snakemake.output.table),
)
note_tables(log.stem, [Path(snakemake.output.table)], results_dir=Path("results"))
if summary:
    show(summary)
