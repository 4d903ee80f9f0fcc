"""A compiled check is kept beside its schema and never outlives it."""

import json
import subprocess
import sys
from pathlib import Path

import fastjsonschema
import pytest

from ferry import compiled_schemas
from ferry.compiled_schemas import compiled_check

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def schema(tmp_path):
    path = tmp_path / "thing.json"
    path.write_text(json.dumps({"type": "object", "required": ["a"], "properties": {"a": {"pattern": "^x"}}}))
    return path


def kept(schema):
    (path,) = (schema.parent / "__pycache__").iterdir()
    return path


def refuses(check, document):
    try:
        check(document)
    except fastjsonschema.JsonSchemaException:
        return True
    return False


def never(*arguments, **named):
    raise AssertionError("compiled again")


def test_a_check_is_compiled_once_and_says_the_same_when_it_is_read_back(schema, monkeypatch):
    first = compiled_check(schema)
    monkeypatch.setattr(compiled_schemas.fastjsonschema, "compile_to_code", never)
    second = compiled_check(schema)
    for document in ({"a": "x"}, {"a": "y"}, {}, []):
        assert refuses(first, document) == refuses(second, document) == (document != {"a": "x"})


def test_a_changed_schema_has_a_new_check(schema):
    compiled_check(schema)
    schema.write_text(json.dumps({"type": "array"}))
    assert not refuses(compiled_check(schema), [])


@pytest.mark.parametrize("spoil", [lambda data: data[:-9], lambda data: data[:70] + b"?" + data[71:], lambda data: b""])
def test_what_is_torn_is_compiled_again_and_replaced(schema, spoil):
    compiled_check(schema)
    whole = kept(schema).read_bytes()
    kept(schema).write_bytes(spoil(whole))
    assert refuses(compiled_check(schema), {})
    assert kept(schema).read_bytes() == whole


def test_without_a_place_to_keep_it_the_check_is_right_all_the_same(schema):
    (schema.parent / "__pycache__").write_text("a file is in the way")
    assert refuses(compiled_check(schema), {})
    assert not refuses(compiled_check(schema), {"a": "x"})


@pytest.mark.parametrize("path", sorted((ROOT / "schemas").rglob("*.json")), ids=lambda path: path.stem)
def test_every_schema_of_the_project_compiles(path):
    if path.parent.name != "vocabularies":
        assert callable(compiled_check(path))


def test_the_job_that_transforms_imports_in_a_quarter_of_a_second():
    script = (
        "import sys, time; start = time.process_time(); import ferry.run.step, ferry.steps.transform_record;"
        "from ferry.compiled_schemas import compiled_check; from ferry.schemas import SCHEMA_DIR;"
        "names = ('receipts/source', 'receipts/mapping', 'receipts/record', 'target/ccmm2');"
        "[compiled_check(SCHEMA_DIR / f'{name}.json') for name in names];"
        "print(time.process_time() - start); print(*sys.modules)"
    )
    environment = {"PYTHONPATH": str(ROOT / "scripts")}
    for _ in range(2):  # the first may have to compile
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    seconds, modules = done.stdout.splitlines()
    assert float(seconds) < 0.25
    assert not {"pandas", "pyarrow", "matplotlib", "jsonschema", "nrp_cmd", "XRootD", "yaml"} & set(modules.split())
