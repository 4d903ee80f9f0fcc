"""The documentation says what the code says."""

import re
from pathlib import Path

import pytest
from mapped_records import mapped

from dev import mapping_reference
from dev.config_reference import REFERENCE, may_be, reference
from ferry.mapping.leaves import count_leaves
from ferry.mapping.profiles import PROFILES
from ferry.schemas import load_schema
from real_metadata import real_metadata

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_reference_of_the_configuration_is_what_the_schema_says_now():
    assert REFERENCE.read_text(encoding="utf-8") == reference(), "run `make docs`"


def test_the_reference_has_every_key():
    sections = re.split(r"^## ", reference(), flags=re.MULTILINE)[1:]
    found = {section.split("\n")[0]: re.findall(r"^\| `(\w+)`", section, re.MULTILINE) for section in sections}
    parts = load_schema("config")["properties"]
    assert found == {name: list(part["properties"]) for name, part in parts.items()}


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, "integer 1 to 9"),
        ({"type": ["integer", "null"], "minimum": 5}, "integer from 5 or `null`"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, "list of `a`, `b`"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "map of text to text"),
        ({"type": "string", "pattern": "^x"}, "text like `^x`"),
    ],
)
def test_what_a_value_may_be_is_told_in_words(known: dict, words: str):
    assert may_be(known) == words


def test_the_table_of_the_mapping_is_what_the_rules_do_now():
    assert mapping_reference.REFERENCE.read_text(encoding="utf-8") == mapping_reference.mapping_page(), (
        "run `make docs`"
    )


def test_the_table_of_the_mapping_has_each_rule_and_nothing_that_no_rule_knows():
    table = list(mapping_reference.rows())
    paths = [row[0].strip("`") for row in table]
    assert len(set(paths)) == len(paths) == len(mapping_reference.FIELDS)
    bare = [path.replace("[]", "") for path in paths]
    ruled = [source.replace("[]", "") for source in mapping_reference.ruled()]
    assert [
        source for source in ruled if not any(path == source or path.startswith(f"{source}.") for path in bare)
    ] == []
    assert [path for path in bare if not any(path == source or path.startswith(f"{source}.") for source in ruled)] == []
    assert all(cell.strip() for row in table for cell in row)


@pytest.mark.parametrize("place", range(len(PROFILES)))
def test_the_table_of_the_mapping_says_where_the_values_of_real_records_go(place: int):
    says = {row[0].strip("`"): row[2 + place] for row in mapping_reference.rows()}
    for record in real_metadata():
        for row in mapped(int(record["recid"]), list(PROFILES)[place], files=1).mapping["paths"]:
            for to in row.get("to", ()):
                target = to.removeprefix("metadata.").replace("additional_descriptions[", "texts[")
                path = row["path"] if row["path"] in says else f"{row['path']}[]"
                assert f"`{target}`" in says[path], f"{record['recid']}: {path}"


def test_the_table_of_the_mapping_has_each_field_of_the_real_records():
    known = {row[0].strip("`").replace("[]", "") for row in mapping_reference.rows()}
    found = {path.replace("[]", "") for record in real_metadata() for path in count_leaves(record)[0]}
    assert found - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_a_page_names_exists(page: Path):
    targets = re.findall(r"^([a-z%-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    code = "\n".join(re.findall(r"```.*?```|`[^`]+`", page.read_text(encoding="utf-8"), re.DOTALL))
    named = set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)", code))
    assert {name for name in named if not name.startswith("bench")} <= set(targets)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_page_with_commands_is_followed_by_a_test_or_says_why_not(page: Path):
    text = page.read_text(encoding="utf-8")
    commands = re.findall(r"^ *(?:\.venv/bin/)?(?:snakemake|make|git|docker) .*$", text, re.MULTILINE)
    if commands and "No test follows this page" not in text:
        followers = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
        assert any(f'{page.name}"' in path.read_text(encoding="utf-8") for path in followers)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_finds_the_uv_that_make_has_installed_where_there_was_none(page: Path):
    commands = re.findall(r"^.*\buv (?:pip|lock|run|sync|add)\b", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [command for command in commands if not command.endswith((".tools/bin:$PATH uv pip", "$PATH uv lock"))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_key_of_the_configuration_that_a_page_names_exists(page: Path):
    parts = load_schema("config")["properties"]
    named = re.findall(rf"`((?:{'|'.join(parts)})\.[a-z_]+)[`:]", page.read_text(encoding="utf-8"))
    keys = {f"{name}.{key}" for name, part in parts.items() for key in part["properties"]}
    assert {name for name in named if Path(name).suffix not in (".csv", ".py")} <= keys


@pytest.mark.parametrize("page", [*PAGES, ROOT / "config.yaml"], ids=lambda page: page.name)
def test_a_command_in_a_text_has_the_cores_that_snakemake_asks_for(page: Path):
    commands = r"`snakemake (?!--cores)[^`]*\b(?:catalogue|validate|plan|preflight|diff)\b[^`]*`"
    assert re.findall(commands, page.read_text(encoding="utf-8")) == []


def test_the_rooms_of_the_architecture_are_those_of_the_package_and_its_paths_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "scripts" / "ferry").glob("*/__init__.py")}
    assert set(re.findall(r"[│] (\w+)/ ", text)) == rooms
    tests = {path.parent.name for path in (ROOT / "tests" / "unit").glob("*/__init__.py")}
    assert rooms <= tests
    paths = re.findall(r"`((?:scripts|schemas|tests|rules)/[^`<>*]+)`", text)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
    modules = re.findall(rf"`((?:{'|'.join(rooms)})/\w+)`", text)
    assert modules
    assert [name for name in modules if not (ROOT / "scripts" / "ferry" / f"{name}.py").exists()] == []


def test_each_test_that_the_page_on_security_names_is_there():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "security.md").read_text(encoding="utf-8")))
    there = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert named
    assert named - there == set()
