"""Entry of the rule diff."""

from pathlib import Path

from ferry.run.step import write_log
from ferry.steps.diff import diff_all

write_log(Path(snakemake.log[0]))
summary = diff_all(
    recids=snakemake.params.recids,
    metadata=snakemake.params.metadata,
    catalogue_path=Path(snakemake.params.catalogue),
    transform=snakemake.params.transform,
    package=snakemake.params.package,
    repository=snakemake.params.repository,
    settings=snakemake.params.upload,
    results_dir=Path("results"),
    data_dir=Path("data"),
    sandbox_dir=Path(snakemake.params.sandbox_dir),
    table_path=Path(snakemake.params.table),
)
print(summary)  # noqa: T201 - the changes are what was asked for
