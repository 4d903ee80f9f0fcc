"""Reading what goes up."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ferry.errors import IntegrityError

CHUNK_BYTES = 1 << 20


def read_chunks(entry: Mapping[str, Any], *, data_dir: Path) -> Iterator[bytes]:
    """Yield the bytes of one entry of the receipt `package`, from the start, in chunks of 1 MiB.

    Raises:
        IntegrityError: the file is gone.
    """
    path = data_dir / entry["path"]
    try:
        stream = path.open("rb", buffering=0)
    except FileNotFoundError as error:
        raise IntegrityError(
            f"{path}: expected {entry['size_bytes']} bytes as packed, found no file; "
            f"delete results/{data_dir.name}/download.json and run again"
        ) from error
    with stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk
