"""Settings as files: other settings are another file, the same settings the same file with the same bytes."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ferry.errors import ConfigError
from ferry.run.settings_files import SettingsFiles, keep_settings
from ferry.steps.transform_record import mapping_options

CONFIG = yaml.safe_load((Path(__file__).parents[3] / "config.yaml").read_text())


def names(**changes):
    return SettingsFiles({name: {**part, **changes.get(name, {})} for name, part in CONFIG.items() if part}).names


def test_only_what_decides_about_a_part_is_in_its_name():
    before = names()
    access = names(transform={"access": "restricted"})
    assert (access["transform"] != before["transform"], access["package"]) == (True, before["package"])
    assert names(package={"threads": 4}, upload={"attempts": 9}) == before
    mode = names(package={"mode": "stream"})
    assert (mode["transform"], mode["package"] != before["package"]) == (before["transform"], True)
    attached = names(package={"attachments": []})
    assert not attached.items() & before.items(), "the mapping says what goes up beside the files"


def what_the_mapping_sees(package):
    """Return all that the mapping takes from the settings of `package`: its options, and what it is told of files."""
    options = mapping_options(transform=CONFIG["transform"], package=package, metadata=CONFIG["metadata"])
    kinds_of_files = ([], ["a"], ["a", "b"], ["a.log", "b"], [f"{number}" for number in range(30)])
    bundled = [options.bundled(keys, has_empty) for keys in kinds_of_files for has_empty in (False, True)]
    return replace(options, bundled=None), bundled


OTHERS = {
    "max_files": 50,
    "patterns": ["*.log"],
    "max_bundle_bytes": 10**6,
    "max_upload_bytes": 10**6,
    "max_record_bytes": 10**6,
    "mode": "stream",
    "empty_files": "bundle",
    "empty_records": "metadata_file",
    "attachments": [],
    "threads": 4,
    "browsable": not CONFIG["package"]["browsable"],
    "browsable_limits": dict.fromkeys(CONFIG["package"]["browsable_limits"], 1),
}


def test_a_key_of_package_is_in_the_name_of_the_mappings_settings_if_the_mapping_sees_it():
    before, package = names(), CONFIG["package"]
    assert OTHERS.keys() == package.keys()
    for name, other in OTHERS.items():
        assert other != package[name]
        seen = what_the_mapping_sees({**package, name: other}) != what_the_mapping_sees(package)
        assert (names(package={name: other})["transform"] != before["transform"]) == seen, name


def test_the_way_back_leads_to_the_same_file_with_the_same_bytes(tmp_path):
    told = []
    for config in (CONFIG, {**CONFIG, "transform": dict(reversed(CONFIG["transform"].items()))}):
        files = SettingsFiles(config)
        wildcards = SimpleNamespace(part="transform", digest=files.digest("transform"))
        keep_settings(tmp_path / Path(files.path("transform")).name, files.content(wildcards))
        told.append({path.name: path.read_bytes() for path in tmp_path.iterdir()})
    assert told[0] == told[1]


def test_a_file_of_settings_that_are_not_the_present_ones_cannot_be_made():
    files = SettingsFiles(CONFIG)
    with pytest.raises(ConfigError, match=r"transform-0123456789ab\.json: expected a file of the present settings"):
        files.content(SimpleNamespace(part="transform", digest="0123456789ab"))
