"""Entry of the rule preflight."""

from pathlib import Path

from ferry.run.step import write_log
from ferry.steps.preflight import preflight

write_log(Path(snakemake.log[0]))
summary = preflight(
    repository=snakemake.params.repository,
    settings=snakemake.params.upload,
    transform=snakemake.params.transform,
    package=snakemake.params.package,
    data_dir=Path("data"),
    sandbox_dir=Path(snakemake.params.sandbox_dir),
)
print(summary)  # noqa: T201 - the lines are what was asked for
