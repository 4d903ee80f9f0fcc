"""Entry of the rule validate."""

from functools import partial
from pathlib import Path

from ferry.flags import RunFlags
from ferry.run.look import look
from ferry.run.run import read_run
from ferry.source.file_filter import FileFilter
from ferry.steps.validate import validate_all

look(
    Path(snakemake.log[0]),
    partial(
        validate_all,
        recids=snakemake.params.recids,
        metadata=snakemake.params.metadata,
        folders=snakemake.params.source["allow"]["folders"],
        chosen_by=FileFilter.of(snakemake.params.source),
        results_dir=Path("results"),
        catalogue_path=Path(snakemake.params.catalogue),
        transform=snakemake.params.transform,
        package=snakemake.params.package,
        table_path=Path(snakemake.params.table),
        flags=RunFlags(run_id=read_run().run_id),
    ),
)
