"""Which rules look, ask, send or restore: what a run of them needs, and what it leaves alone."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferry.chain import CHAIN
from ferry.run.plan import targets_of

RULES_THAT_SEND = {"link_members", *(step.name for step in CHAIN if step.asks_repository)}
RULES_THAT_RESTORE = {"restore", "restore_record"}
"""They ask the repository for what is public too, and so need no token."""
RULES_THAT_ASK = {"audit", "preflight", "diff"} | RULES_THAT_SEND | RULES_THAT_RESTORE
RULES_THAT_ONLY_LOOK = {
    "audit",
    "catalogue",
    "refresh",
    "validate",
    "plan",
    "diff",
    "preflight",
    "check",
    "mend",
} | RULES_THAT_RESTORE
"""They carry nothing: the tables tell of the last run that did."""

_RESTORED = re.compile(r"restored/[1-9][0-9]*\.json")


def needs_no_list(config: Mapping[str, Any]) -> bool:
    """Tell whether the run does without a master list where there is none, as far as its command line tells.

    It is to write one, or to restore what a query finds, or records that it names.
    """
    records = config["records"]
    if records["recids"] or Path(records["list"]).exists():
        return False
    # Snakemake knows its targets after the Snakefile only, and a rule's name may have a prefix
    targets = targets_of(sys.argv)
    restores = bool(targets) and all(_RESTORED.fullmatch(target) for target in targets)
    by_query = config["restore"]["query"] is not None and any(target.endswith("restore") for target in targets)
    return restores or by_query or any(target.endswith("catalogue") for target in targets)
