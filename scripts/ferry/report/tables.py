"""The tables of a run as Arrow schemas, and writers that hold a few thousand rows at a time."""

import csv
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TextIO

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import parquet

from ferry.csv_tables import csv_cell
from ferry.errors import IntegrityError
from ferry.files import whole_file, whole_text_file

_BATCH_ROWS = 20_000  # 1,000,000 file rows: 50 row groups, each a few MB while it is built

_WORD = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("ms", tz="UTC")
_WORDS = pa.list_(pa.string())

STATS_SCHEMA = pa.schema(
    [
        ("recid", pa.int64()),
        ("status", _WORD),
        ("step", _WORD),
        ("error", pa.string()),
        ("error_type", _WORD),
        ("attempts", pa.int32()),
        ("started_at", _TIME),
        ("ended_at", _TIME),
        ("duration_s", pa.float64()),
        ("queue_s", pa.float64()),
        ("read_s", pa.float64()),
        ("download_s", pa.float64()),
        ("transform_s", pa.float64()),
        ("package_s", pa.float64()),
        ("upload_s", pa.float64()),
        ("publish_s", pa.float64()),
        ("file_count", pa.int64()),
        ("left_out_count", pa.int64()),
        ("source_bytes", pa.int64()),
        ("bytes_downloaded", pa.int64()),
        ("bytes_uploaded", pa.int64()),
        ("download_moved_bytes", pa.int64()),
        ("upload_moved_bytes", pa.int64()),
        ("download_bytes_per_s", pa.float64()),
        ("upload_bytes_per_s", pa.float64()),
        ("retries", pa.int64()),
        ("rate_wait_s", pa.float64()),
        ("requests", pa.int64()),
        ("peak_memory_bytes", pa.int64()),
        ("zip_used", pa.bool_()),
        ("bundle_count", pa.int64()),
        ("upload_count", pa.int64()),
        ("verified_count", pa.int64()),
        ("read_back_count", pa.int64()),
        ("record_id", pa.string()),
        ("record_url", pa.string()),
        ("repository", _WORD),
        ("published", pa.bool_()),
        ("state", _WORD),
        ("review_url", pa.string()),
        ("kept_fields", _WORDS),
        ("doi", pa.string()),
        ("title", pa.string()),
        ("experiment", _WORD),
        ("year", pa.int32()),
        ("category", _WORD),
        ("type_primary", _WORD),
        ("type_secondary", _WORD),
        ("formats", _WORDS),
        ("metadata_fields", _WORDS),
        ("log", pa.string()),
        ("run_id", _WORD),
        ("host", _WORD),
    ]
)
"""One row per wanted recid; schemas/receipts/stats.json says what each column means."""

FILES_SCHEMA = pa.schema(
    [
        ("recid", pa.int64()),
        ("key", pa.string()),
        ("size_bytes", pa.int64()),
        ("adler32", pa.string()),
        ("md5", pa.string()),
        ("bundle", pa.string()),
        ("member", pa.string()),
        ("uploaded_key", pa.string()),
        ("verified", pa.bool_()),
        ("verified_by", _WORD),
        ("problem", _WORD),
        ("uri", pa.string()),
        ("declared_size_bytes", pa.int64()),
        ("declared_algorithm", _WORD),
        ("declared_checksum", pa.string()),
        ("crc32", pa.string()),
        ("bundle_md5", pa.string()),
        ("confirmed_by", _WORD),
    ]
)
"""One row per source file. `md5` is what the repository computed for a file that went up by itself; a bundle's
member has none of its own, its bundle's is in `bundle_md5`. `problem` says why a file is not verified. `confirmed_by`
is `repository`, which says that it has these bytes, or `read_back`: an audit has read them from there."""

