"""Entry of the rule catalogue."""

from functools import partial
from pathlib import Path

from ferry.run.look import look
from ferry.source.catalogue import WANTED, Wanted, write_catalogue
from ferry.source.portal_cache import PortalCache

look(
    Path(snakemake.log[0]),
    partial(
        write_catalogue,
        experiment=snakemake.params.catalogue["experiment"],
        portal=snakemake.params.portal,
        priorities=snakemake.params.catalogue["priorities"],
        list_path=Path(snakemake.params.catalogue["list"]),
        wanted=Wanted(**{name: snakemake.params.catalogue[name] for name in WANTED}),
        cache=PortalCache.of(Path(snakemake.params.metadata_dir)),
    ),
)
