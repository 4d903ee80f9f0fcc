"""Thirty records of DELPHI, of every kind: the metadata as they are, with a few files of a few bytes each."""

import hashlib
import zlib
from collections.abc import Callable

from real_metadata import real_metadata

SOURCE_PREFIX = "root://eospublic.cern.ch/"
AUTHORS = 80050
"""The author list: 1,048 entries, all of whom become creators."""
SEVERAL_YEARS = 80508
PARENTS = (81494, 81507, 81718)
"""Collections: they have relations and no files."""
BUNDLED = 81000
"""Gets more files than go up one by one."""
RECIDS = (
    417, AUTHORS, 80502, 80506, SEVERAL_YEARS, 80509, 80512, 80515, 80519, BUNDLED, 81007, 81023, 81033, 81064, 81104,
    81147, 81272, 81400, 81481, 81494, 81507, 81592, 81642, 81649, 81654, 81718, 82976, 83243, 85654, 90029,
)  # fmt: skip


def documents(*, shift: int, put: Callable[[str, bytes], object]) -> dict[int, dict]:
    """Return each record under a number of its own, by that number.

    Args:
        shift: added to each number, also to those of related records: a repository may hold the records already.
        put: lays the bytes of a file at a path below the source.
    """
    chosen = {int(record["recid"]): record for record in real_metadata() if int(record["recid"]) in RECIDS}
    return {shift + recid: _shifted(chosen[recid], shift, put) for recid in RECIDS}


def _shifted(record: dict, shift: int, put: Callable[[str, bytes], object]) -> dict:
    recid = int(record["recid"])
    related = [{**each, "recid": str(shift + int(each["recid"]))} for each in record.get("relations", ())]
    files = [_file(recid, number, put) for number in range(_how_many(record))]
    return {
        **record,
        "recid": str(shift + recid),
        **({"relations": related} if related else {}),
        **({"files": files} if files else {}),
    }


def _how_many(record: dict) -> int:
    recid = int(record["recid"])
    if recid in PARENTS or recid == AUTHORS:
        return 0
    return 25 if recid == BUNDLED else min(2, record.get("distribution", {}).get("number_files", 1))


def _file(recid: int, number: int, put: Callable[[str, bytes], object]) -> dict:
    path = f"eos/opendata/delphi/{recid}/part{number:02d}.al"
    content = hashlib.shake_128(path.encode()).digest(7 + number)
    put(path, content)
    checksum = f"adler32:{zlib.adler32(content):08x}"
    return {"uri": f"{SOURCE_PREFIX}/{path}", "size": len(content), "checksum": checksum}
