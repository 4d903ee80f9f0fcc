"""Entry of the rule validate."""

from pathlib import Path

from ferry.run.step import write_log
from ferry.steps.validate import validate_all

write_log(Path(snakemake.log[0]))
summary = validate_all(
    recids=snakemake.params.recids,
    metadata=snakemake.params.metadata,
    results_dir=Path("results"),
    catalogue_path=Path(snakemake.params.catalogue),
    transform=snakemake.params.transform,
    package=snakemake.params.package,
    table_path=Path(snakemake.params.table),
)
print(summary)  # noqa: T201 - the table is what was asked for
