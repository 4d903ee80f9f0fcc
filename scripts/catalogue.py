"""Entry of the rule catalogue."""

from pathlib import Path

from ferry.run.step import write_log
from ferry.source.catalogue import write_catalogue

write_log(Path(snakemake.log[0]))
summary = write_catalogue(
    experiment=snakemake.params.catalogue["experiment"],
    portal=snakemake.params.portal,
    priorities=snakemake.params.catalogue["priorities"],
    list_path=Path(snakemake.params.catalogue["list"]),
)
print(summary)  # noqa: T201 - the summary is what was asked for
