"""Entry of the rule mend."""

from pathlib import Path

from ferry.run.step import write_log
from ferry.steps.check import mend_all

log = Path(snakemake.log[0])
write_log(log)
told = mend_all(
    recids=snakemake.params.recids,
    publish=snakemake.params.publish,
    settings=snakemake.params.settings,
    results_dir=Path("results"),
    data_dir=Path("data"),
    logs_dir=log.parent,
)
print(told)  # noqa: T201 - what was asked for
