"""Entry of the rule mend."""

from functools import partial
from pathlib import Path

from ferry.run.look import look
from ferry.steps.check import mend_all
from ferry.steps.check_records import Scope

log = Path(snakemake.log[0])
look(
    log,
    partial(
        mend_all,
        Scope(
            recids=snakemake.params.recids,
            publish=snakemake.params.publish,
            settings=snakemake.params.settings,
            reads_bytes=snakemake.params.bytes_at_hand == "present",
            threads=snakemake.threads,
            logs_dir=log.parent,
        ),
    ),
)
