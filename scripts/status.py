"""Shows how the run in a folder stands, from any terminal: status.py [--folder F] [--every SECONDS]. Only reads."""

import argparse
import contextlib
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from ferry.run.status import read_status
from ferry.run.status_text import status_json, status_page
from ferry.text.terminal import tell

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", type=Path, default=Path(), help="where results/ and logs/ are; here if not given")
parser.add_argument("--every", type=float, metavar="SECONDS", help="show it again and again, until the run is over")
parser.add_argument("--json", action="store_true", help="one JSON object in a line, for programs")
options = parser.parse_args()
if options.every is not None and not options.every > 0:
    parser.error(f"--every: expected seconds above 0, found {options.every:g}")

with contextlib.suppress(KeyboardInterrupt):
    while True:
        status = read_status(options.folder, now=datetime.now(UTC))
        if status is None:
            sys.exit(f"{options.folder.resolve()}: no run has begun here (logs/plan.json is missing)")
        clear = "\033[H\033[2J" * bool(options.every and sys.stdout and sys.stdout.isatty())
        tell(f"{status_json(status)}\n" if options.json else clear + status_page(status), sys.stdout)
        if not options.every or not status.is_going_on:
            break
        time.sleep(options.every)
