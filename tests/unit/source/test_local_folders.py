"""What somebody may have put into a folder of data: nothing comes of it that is not plainly data of the record."""

import errno
import os
import socket
import unicodedata

import pytest
from local_steps import SOURCE, contents, download, lay, record, taken

from ferry.errors import DiskError, FerryError, IntegrityError

NFC, NFD = (unicodedata.normalize(form, "m\u011b\u0159en\u00ed.dat") for form in ("NFC", "NFD"))
ALLOWED = {"allow_unverified": True}
"""What is tried here is not what proves a file."""


@pytest.fixture
def folder(tmp_path):
    """Data of a record, and beside them what is nobody's business."""
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "secret.txt").write_bytes(b"the secret")
    lay(tmp_path / "root" / "others", {"theirs.dat": b"of another record"})
    (tmp_path / "root" / "others" / "7").rename(tmp_path / "root" / "8")
    (tmp_path / "root" / "others").rmdir()
    return lay(tmp_path / "root", {"a.dat": b"data", "run 1/b.dat": b"more"})


def link(path, target):
    path.symlink_to(target)


def in_circle(path, _private):
    path.symlink_to(path.name)


def to_nowhere(path, _private):
    path.symlink_to("nothing-of-this-name")


def to_folder_above(path, _private):
    (path.parent / "deep").mkdir()
    (path.parent / "deep" / "back").symlink_to(path.parent)


def hidden(path, _private):
    (path.parent / ".netrc").write_bytes(b"password")


def git(path, _private):
    (path.parent / "run 1" / ".git").mkdir()
    (path.parent / "run 1" / ".git" / "config").write_bytes(b"url = https://token@host")


def link_to_git(path, _private):
    (path.parent / ".git").mkdir()
    (path.parent / ".git" / "config").write_bytes(b"url = https://token@host")
    path.symlink_to(".git/config")


def with_fifo(path, _private):
    os.mkfifo(path)


def with_socket(path, _private):
    os.chdir(path.parent)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


