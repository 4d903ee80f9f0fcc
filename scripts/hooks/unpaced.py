"""Snakemake's command line without its limit on the jobs of a timespan, for the long lists of bulk.py.

Of each job that ends, Snakemake's scheduler looks at all that are ready once more a timespan later, and so on to the
end of the run: with a few hundred records that is most of its own CPU. The limit spares batch systems. Its
SchedulingSettings may be without one, but no argument says so.
"""

import signal
import sys
from pathlib import Path


def main() -> int:
    """Run Snakemake with the arguments of this process; return the exit status."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no pages of Python before a run begins, which takes it by itself
    from snakemake import cli  # type: ignore[import-untyped]  # noqa: PLC0415
    from snakemake.exceptions import print_exception  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        parser, asked = cli.parse_args(sys.argv[1:])
        if asked.executor in (None, "local"):
            asked.max_jobs_per_timespan = None
        return 0 if cli.args_to_api(asked, parser) else 1
    except Exception as error:  # noqa: BLE001 - what nobody caught is told as Snakemake's own command tells it
        print_exception(error)
        return 1


if __name__ == "__main__":
    sys.argv[0] = str(Path(sys.executable).with_name("snakemake"))  # as which the run tells its command line
    sys.exit(main())
