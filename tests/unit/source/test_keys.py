import random
import unicodedata
import zipfile
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed_records import run_package, write_files

from ferry.source.keys import LONGEST_KEY_BYTES, file_keys, former_key, relative_keys

BASE = "root://eospublic.cern.ch//eos/opendata/delphi/"


def keys_of(*names, **options):
    return file_keys([BASE + name for name in names], **options)


def folded(key):
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", key).casefold())


def assert_usable(keys):
    assert len({folded(key) for key in keys}) == len(keys)
    folders = {str(parent) for key in keys for parent in PurePosixPath(folded(key)).parents}
    assert not folders & {folded(key) for key in keys}, "a file where another file needs a folder"
    for key in keys:
        parts = key.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert 0 < len(key.encode()) <= LONGEST_KEY_BYTES
        assert not {"content", "commit", "container"} & set(parts[1:])
        assert all(unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp", "Cf"} for char in key)
        on_windows = PureWindowsPath(key)
        assert (on_windows.drive, on_windows.root, on_windows.is_reserved()) == ("", "", False)
        assert not any(part.endswith((".", " ")) or set(part) & set('<>:"|?*') for part in parts)


def test_a_key_is_the_last_part_of_the_path():
    assert keys_of("y90/ED0001/ED0001.1.sl", "y90/ED0002/ED0002.1.sl") == ["ED0001.1.sl", "ED0002.1.sl"]


def test_equal_names_keep_the_folders_that_tell_them_apart_and_no_more():
    assert keys_of("a/job1/out/x.dst", "a/job2/out/x.dst", "a/job2/out/y.dst") == [
        "job1/out/x.dst",
        "job2/out/x.dst",
        "y.dst",
    ]


def test_spaces_unicode_and_signs_that_the_repository_takes_stay():
    names = ["Ζωή data (1).root", "quo'te#1.dat", "a&b=c+d.txt", ".hidden", " x", "-rf", "~x", "$a;b@c!{d}[e]^`,.py"]
    names += ["CONTENT.dat", "nullify", "com", "com10", "lpt", "auxiliary.root", "a.con", "caf\u00e9", "cafe\u0301 2"]
    assert keys_of(*names) == names


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("a/..", "%2E%2E"),
        ("a\nb", "a%0Ab"),
        ("a\0b", "a%00b"),
        ("a\tb", "a%09b"),
        ("50%.dat", "50%25.dat"),
        ("a\\b", "a%5Cb"),
        ("a\ud800b", "a%ED%A0%80b"),
        ("a\u2028b", "a%E2%80%A8b"),
        ("C:", "C%3A"),
        ("C:x.exe", "C%3Ax.exe"),
        ("C:\\Windows\\x", "C%3A%5CWindows%5Cx"),
        ("\\\\host\\share", "%5C%5Chost%5Cshare"),
        ("x.txt:stream", "x.txt%3Astream"),
        ('a<b>|"*.root', "a%3Cb%3E%7C%22%2A.root"),
        ("CON", "%43ON"),
        ("con.tar.gz", "%63on.tar.gz"),
        ("NUL.txt", "%4EUL.txt"),
        ("nul .txt", "%6Eul .txt"),
        ("Aux", "%41ux"),
        ("COM1.dat", "%43OM1.dat"),
        ("lpt\u00b2", "%6Cpt\u00b2"),
        ("CONOUT$", "%43ONOUT$"),
        ("name.", "name%2E"),
        ("name ", "name%20"),
        ("name. .", "name. %2E"),
        ("...", "..%2E"),
        (" ", "%20"),
        ("nul.", "nul%2E"),
        ("cod\u202etxt.exe", "cod%E2%80%AEtxt.exe"),
        ("a\u200bb", "a%E2%80%8Bb"),
        ("\ufeffa", "%EF%BB%BFa"),
        ("a\u00adb", "a%C2%ADb"),
        ("a\u2066b\u2069", "a%E2%81%A6b%E2%81%A9"),
        ("a\U000e0061b", "a%F3%A0%81%A1b"),
        ("a\ufe0f", "a%EF%B8%8F"),
        ("a\u3164b", "a%E3%85%A4b"),
    ],
)
def test_what_cannot_be_a_name_is_escaped_and_can_be_read_back(name, key):
    assert keys_of(name) == [key]
    assert unquote(key, errors="surrogatepass") == name.rpartition("/")[2]


def test_folders_are_as_safe_as_names_and_what_is_equal_after_that_is_told_apart():
    assert keys_of("NUL/a./x", "aux/b /x") == ["%4EUL/a%2E/x", "%61ux/b%20/x"]
    assert relative_keys(["C:/x", "con/y.", "d/z"]) == ["C%3A/x", "%63on/y%2E", "d/z"]
    keys = keys_of("d/NUL", "d/%4EUL", "d/nul", "d/a:b", "d/A:B", "d/a%3Ab")
    assert_usable(keys)
    assert [*keys[:3], keys[5]] == ["%4EUL", "%254EUL", "%6Eul", "a%253Ab"]
    assert all("~" in key for key in keys[3:5])


def test_a_key_of_before_names_were_made_for_windows_is_known():
    was = {
        "%4EUL.txt": "NUL.txt",
        "a%3Ab/x%2E": "a:b/x.",
        "a%E2%80%8Bb": "a\u200bb",
        "%63on/a/%63ontainer": "con/a/container",
    }
    for now, before in was.items():
        assert former_key(now) == before
    for same in ("a%0Ab", "50%25.dat", "%253A", "a%E2%80%A8b", "a%5Cb", "%2E%2E", "a/%63ommit", "x%41y"):
        assert former_key(same) is None


def test_a_bundle_of_any_names_has_members_that_windows_unpacks_under_these_names(tmp_path):
    names = ["NUL.txt", "a:b", "x.", "C:/Windows/y", "cod\u202etxt.exe", "a*?|b", "trailing ", "plain.root"]
    write_files(tmp_path, dict.fromkeys(relative_keys(names), b"x"))
    (bundle,) = run_package(tmp_path, max_files=2, browsable=None)
    with zipfile.ZipFile(tmp_path / bundle["path"]) as packed:
        found = [member for member in packed.namelist() if not member.startswith("7_")]
    assert len(found) >= len(names)
    assert_usable(found)


def test_no_key_leads_out_of_the_folder():
    keys = keys_of("a/../../x", "b/../../x", "../../../etc/passwd")
    assert_usable(keys)
    assert all(not key.startswith("/") and ".." not in key.split("/") for key in keys)


def test_case_twins_and_unicode_twins_differ_on_any_file_system():
    keys = keys_of("d/A.dat", "d/a.dat", "d/caf\u00e9", "d/cafe\u0301", "e/other.dat")
    assert_usable(keys)
    assert all("~" in key for key in keys[:4])
    assert keys[4] == "other.dat"


def test_a_name_that_is_also_a_folder_gives_way():
    keys = keys_of("x/job1", "a/job1/f", "a/job2/f")
    assert_usable(keys)
    assert keys[1:] == ["job1/f", "job2/f"]


def test_addresses_of_the_repository_are_no_keys():
    keys = keys_of("a/content", "b/content", "c/commit")
    assert keys == ["a/%63ontent", "b/%63ontent", "commit"]
    keys = keys_of("a/container/x", "b/container/x", "container/y", "z/c/container", "z/d/container")
    assert keys == ["a/%63ontainer/x", "b/%63ontainer/x", "y", "c/%63ontainer", "d/%63ontainer"]
    assert [unquote(key) for key in keys[:2]] == ["a/container/x", "b/container/x"]
    assert relative_keys(["container/x", "a/container"]) == ["container/x", "a/%63ontainer"]


def test_a_key_that_was_made_before_container_was_escaped_is_known():
    assert former_key("a/%63ontainer/x") == "a/container/x"
    assert former_key("a/%63ontainer") == "a/container"
    assert former_key("%63ontainer/x") is None
    assert former_key("a/%63ontent/%2563ontainer") is None


def test_names_of_the_records_own_uploads_are_left_to_them():
    keys = keys_of("80505.json", "80505_BUNDLE.zip", "x", reserved=("80505.json", "80505_bundle.zip"))
    assert_usable([*keys, "80505.json", "80505_bundle.zip"])
    assert keys[2] == "x"


def test_a_long_name_is_cut_and_keeps_its_ending():
    keys = keys_of("é" * 200 + ".root", "é" * 199 + "e.root", "deep/" * 80 + "x", "other/" * 80 + "x")
    assert_usable(keys)
    assert keys[0].endswith(".root")


def test_http_paths_are_unquoted_and_root_paths_are_not():
    assert file_keys(["https://x.ch/a/b%20c.pdf?download=1", "root://x//a/b%20d.pdf"]) == ["b c.pdf", "b%2520d.pdf"]


def test_data_on_disk_keep_their_folders():
    assert relative_keys(["dataset1/a/x", "dataset1/x", "content"]) == ["dataset1/a/x", "dataset1/x", "content"]


NAMES = st.text(alphabet=st.sampled_from("aAbé\u0301/.%\\\n\0~ content1NULCO:\u200b"), min_size=1, max_size=20)


@given(st.lists(st.one_of(NAMES, st.text(min_size=1, max_size=300)), min_size=1, max_size=12, unique=True))
def test_keys_are_usable_one_to_one_and_do_not_depend_on_the_order(names):
    names = [name for name in names if "?" not in name]
    uris = list(dict.fromkeys(BASE + name for name in names))
    same_path = [uri for uri in uris if "//" in uri.removeprefix("root://eospublic.cern.ch//") or "/./" in uri]
    keys = file_keys(uris, reserved=("1.json",))
    if not same_path:
        assert_usable(keys)
    shuffled = uris[:]
    random.Random(1).shuffle(shuffled)
    assert dict(zip(uris, keys, strict=True)) == dict(
        zip(shuffled, file_keys(shuffled, reserved=("1.json",)), strict=True)
    )
