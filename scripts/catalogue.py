"""Entry of the rule catalogue."""

from functools import partial
from pathlib import Path

from ferry.run.look import look
from ferry.source.catalogue import write_catalogue

look(
    Path(snakemake.log[0]),
    partial(
        write_catalogue,
        experiment=snakemake.params.catalogue["experiment"],
        portal=snakemake.params.portal,
        priorities=snakemake.params.catalogue["priorities"],
        list_path=Path(snakemake.params.catalogue["list"]),
    ),
)
