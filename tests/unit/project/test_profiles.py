"""What must hold however the workflow is run stands in every profile: one takes the place of the other."""

from pathlib import Path

import yaml

PROFILES = Path(__file__).resolve().parents[3] / "profiles"
SITE_KEYS = {"resources", "scheduler-subsample"}


def read(name):
    return yaml.safe_load((PROFILES / name / "config.yaml").read_text(encoding="utf-8"))


def test_the_cluster_profile_says_all_that_the_default_one_says():
    default, slurm = read("default"), read("slurm")
    shared = {key: value for key, value in default.items() if key not in SITE_KEYS}
    assert {key: slurm.get(key) for key in shared} == shared
    caps = [{cap.split("=")[0] for cap in profile["resources"]} for profile in (default, slurm)]
    assert caps[0] == caps[1], "a cap that a profile does not name is none"


def test_the_steps_of_a_record_that_move_bytes_are_one_job():
    groups = dict(entry.split("=") for entry in read("slurm")["groups"])
    assert set(groups) == {"download_files", "package_files", "upload_record", "publish_record"}
    assert len(set(groups.values())) == 1