ATTEMPTS_SCHEMA = pa.schema(
    [
        ("recid", pa.int64()),
        ("step", _WORD),
        ("attempt", pa.int32()),
        ("status", _WORD),
        ("run_id", _WORD),
        ("started_at", _TIME),
        ("ended_at", _TIME),
        ("duration_s", pa.float64()),
        ("bytes_moved", pa.int64()),
        ("files_moved", pa.int64()),
        ("retries", pa.int64()),
        ("rate_wait_s", pa.float64()),
        ("requests", pa.int64()),
        ("cpu_s", pa.float64()),
        ("peak_memory_bytes", pa.int64()),
        ("error_type", _WORD),
        ("error", pa.string()),
        ("host", _WORD),
    ]
)
"""One row per attempt at a step; status is ok, failed or unfinished (killed, or it still ran)."""

type Row = Mapping[str, Any]


def parse_time(text: str | None) -> datetime | None:
    """Return an ISO 8601 time with a zone as a datetime in UTC; what is none of that gives None."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def read_table(path: Path, **options: Any) -> pa.Table:
    """Return a table that a run has made.

    Args:
        path: where it lies.
        options: of pyarrow's reader.

    Raises:
        IntegrityError: it was cut or edited.
        FileNotFoundError: it is not there yet.
    """
    try:
        return parquet.read_table(path, **options)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        found = str(error).strip().partition("\n")[0]
        raise IntegrityError(
            f"{path}: expected a table as a run has made it, found that it was cut or edited since ({found}); "
            "delete it and run again"
        ) from error


class TableWriter:
    """Takes rows of a table, and writes them a few thousand at a time."""

    def __init__(
        self, schema: pa.Schema, parquet_writer: parquet.ParquetWriter, csv_file: TextIO | None, jsonl: TextIO | None
    ) -> None:
        """Write to these; see `table_writer`."""
        self._schema = schema
        self._times = [field.name for field in schema if pa.types.is_timestamp(field.type)]
        self._rows: list[Row] = []
        self._parquet = parquet_writer
        self._jsonl = jsonl
        self._csv_rows = csv.DictWriter(csv_file, schema.names, lineterminator="\n") if csv_file else None
        if self._csv_rows:
            self._csv_rows.writeheader()

    def write(self, row: Row) -> None:
        """Take one row; every column of the schema must be in it, times as ISO 8601 text."""
        self._rows.append(row)
        if len(self._rows) >= _BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that were taken."""
        if not self._rows:
            return
        typed = [row | {name: parse_time(row[name]) for name in self._times} for row in map(dict, self._rows)]
        self._parquet.write_table(pa.Table.from_pylist(typed, schema=self._schema))
        for row in self._rows:
            if self._csv_rows:
                self._csv_rows.writerow({name: csv_cell(row[name]) for name in self._schema.names})
            if self._jsonl:
                ordered = {name: row[name] for name in self._schema.names}
                self._jsonl.write(json.dumps(ordered, ensure_ascii=False) + "\n")
        self._rows = []


@contextmanager
def table_writer(
    schema: pa.Schema, *, parquet_path: Path, csv_path: Path | None = None, jsonl_path: Path | None = None
) -> Iterator[TableWriter]:
    """Write rows to Parquet, and if asked to CSV and JSON lines, all of which appear only when all is written.

    Leaving it by an exception leaves the files that were there before.
    """
    with ExitStack() as files:
        csv_file = files.enter_context(whole_text_file(csv_path)) if csv_path else None
        jsonl = files.enter_context(whole_text_file(jsonl_path)) if jsonl_path else None
        parquet_file = files.enter_context(whole_file(parquet_path))
        with parquet.ParquetWriter(parquet_file, schema, compression="zstd") as parquet_writer:
            writer = TableWriter(schema, parquet_writer, csv_file, jsonl)
            yield writer
            writer.flush()
        opened: list[IO[Any] | None] = [csv_file, jsonl, parquet_file]
        for file in filter(None, opened):
            file.flush()
            os.fsync(file.fileno())  # a disk that is full takes none of them
