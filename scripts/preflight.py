"""Entry of the rule preflight."""

from functools import partial
from pathlib import Path

from ferry.run.look import look
from ferry.steps.preflight import preflight

look(
    Path(snakemake.log[0]),
    partial(
        preflight,
        repository=snakemake.params.repository,
        settings=snakemake.params.upload,
        transform=snakemake.params.transform,
        package=snakemake.params.package,
        maps=snakemake.params.origin != "own",
        data_dir=Path("data"),
        sandbox_dir=Path(snakemake.params.sandbox_dir),
    ),
)
