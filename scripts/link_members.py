"""Entry of the rule link_members."""

from pathlib import Path

from ferry.run.step import write_log
from ferry.steps.link_members import link_all
from ferry.text.terminal import show

write_log(Path(snakemake.log[0]))
summary = link_all(
    recids=snakemake.params.recids,
    repository=snakemake.params.repository,
    settings=snakemake.params.upload,
    publish=snakemake.params.publish,
    results_dir=Path("results"),
    sandbox_dir=Path(snakemake.params.sandbox_dir),
    table_path=Path(snakemake.output.table),
)
if summary:
    show(summary)
