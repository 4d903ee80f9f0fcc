"""Entry of the rule diff."""

from functools import partial
from pathlib import Path

from ferry.run.look import look
from ferry.source.file_filter import FileFilter
from ferry.steps.diff import diff_all

look(
    Path(snakemake.log[0]),
    partial(
        diff_all,
        recids=snakemake.params.recids,
        metadata=snakemake.params.metadata,
        folders=snakemake.params.source["allow"]["folders"],
        chosen_by=FileFilter.of(snakemake.params.source),
        catalogue_path=Path(snakemake.params.catalogue),
        transform=snakemake.params.transform,
        package=snakemake.params.package,
        repository=snakemake.params.repository,
        settings=snakemake.params.upload,
        results_dir=Path("results"),
        data_dir=Path("data"),
        sandbox_dir=Path(snakemake.params.sandbox_dir),
        table_path=Path(snakemake.params.table),
    ),
)
