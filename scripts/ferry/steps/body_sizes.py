"""How large a request the repository takes: asked before anything moves, where it can be asked."""

from collections.abc import Mapping
from typing import Any

from ferry.repository.client import Repository
from ferry.steps.preflight_checks import Check
from ferry.text.formatting import format_bytes


async def check_body_sizes(*, repository: Repository, settings: Mapping[str, Any]) -> Check:
    """Ask whether a file that is to go whole, and a part, are short enough for one request.

    Nothing that is found keeps a run from beginning: what is refused as too large goes in parts, or in smaller ones.

    Args:
        repository: opened.
        settings: the part `upload` of the configuration.
    """
    part_bytes, whole_bytes = settings["part_bytes"], settings["multipart_from_bytes"] or settings["part_bytes"]
    sizes = sorted({whole_bytes, part_bytes}, reverse=True)
    refused = []
    for size_bytes in sizes:
        takes = await repository.takes_body(size_bytes)
        if takes is None:
            return Check("request size", None, "not told; a file that is too large for one request goes in parts")
        if takes:
            told = f"takes {format_bytes(size_bytes)} in one request"
            break
        refused.append(size_bytes)
    else:
        told = "smaller parts are tried, then the file fails"
    if refused:
        not_taken = f"does not take {', '.join(map(format_bytes, refused))} in one request"
        how = "files above go in parts" if repository.takes_parts else "and files in parts it does not offer"
        told = f"{not_taken}; {told}; {how}"
    return Check("request size", True, told)
