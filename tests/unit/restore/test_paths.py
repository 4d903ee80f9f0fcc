"""Where files are restored to: below the folder of their record, whatever they are called."""

import os
from urllib.parse import quote

import pytest

from ferry.errors import IntegrityError
from ferry.restore.paths import RestoredPaths, make_folder


class OfNoCase(RestoredPaths):
    """Paths on a file system that takes `A` and `a` for one."""

    _tells_apart = False


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", "", "..", "a/..", "a\0b", "x" * 256, "a/" * 1600 + "b"],
    ids=lambda name: repr(name)[:20],
)
@pytest.mark.parametrize("escaped", [False, True], ids=["key", "original name"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name, escaped):
    paths = RestoredPaths(tmp_path)
    with pytest.raises(IntegrityError, match="expected a file's name, found one that leads elsewhere or is none"):
        paths.add("good", quote(name, safe="/")) if escaped else paths.add(name)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a", "a"], "expected each name once"),
        (["a/b", "a"], "a name that is to be both"),
        (["a", "a/b"], "a name that is to be both"),
        (["a/b/c", "a/b"], "a name that is to be both"),
    ],
)
def test_two_files_of_one_name_are_refused(tmp_path, names, said):
    paths = RestoredPaths(tmp_path)
    paths.add(names[0])
    with pytest.raises(IntegrityError, match=said):
        paths.add(names[1])


def test_twins_in_case_or_form_are_both_there_where_the_file_system_tells_them_apart(tmp_path):
    paths = RestoredPaths(tmp_path)
    names = ["Case.txt", "case.txt", "u\u0308.txt", "\u00fc.txt"]
    assert [paths.add(f"key{number}", quote(name)) for number, name in enumerate(names)] == names
    assert list(tmp_path.iterdir()) == [], "what was tried is taken away"


def test_where_it_does_not_the_second_gets_its_key_and_no_file_the_place_of_another(tmp_path):
    paths = OfNoCase(tmp_path)
    assert paths.add("Case.txt") == "Case.txt"
    assert paths.add("case~1234.txt", "case.txt") == "case~1234.txt"
    with pytest.raises(IntegrityError, match="expected each name once"):
        paths.add("CASE.TXT")


def test_a_name_of_any_bytes_comes_back_as_these(tmp_path):
    raw = b"caf\xe9 %41\n.txt"
    path = RestoredPaths(tmp_path).add("caf%E9", quote(raw))
    assert os.fsencode(path) == raw


@pytest.mark.parametrize("place", ["a", "a/b", "a/b/c.txt", "a/b/c.txt.part"])
def test_no_link_is_followed_and_none_is_written_through(tmp_path, place):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / place).parent.mkdir(parents=True)
    outside.mkdir()
    (root / place).symlink_to(outside if "." not in place else outside / "new")
    with pytest.raises(IntegrityError, match=r"found a link.*; remove it and restore again"):
        make_folder("a/b/c.txt", root=root)
    assert list(outside.iterdir()) == []
    (root / place).unlink()
    make_folder("a/b/c.txt", root=root)
    assert (root / "a" / "b").is_dir()
