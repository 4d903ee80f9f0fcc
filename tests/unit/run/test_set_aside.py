"""What is put back of files that were set aside."""

import os

from ferry.run.set_aside import SetAside


def test_what_was_not_made_anew_is_put_back_as_old_as_it_was(tmp_path):
    old, remade = tmp_path / "old.json", tmp_path / "remade.json"
    old.write_text("old")
    remade.write_text("old too")
    os.utime(old, ns=(1_000_000_000, 2_000_000_123))
    aside = SetAside()
    aside.take([old, remade, tmp_path / "never-there.json"])
    assert not list(tmp_path.iterdir())
    remade.write_text("new")
    aside.put_back()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"old.json": "old", "remade.json": "new"}
    assert old.stat().st_mtime_ns == 2_000_000_123


def test_it_is_put_back_once(tmp_path):
    path = tmp_path / "stats.json"
    path.write_text("old")
    aside = SetAside()
    aside.take([path])
    aside.put_back()
    path.unlink()
    aside.put_back()
    assert not path.exists()


def test_what_was_replaced_is_put_back_unless_a_run_goes_by_it(tmp_path):
    paths = [tmp_path / name for name in ("undone", "settled", "same", "new")]
    for path in paths[:3]:
        path.write_text("old")
    aside = SetAside()
    for path, text in zip(paths, ["new", "new", "old", "new"], strict=True):
        aside.replace(path, lambda path=path, text=text: path.write_text(text))
    aside.settle([paths[1]])
    aside.put_back()
    assert [path.read_text() for path in paths] == ["old", "new", "old", "new"]


def test_what_a_run_has_settled_is_not_put_back(tmp_path):
    path = tmp_path / "stats.json"
    path.write_text("failed")
    aside = SetAside()
    aside.take([path])
    aside.settle([path])
    aside.put_back()
    assert not path.exists()
