"""Many seeds, some at once: `python -m harness.soak 0:500`. Tells of each bad one, and how to see it again."""

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from harness.story import KINDS, Outcome, tell

MOST_FAULTS = 3
"""Of a seed, on the terminal; its story has all."""


def live_through(seed: int, base: Path, kinds: Sequence[str]) -> Outcome:
    """Live through a seed in a folder of its own, which stays only where something is to be seen in it."""
    folder = base / f"seed-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        outcome = tell(seed, folder, kinds)
    except Exception:  # noqa: BLE001 - a fault of the harness is told as one, and the other seeds go on
        outcome = Outcome(seed=seed, folder=folder, faults=[f"the harness itself: {traceback.format_exc()}"])
    if not outcome.faults:
        shutil.rmtree(folder)
    return outcome


def main() -> int:
    """Live through all seeds; return whether all were good."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", help="first:end")
    parser.add_argument("--parallel", type=int, default=2, help="seeds at once")
    parser.add_argument("--kinds", default=",".join(KINDS), help="what may happen")
    parser.add_argument("--folder", type=Path, help="where bad seeds are kept; by default below the temporary folder")
    options = parser.parse_args()
    first, end = map(int, options.seeds.split(":"))
    base = options.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    began, counts, bad = time.monotonic(), Counter[str](), 0
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.parallel, mp_context=spawn) as pool:
        doing = [pool.submit(live_through, seed, base, options.kinds.split(",")) for seed in range(first, end)]
        for done in as_completed(doing):
            outcome = done.result()
            counts += outcome.counts
            if outcome.faults:
                bad += 1
                print(f"seed {outcome.seed}: {len(outcome.faults)} faults; again: ", end="")
                print(f"make soak SEEDS={outcome.seed}:{outcome.seed + 1} KINDS={options.kinds}; {outcome.folder}")
                print("".join(f"  {fault}\n" for fault in outcome.faults[:MOST_FAULTS]), end="", flush=True)
    told = ", ".join(f"{counts[name]} {name}" for name in ("runs", "kills", "tampers", "remedies", "requests"))
    print(
        f"{end - first} seeds, {bad} bad; {told}; {time.monotonic() - began:.0f} s, "
        f"{counts['CPU seconds'] / (end - first):.0f} s of CPU a seed"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
