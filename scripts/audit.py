"""Entry of the rule audit."""

from functools import partial
from pathlib import Path

from ferry.run.look import look
from ferry.steps.audit import audit_all
from ferry.steps.audit_records import Audit

table, asked, log = Path(snakemake.params.table), snakemake.params.audit, Path(snakemake.log[0])
audit = Audit(
    repository=snakemake.params.repository,
    settings=snakemake.params.upload,
    identifier_prefix=snakemake.params.metadata["identifier_prefix"],
    read_back=1.0 if asked["read_back"] == "all" else asked["read_back"],
    hosts=snakemake.params.hosts,
    publish=snakemake.params.publish,
    results_dir=table.parent,
    data_dir=Path("data"),
    logs_dir=log.parent,
    sandbox_dir=Path(snakemake.params.sandbox_dir),
)
recids, folder = snakemake.params.recids, table.parent
look(log, partial(audit_all, audit, recids, seed=asked["seed"], results_dir=folder, table_path=table))
