"""Checks compiled from schemas, kept as Python keeps its modules: beside the source, made anew when it changes.

Compiling the check of a target schema takes 0.1 s of CPU, which each of some 76,000 jobs would pay.
"""

import contextlib
import hashlib
import json
import marshal
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

import fastjsonschema

Check = Callable[[Any], Any]


def compiled_check(schema_path: Path) -> Check:
    """Return a function that raises `fastjsonschema.JsonSchemaException` for a document that breaks the schema.

    The compiled code lies in `__pycache__` beside the schema; where that cannot be written, it is made each time.
    """
    text = schema_path.read_bytes()
    cache_path = _cache_path(schema_path)
    key = hashlib.sha256(text + fastjsonschema.VERSION.encode()).digest()
    code = _load(cache_path, key)
    if code is None:
        source = fastjsonschema.compile_to_code(json.loads(text), use_default=False)
        code = compile(source, str(schema_path), "exec")
        with contextlib.suppress(OSError):  # read-only or full: slower, not wrong
            _save(cache_path, key, code)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - compiled above from a schema of this project
    check: Check = names["validate"]
    return check


def _cache_path(schema_path: Path) -> Path:
    return schema_path.parent / "__pycache__" / f"{schema_path.stem}.{sys.implementation.cache_tag}.check"


def _load(path: Path, key: bytes) -> CodeType | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    head, digest, body = content[:32], content[32:64], content[64:]
    if head != key or digest != hashlib.sha256(body).digest():
        return None
    code = marshal.loads(body)  # noqa: S302 - written by _save, and whole
    return code if isinstance(code, CodeType) else None


def _save(path: Path, key: bytes, code: CodeType) -> None:
    body = marshal.dumps(code)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    path.parent.mkdir(exist_ok=True)
    try:
        part.write_bytes(key + hashlib.sha256(body).digest() + body)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