FOREIGN = {
    "a file outside": (lambda path, private: link(path, private / "secret.txt"), "a link that leads out, to .*secret"),
    "a folder outside": (link, "a link that leads out, to .*private"),
    "another record": (lambda path, _: link(path, "../8"), "a link that leads out, to .*root/8"),
    "the parent": (lambda path, _: link(path, ".."), "a link that leads out, to .*root"),
    "the folder itself": (to_folder_above, "deep/back .a link that leads back to a folder above it"),
    "a circle": (in_circle, "x .a link that leads nowhere, or in a circle"),
    "nowhere": (to_nowhere, "x .a link that leads nowhere"),
    "a device": (lambda path, _: link(path, "/dev/zero"), "a link that leads out, to /dev/zero"),
    "proc": (lambda path, _: link(path, "/proc/self/environ"), r"a link that leads out, to /proc/\d+/environ"),
    "a FIFO": (with_fifo, "x .a FIFO"),
    "a socket": (with_socket, "x .a socket"),
    "a hidden file": (hidden, r"\.netrc .hidden"),
    "git": (git, r"run 1/\.git .hidden.*source\.hidden takes hidden files"),
    "a link into git": (link_to_git, r"\.git .hidden.*; x .a link to what is hidden, .*\.git/config"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", FOREIGN)
def test_what_is_not_data_is_named_and_nothing_is_taken(folder, tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    act, told = FOREIGN[make]
    act(folder / "x", tmp_path / "private")
    with pytest.raises(IntegrityError, match=f"root/7: expected files and folders that lie in it, found .*{told}"):
        download(tmp_path, record({}), **ALLOWED)
    assert not (tmp_path / "download.json").exists()
    assert not (tmp_path / "data").exists()


def test_all_that_is_not_data_is_told_in_one_error(folder, tmp_path):
    link(folder / "x", tmp_path / "private")
    os.mkfifo(folder / "pipe")
    (folder / ".netrc").write_bytes(b"")
    with pytest.raises(
        IntegrityError, match=r"found 3 names of another kind: \.netrc \(hidden\); pipe \(a FIFO\); x \("
    ):
        download(tmp_path, record({}), **ALLOWED)


@pytest.mark.parametrize(
    ("way", "settings", "more"),
    [
        ("remove them, or leave", {}, set()),
        ("leave them out by source.ignore", {"ignore": [".netrc", "x", "pipe"]}, set()),
        (
            "source.hidden takes hidden files, source.allow.folders what links lead to",
            {"hidden": [".netrc"], "ignore": ["pipe"], "allow": None},
            {".netrc", "x/secret.txt"},
        ),
    ],
)
def test_all_that_is_not_data_goes_away_or_comes_in_by_each_way_that_is_told(folder, tmp_path, way, settings, more):
    link(folder / "x", tmp_path / "private")
    os.mkfifo(folder / "pipe")
    (folder / ".netrc").write_bytes(b"")
    with pytest.raises(IntegrityError, match=way):
        download(tmp_path, record({}), **ALLOWED)
    if not settings:
        for name in ("x", "pipe", ".netrc"):
            (folder / name).unlink()
    if "allow" in settings:
        settings = {**settings, "allow": {**SOURCE["allow"], "folders": [str(tmp_path / "private")]}}
    download(tmp_path, record({}), **ALLOWED, **settings)
    assert set(taken(tmp_path)) == {"a.dat", "run 1/b.dat"} | more


def test_a_record_that_lists_its_files_takes_none_from_elsewhere_either(folder, tmp_path):
    (folder / "a.dat").unlink()
    link(folder / "a.dat", tmp_path / "private" / "secret.txt")
    with pytest.raises(IntegrityError, match=r"a\.dat \(a link that leads out"):
        download(tmp_path, record({"a.dat": b"the secret", "run 1/b.dat": b"more"}))
    assert not (tmp_path / "data").exists()


def test_the_folder_of_a_record_may_not_be_a_link_out(folder, tmp_path):
    folder.rename(tmp_path / "elsewhere")
    link(folder, tmp_path / "elsewhere")
    with pytest.raises(
        IntegrityError, match=r"root/7: expected a folder of its own, found a link .*source\.allow\.folders"
    ):
        download(tmp_path, record({}), **ALLOWED)
    download(tmp_path, record({}), **ALLOWED, allow={**SOURCE["allow"], "folders": [str(tmp_path / "elsewhere")]})
    assert set(taken(tmp_path)) == {"a.dat", "run 1/b.dat"}


def test_the_root_itself_may_be_a_link(folder, tmp_path):
    (tmp_path / "root").rename(tmp_path / "disk")
    link(tmp_path / "root", tmp_path / "disk")
    download(tmp_path, record({}), **ALLOWED)
    assert set(taken(tmp_path)) == {"a.dat", "run 1/b.dat"}


def test_links_within_the_folder_and_into_listed_roots_come_as_the_files_they_lead_to(folder, tmp_path):
    lay(tmp_path / "store", {"deep/c.dat": b"stored"})
    link(folder / "same.dat", "run 1/b.dat")
    link(folder / "stored", tmp_path / "store" / "7" / "deep")
    download(tmp_path, record({}), **ALLOWED, allow={**SOURCE["allow"], "folders": [str(tmp_path / "store")]})
    files_dir = tmp_path / "data" / "files"
    assert contents(files_dir) == {
        "a.dat": b"data", "run 1/b.dat": b"more", "same.dat": b"more", "stored/c.dat": b"stored"
    }  # fmt: skip
    assert not any(path.is_symlink() for path in files_dir.rglob("*"))


def test_what_systems_leave_is_left_out_and_said_so_in_the_log(folder, tmp_path, caplog):
    (folder / "run 1" / ".DS_Store").write_bytes(b"mac")
    (folder / "Thumbs.db").write_bytes(b"windows")
    caplog.set_level("INFO")
    download(tmp_path, record({}), **ALLOWED)
    assert set(taken(tmp_path)) == {"a.dat", "run 1/b.dat"}
    assert "root/7: left out, as source.ignore says: 2, Thumbs.db, run 1/.DS_Store" in caplog.text


def test_patterns_leave_out_names_anywhere_or_paths_and_folders_with_all_in_them(folder, tmp_path):
    lay(tmp_path / "root", {"run 1/x.tmp": b"", "run 2/x.tmp": b"", ".git/config": b"token", "logs/deep/y": b""})
    os.mkfifo(folder / "logs" / "pipe")
    download(tmp_path, record({}), **ALLOWED, ignore=["run 2/*.tmp", ".git", "logs"])
    assert set(taken(tmp_path)) == {"a.dat", "run 1/b.dat", "run 1/x.tmp"}


def test_hidden_files_are_data_where_a_pattern_says_so(folder, tmp_path):
    lay(tmp_path / "root", {"store.zarr/.zgroup": b"{}", "store.zarr/x/.zarray": b"{}", "store.zarr/x/0.0": b"0"})
    with pytest.raises(IntegrityError, match=r"store\.zarr/\.zgroup \(hidden\); store\.zarr/x/\.zarray \(hidden\)"):
        download(tmp_path, record({}), **ALLOWED)
    download(tmp_path, record({}), **ALLOWED, hidden=[".z*"])
    assert {"store.zarr/.zgroup", "store.zarr/x/.zarray"} <= set(taken(tmp_path))


SWAPS = {
    "a link": lambda path, secret: path.symlink_to(secret),
    "another file": lambda path, secret: os.link(secret, path),
}


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("call", ["open", "link"])
def test_a_file_that_is_replaced_between_look_and_act_is_not_taken(folder, tmp_path, monkeypatch, swap, call):
    real = getattr(os, call)
    done = []

    def replacing(path, *args, **named):
        if os.path.basename(path) == "a.dat" and not done:
            done.append(path)
            (folder / "a.dat").unlink()
            SWAPS[swap](folder / "a.dat", tmp_path / "private" / "secret.txt")
        return real(path, *args, **named)

    monkeypatch.setattr(os, call, replacing)
    with pytest.raises(
        IntegrityError, match=r"a\.dat: expected the file that was found there, found another; run again"
    ):
        download(tmp_path, record({}), **ALLOWED)
    monkeypatch.undo()
    assert done
    assert b"the secret" not in contents(tmp_path / "data").values()


def test_a_folder_that_is_replaced_by_a_link_between_look_and_act_is_not_entered(folder, tmp_path, monkeypatch):
    (tmp_path / "private" / "b.dat").write_bytes(b"the secret")
    real, done = os.open, []

    def replacing(path, *args, **named):
        if os.path.basename(path) == "b.dat" and not named.get("dir_fd"):
            raise AssertionError("opened by its whole path")
        if os.path.basename(path) == "run 1" and not done:
            done.append(path)
            (folder / "run 1").rename(folder / "moved")
            link(folder / "run 1", tmp_path / "private")
        return real(path, *args, **named)

    monkeypatch.setattr(os, "open", replacing)
    with pytest.raises(IntegrityError, match=r"run 1/b\.dat: expected the file that was found there, found another"):
        download(tmp_path, record({}), **ALLOWED)
    monkeypatch.undo()
    assert done
    assert b"the secret" not in contents(tmp_path / "data").values()


def test_folders_in_one_another_are_looked_at_however_many_they_are(folder, tmp_path):
    at = folder
    for _ in range(600):
        at /= "d"
        at.mkdir()
    (at / "deep.dat").write_bytes(b"deep")
    download(tmp_path, record({}), **ALLOWED)
    assert len(taken(tmp_path)) == 3


def test_a_folder_that_cannot_be_read_is_not_passed_over(folder, tmp_path, monkeypatch):
    scandir = os.scandir

    def refusing(path):
        if os.fspath(path).endswith("run 1"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DiskError, match="run 1: expected to be read, found Permission denied"):
        download(tmp_path, record({}), **ALLOWED)


# --- names that differ in nothing that can be seen ---


@pytest.mark.parametrize(("listed", "there"), [(NFC, NFD), (NFD, NFC)], ids=["disk of a Mac", "list of a Mac"])
@pytest.mark.parametrize("inside", ["", "b\u011bh 1/", "deep/b\u011bh/"])
def test_names_that_differ_in_their_unicode_form_only_are_the_same_file(tmp_path, listed, there, inside):
    form = "NFD" if there == NFD else "NFC"
    lay(tmp_path / "root", {unicodedata.normalize(form, inside + there): b"measured"})
    source = record({unicodedata.normalize("NFC", inside) + listed: b"measured"})
    download(tmp_path, source)
    assert taken(tmp_path) == {source["files"][0]["key"]: "adler32"}


def test_of_twins_in_form_each_is_taken_for_what_it_is_called_exactly(tmp_path):
    lay(tmp_path / "root", {f"c/{NFC}": b"composed", f"d/{NFD}": b"decomposed"})
    source = record({f"x/d/{NFD}": b"decomposed", f"x/c/{NFC}": b"composed"})
    download(tmp_path, source)
    assert set(taken(tmp_path).values()) == {"adler32"}


def test_twins_in_form_are_told_apart_on_screen(tmp_path):
    lay(tmp_path / "root", {NFC: b"one", NFD: b"two", "\u017e.dat": b"other"})
    with pytest.raises(FerryError) as caught:
        download(tmp_path, record({"a.dat": b"listed"}))
    told = r"3 that it does not list (me\u030cr\u030ceni\u0301.dat, m\u011b\u0159en\xed.dat, ž.dat)"
    assert told in str(caught.value)
