"""Files that no record lists are proven by manifests beside them, or are not carried unless that is allowed."""

import hashlib
import shutil
import subprocess
import unicodedata

import pytest
from local_steps import contents, download, lay, record, taken
from own_records import own_record

from ferry.errors import FerryError, IntegrityError, MetadataError, PermanentError
from ferry.receipts import read_receipt

FILES = {
    "run 1/day 2/a b.dat": b"first",
    "run 1/\u017elu\u0165.dat": b"second",
    "read\\me.txt": b"",
    "new\nline": b"odd",
    "%0A literally": b"percent",
    "-n": b"option",
}
NFC, NFD = (unicodedata.normalize(form, "m\u011b\u0159en\u00ed.dat") for form in ("NFC", "NFD"))


def line(name, content, algorithm="sha256"):
    return f"{hashlib.new(algorithm, content).hexdigest()}  {name}\n"


def manifest(files, algorithm="sha256"):
    return "".join(line(name, content, algorithm) for name, content in files.items()).encode()


def made_by(folder, *command, into):
    """Write a manifest as people do: with the tool itself, over all files."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    made = subprocess.run([*command, "--", *names], cwd=folder, check=True, capture_output=True)
    (folder / into).write_bytes(made.stdout)


@pytest.mark.parametrize("tool", ["md5sum", "sha1sum", "sha256sum", "sha512sum"])
@pytest.mark.parametrize("options", [[], ["--binary"], ["--tag"]], ids=["text", "binary", "BSD"])
def test_what_the_tools_write_proves_all_files_whatever_their_names(tmp_path, tool, options):
    folder = lay(tmp_path / "root", FILES)
    made_by(folder, tool, *options, into=f"{tool.upper()}S")
    download(tmp_path, record({}))
    assert list(taken(tmp_path).values()) == [tool.removesuffix("sum")] * len(FILES)
    assert sorted(contents(tmp_path / "data" / "files").values()) == sorted(FILES.values())


@pytest.mark.parametrize(
    "name", ["SHA256SUMS", "sha256sum.txt", "checksums.sha256", "CHECKSUMS", "checksum.txt", "run-7_sha256sums.txt"]
)
def test_a_manifest_is_told_by_its_name_and_is_no_data(tmp_path, name):
    lay(tmp_path / "root", {**FILES, name: b""})
    made_by(tmp_path / "root" / "7", "sha256sum", into=name)  # of itself too, when it was empty
    download(tmp_path, record({}))
    assert len(taken(tmp_path)) == len(FILES)


def test_find_and_windows_write_it_a_little_otherwise(tmp_path):
    text = "\ufeff# made by hand\r\n" + line("./a.dat", b"1").upper().replace("A.DAT", "a.dat").replace("\n", "\r\n")
    lay(
        tmp_path / "root",
        {"a.dat": b"1", "b.dat": b"2", "sha256sum.txt": (text + "\r\n" + line("b.dat", b"2")).encode()},
    )
    download(tmp_path, record({}))
    assert taken(tmp_path) == {"a.dat": "sha256", "b.dat": "sha256"}


def test_a_file_of_its_own_beside_each_file_will_do(tmp_path):
    lay(tmp_path / "root", {f"{name}.md5": line(name, name.encode(), "md5").encode() for name in ("a.dat", "b.dat")})
    lay(tmp_path / "root", {name: name.encode() for name in ("a.dat", "b.dat")})
    download(tmp_path, record({}))
    assert taken(tmp_path) == {"a.dat": "md5", "b.dat": "md5"}


def bag(tmp_path, *algorithms, **more):
    """Write a bag (RFC 8493)."""
    payload = {f"data/{name}": content for name, content in FILES.items()}
    escaped = {name.replace("%", "%25").replace("\n", "%0A"): content for name, content in payload.items()}
    lay(tmp_path / "root", payload)
    lay(tmp_path / "root", {f"manifest-{each}.txt": manifest(escaped, each) for each in algorithms})
    lay(
        tmp_path / "root",
        {"bagit.txt": b"BagIt-Version: 1.0\n", "bag-info.txt": b"", **more},
    )
    folder = tmp_path / "root" / "7"
    tags = {path.name: path.read_bytes() for path in sorted(folder.glob("*.txt"))}
    (folder / "tagmanifest-sha256.txt").write_bytes(manifest(tags))


@pytest.mark.parametrize("algorithms", [["md5"], ["sha256"], ["sha256", "sha512"]], ids="+".join)
def test_of_a_bag_the_payload_goes_proven_by_all_of_its_manifests(tmp_path, algorithms):
    bag(tmp_path, *algorithms)
    download(tmp_path, record({}))
    assert set(taken(tmp_path).values()) == {algorithms[-1]}
    assert {"run 1/day 2/a b.dat", "-n", "%250A literally"} <= set(taken(tmp_path))


def test_what_a_manifest_said_stays_in_the_receipt_when_the_files_are_gone(tmp_path):
    lay(
        tmp_path / "root",
        {"a.dat": b"1", "md5sum.txt": manifest({"a.dat": b"1"}, "md5"), "SHA256SUMS": manifest({"a.dat": b"1"})},
    )
    download(tmp_path, record({}))
    [file] = read_receipt(tmp_path / "download.json", "download", recid=7)["files"]
    said = [{"algorithm": each, "value": hashlib.new(each, b"1").hexdigest()} for each in ("sha256", "md5")]
    assert file["stated"] == said


def test_a_bag_of_which_files_lie_elsewhere_is_not_whole(tmp_path):
    bag(tmp_path, "md5", **{"fetch.txt": b"https://far/x 1 data/x\n"})
    with pytest.raises(IntegrityError, match=r"root/7: expected a bag with all its files, found fetch\.txt"):
        download(tmp_path, record({}))


def test_what_of_a_bag_is_left_out_is_told_in_the_log(tmp_path, caplog):
    bag(tmp_path, "md5", **{"notes.txt": b"who and when"})
    with caplog.at_level("INFO"):
        download(tmp_path, record({}))
    assert (
        "left out, what lies beside the payload of a bag: 5, bag-info.txt, bagit.txt, manifest-md5.txt" in caplog.text
    )


ALTERED = {
    "a manifest": ({"manifest-md5.txt": lambda old: old[:-1]}, "manifest-md5"),
    "bag-info.txt": ({"bag-info.txt": lambda _: b"Source-Organization: another"}, "bag-info"),
    "bagit.txt": ({"bagit.txt": lambda old: old + b"\n"}, "bagit"),
}


@pytest.mark.parametrize("case", ALTERED)
def test_a_bag_that_was_altered_after_its_tag_manifest_was_written_is_refused(tmp_path, case):
    bag(tmp_path, "md5")
    changes, name = ALTERED[case]
    for each, change in changes.items():
        path = tmp_path / "root/7" / each
        path.write_bytes(change(path.read_bytes()))
    told = rf"root/7/{name}\.txt: expected sha256 \w+ \(tagmanifest-sha256\.txt line \d\), found \w+; it was changed"
    with pytest.raises(IntegrityError, match=told):
        download(tmp_path, record({}), allow_unverified=True)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("line_of", "told"),
    [
        (line("gone.txt", b"x"), r"of tagmanifest-md5\.txt to be of a file beside the payload, found gone\.txt"),
        (line("data/-n", b"option"), r"to be of a file beside the payload, found data/-n"),
        (line("../8/x", b"x"), r"found \.\./8/x \(tagmanifest-md5\.txt line 1\), which is not there"),
    ],
)
def test_a_tag_manifest_with_a_line_of_no_tag_file_is_refused(tmp_path, line_of, told):
    bag(tmp_path, "md5")
    lay(tmp_path / "root", {"tagmanifest-md5.txt": line_of.encode()})
    with pytest.raises(IntegrityError, match=told):
        download(tmp_path, record({}))


def test_each_manifest_of_a_bag_lists_all_of_its_payload(tmp_path):
    bag(tmp_path, "sha256", **{"manifest-sha512.txt": manifest({"data/-n": b"option"}, "sha512")})
    told = r"manifest-sha512\.txt: expected a line for each file of the payload, .* found 5 files without one"
    with pytest.raises(IntegrityError, match=told):
        download(tmp_path, record({}), allow_unverified=True)


def test_a_bag_has_a_manifest(tmp_path):
    bag(tmp_path, **{"manifest-sha384.txt": b"?"})
    with pytest.raises(
        IntegrityError,
        match=r"root/7: expected a manifest of the payload of this bag, .* found none that is read \(manifest-sha384",
    ):
        download(tmp_path, record({}), allow_unverified=True)


# --- what is not proven ---


def test_files_of_which_nothing_is_stated_are_not_carried_until_that_is_allowed(tmp_path):
    lay(tmp_path / "root", {f"{number}.dat": b"x" for number in range(25)})
    expected = (
        r"root/7: expected a statement of what its files are, .* found 25 files and no manifest .*allow_unverified"
    )
    with pytest.raises(PermanentError, match=expected):
        download(tmp_path, record({}))
    assert not (tmp_path / "download.json").exists()
    assert not (tmp_path / "data").exists()
    download(tmp_path, record({}), allow_unverified=True)
    assert list(taken(tmp_path).values()) == ["none"] * 25


NOTHING = {
    "no file at all": ({}, r"root/7: expected the record's files, as it lists none, found none;"),
    "ignored files only": ({".DS_Store": b"x", "night/Thumbs.db": b"x"}, r"root/7: .* found none;"),
    "an empty manifest only": (
        {"SHA256SUMS": b""},
        r"root/7: .* found none but what is named as a manifest \(SHA256SUMS\);",
    ),
    "a bag without payload": (
        {"bagit.txt": b"x", "manifest-md5.txt": b""},
        r"found none but what lies beside the payload of a bag \(bagit\.txt, manifest-md5\.txt\);",
    ),
}


@pytest.mark.parametrize("case", NOTHING)
@pytest.mark.parametrize("is_own", [True, False])
def test_a_folder_without_data_is_no_record_without_files_and_what_says_that_is_told(tmp_path, case, is_own):
    files, told = NOTHING[case]
    (lay(tmp_path / "root", files) / "empty").mkdir()
    remedy = r'"files": \{"enabled": false\} beside "metadata"' if is_own else r"in a run without source\.data_root"
    source = {**record({}), "record": own_record() if is_own else {}}
    with pytest.raises(PermanentError, match=f"{told} bring them, or, where it is to have none, .*{remedy}"):
        download(tmp_path, source, allow_unverified=True)
    assert not (tmp_path / "download.json").exists()


@pytest.mark.parametrize("content", [b"", b"\n", b"# to be written\n"])
def test_an_empty_manifest_is_told_as_that(tmp_path, content):
    lay(tmp_path / "root", {"a.dat": b"1", "SHA256SUMS": content})
    told = r"SHA256SUMS: expected a line for each file, found none: it is empty; write the manifest anew"
    with pytest.raises(MetadataError, match=told):
        download(tmp_path, record({}), allow_unverified=True)


NONE_WANTED = {**record({}), "record": {**own_record(), "files": {"enabled": False}}}


@pytest.mark.parametrize("files", [None, {}, {".DS_Store": b"x"}], ids=["no folder", "empty", "ignored"])
def test_a_document_that_says_so_makes_a_record_without_files_and_needs_no_folder(tmp_path, files):
    if files is not None:
        lay(tmp_path / "root", files)
    download(tmp_path, NONE_WANTED)
    assert taken(tmp_path) == {}


@pytest.mark.parametrize("name", ["a.dat", "SHA256SUMS"])
def test_files_of_a_record_that_is_to_have_none_are_an_error(tmp_path, name):
    lay(tmp_path / "root", {name: b"1"})
    with pytest.raises(IntegrityError, match=rf'"enabled": false}}, found 1 file: {name}; take that out'):
        download(tmp_path, NONE_WANTED)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "tool"), [("B2SUMS", "b2sum"), ("sub/sha224sums.txt", "sha224sum"), ("a.dat.sha384", "sha384sum")]
)
def test_a_manifest_of_an_algorithm_that_is_not_read_is_named_as_one(tmp_path, name, tool):
    folder = lay(tmp_path / "root", {"a.dat": b"1", "sub/b.dat": b"2"})
    made_by(folder, tool, into=name)
    told = rf"no manifest beside them \({name} is by its name a manifest that is not read, as md5, sha1, sha256, sha512"
    with pytest.raises(PermanentError, match=told):
        download(tmp_path, record({}))
    (folder / "SHA256SUMS").write_bytes(manifest({"a.dat": b"1"}))
    with pytest.raises(PermanentError, match=rf"found 2 files without one: .* \({name} is by its name a manifest"):
        download(tmp_path, record({}))


WRONG = {
    "a line of no file": (line("gone.dat", b"x"), r"found 1 of none: gone\.dat \(SHA256SUMS line 3\)"),
    "a line of another folder": (line("../8/x", b"x"), r"found 1 of none: \.\./8/x"),
    "a line of a whole path": (line("/etc/passwd", b"x"), r"found 1 of none: /etc/passwd"),
    "a line of a whole path that is one in the folder without its stroke": (
        line("/a.dat", b"1"),
        r"found 1 of none: /a\.dat",
    ),
    "two lines that differ": (
        line("a.dat", b"other"),
        rf"one sha256 of a\.dat, found {hashlib.sha256(b'1').hexdigest()} \(SHA256SUMS line 1\) and .* \(.* line 3\)",
    ),
    "a line that says nothing": (
        "password: hunter2\n",
        r"SHA256SUMS: line 3: expected a checksum .* and a name, found none",
    ),
    "digits of no algorithm": ("0" * 40 + "1  a.dat\n", "line 3: expected a checksum"),
    "a tag that is not what its digits are": (f"MD5 (a.dat) = {'0' * 64}\n", "line 3: expected a checksum"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_manifest_that_is_wrong_is_told_with_its_line_and_nothing_is_taken(tmp_path, case):
    more, told = WRONG[case]
    files = {"a.dat": b"1", "b.dat": b"2"}
    lay(tmp_path / "root", {**files, "SHA256SUMS": manifest(files) + more.encode()})
    with pytest.raises((IntegrityError, MetadataError), match=told) as caught:
        download(tmp_path, record({}))
    assert "hunter2" not in str(caught.value)
    assert not (tmp_path / "data").exists()
    (tmp_path / "root" / "7" / "SHA256SUMS").write_bytes(manifest(files))
    download(tmp_path, record({}))
    assert taken(tmp_path) == dict.fromkeys(files, "sha256")


def test_what_is_by_its_name_a_manifest_and_none_is_left_out_as_the_message_says(tmp_path):
    files = {"a.dat": b"1", "b.dat": b"2"}
    lay(tmp_path / "root", {**files, "SHA256SUMS": manifest(files), "md5sum.txt": b"words of ours\n"})
    with pytest.raises(MetadataError, match=r"correct it, or leave it out by source\.ignore"):
        download(tmp_path, record({}))
    download(tmp_path, record({}), ignore=["md5sum.txt"])
    assert taken(tmp_path) == dict.fromkeys(files, "sha256")


def test_a_file_without_a_line_is_named_and_goes_unproven_only_where_that_is_allowed(tmp_path):
    lay(tmp_path / "root", {"a.dat": b"1", "late.dat": b"2", "SHA256SUMS": manifest({"a.dat": b"1"})})
    with pytest.raises(
        PermanentError, match=r"a line for each file in SHA256SUMS, found 1 file without one: late\.dat"
    ):
        download(tmp_path, record({}))
    download(tmp_path, record({}), allow_unverified=True)
    assert taken(tmp_path) == {"a.dat": "sha256", "late.dat": "none"}


def test_manifests_that_disagree_are_told_with_both_places(tmp_path):
    files = {"a.dat": b"1"}
    lay(tmp_path / "root", {**files, "SHA256SUMS": manifest(files), "sha256sum.txt": manifest({"a.dat": b"2"})})
    with pytest.raises(IntegrityError, match=r"a\.dat, found \w{64} \(SHA256SUMS line 1\) and \w{64} \(sha256sum\.txt"):
        download(tmp_path, record({}))


@pytest.mark.parametrize("wrong", ["md5", "sha256"])
def test_of_manifests_of_two_algorithms_both_must_hold(tmp_path, wrong):
    files = {"a.dat": b"1", "b.dat": b"2"}
    said = {each: {**files, "b.dat": b"3"} if each == wrong else files for each in ("md5", "sha256")}
    lay(tmp_path / "root", {**files, **{f"{each}sum.txt": manifest(said[each], each) for each in said}})
    for _ in range(2):  # what is remembered of the first attempt says nothing else
        with pytest.raises(IntegrityError, match=rf"b\.dat: expected {wrong} {hashlib.new(wrong, b'3').hexdigest()}"):
            download(tmp_path, record({}))


def test_a_file_that_is_not_what_its_manifest_says_is_not_carried(tmp_path):
    files = {"a.dat": b"1", "b.dat": b"2"}
    lay(tmp_path / "root", {**files, "b.dat": b"decayed", "SHA256SUMS": manifest(files)})
    with pytest.raises(IntegrityError, match=r"b\.dat: expected sha256 .*, found "):
        download(tmp_path, record({}))
    assert "b.dat" not in contents(tmp_path / "data" / "files")


def test_a_manifest_that_is_corrected_is_believed_by_the_next_attempt(tmp_path):
    folder = lay(tmp_path / "root", {"a.dat": b"1"})
    (folder / "SHA256SUMS").write_bytes(manifest({"a.dat": b"2"}))
    with pytest.raises(FerryError):
        download(tmp_path, record({}))
    (folder / "SHA256SUMS").write_bytes(manifest({"a.dat": b"1"}))
    download(tmp_path, record({}))
    assert taken(tmp_path) == {"a.dat": "sha256"}


# --- beside files that the record lists ---

LISTED = {"a.dat": b"1", "b.dat": b"2"}


def test_a_manifest_proves_what_the_record_lists_without_a_checksum(tmp_path):
    lay(tmp_path / "root", {**LISTED, "SHA256SUMS": manifest({"a.dat": b"1"})})
    source = record(LISTED, f0={"checksum": None})
    download(tmp_path, source)
    assert taken(tmp_path) == {"a.dat": "sha256", "b.dat": "adler32"}
    lay(tmp_path / "root", {"a.dat": b"9"})
    with pytest.raises(IntegrityError, match=r"a\.dat: expected sha256 \w+ \(says a manifest beside it\), found"):
        download(tmp_path, source)


@pytest.mark.parametrize("name", ["SHA256SUMS", "sub/SHA256SUMS", "a.dat.sha256"])
def test_a_manifest_beside_files_of_a_right_record_is_none_of_them(tmp_path, name):
    files = {f"sub/{each}": content for each, content in LISTED.items()} if "/" in name else LISTED
    lay(tmp_path / "root", {**files, name: manifest({"a.dat": b"1"})})
    download(tmp_path, record(files))
    assert taken(tmp_path) == {"a.dat": "adler32", "b.dat": "adler32"}


def test_a_manifest_that_contradicts_the_record_is_told_with_both(tmp_path):
    lay(tmp_path / "root", {**LISTED, "SHA256SUMS": manifest({"a.dat": b"other"})})
    told = (
        r"a\.dat: expected sha256 \w+ \(says a manifest beside it; by the record's own adler32 it is right\), found \w+"
    )
    with pytest.raises(IntegrityError, match=told):
        download(tmp_path, record(LISTED))


def test_what_the_record_lists_is_data_whatever_its_name(tmp_path):
    files = {**LISTED, "checksums.md5": b"of something else", "bagit.txt": b"an example"}
    lay(tmp_path / "root", files)
    download(tmp_path, record(files))
    assert taken(tmp_path).keys() == files.keys()


def test_a_file_that_the_record_lacks_is_told_with_a_manifest_there_too(tmp_path):
    lay(tmp_path / "root", {**LISTED, "c.dat": b"3", "SHA256SUMS": manifest({**LISTED, "c.dat": b"3"})})
    with pytest.raises(IntegrityError, match=r"found 0 missing and 1 that it does not list \(c\.dat\)"):
        download(tmp_path, record(LISTED))


# --- where a manifest lies ---

DEEP = {"a.dat": b"1", "sub/b.dat": b"2", "sub/deep/b.dat": b"3"}
PLACES = {
    "one in each folder": {
        "SHA256SUMS": manifest({"a.dat": b"1"}),
        "sub/SHA256SUMS": manifest({"./b.dat": b"2"}),
        "sub/deep/checks.md5": manifest({"b.dat": b"3"}, "md5"),
    },
    "one beside each file": {
        f"{name}.sha1": manifest({name.rpartition("/")[2]: c}, "sha1") for name, c in DEEP.items()
    },
    "one of a whole branch": {
        "SHA256SUMS": manifest({"a.dat": b"1"}),
        "sub/SHA256SUMS": manifest({"b.dat": b"2", "deep/b.dat": b"3"}),
    },
    "made from the record's folder": {
        f"{name}.md5": manifest({name: content}, "md5") for name, content in DEEP.items()
    },
    "a sum of sums": {
        "SHA256SUMS": manifest({**DEEP, "sub/SHA256SUMS": b"?"}),
        "sub/SHA256SUMS": manifest({"b.dat": b"2", "deep/b.dat": b"3"}),
    },
}


@pytest.mark.parametrize("case", PLACES)
def test_a_manifest_lies_in_any_folder_is_told_in_the_log_and_is_no_data(tmp_path, case, caplog):
    lay(tmp_path / "root", {**DEEP, **PLACES[case]})
    with caplog.at_level("INFO"):
        download(tmp_path, record({}))
    assert taken(tmp_path).keys() == DEEP.keys()
    assert "none" not in taken(tmp_path).values()
    told = f"left out, what is named as a manifest: {len(PLACES[case])}, {', '.join(sorted(PLACES[case]))}"
    assert told in caplog.text


def test_a_line_is_of_the_manifests_own_folder_before_that_of_the_record(tmp_path):
    lay(tmp_path / "root", {"b.dat": b"top", "sub/b.dat": b"sub", "SHA256SUMS": manifest({"b.dat": b"top"})})
    lay(tmp_path / "root", {"sub/SHA256SUMS": manifest({"b.dat": b"sub"})})
    download(tmp_path, record({}))
    assert taken(tmp_path) == {"b.dat": "sha256", "sub/b.dat": "sha256"}


def test_a_manifest_in_a_folder_that_is_wrong_is_told_with_its_place(tmp_path):
    lay(tmp_path / "root", {"a.dat": b"1", "sub/x.md5": manifest({"../a.dat": b"1"}, "md5")})
    with pytest.raises(IntegrityError, match=r"found 1 of none: \.\./a\.dat \(sub/x\.md5 line 1\)"):
        download(tmp_path, record({}))


@pytest.mark.parametrize(("said", "there"), [(NFC, NFD), (NFD, NFC)])
def test_a_line_and_a_file_may_differ_in_their_unicode_form(tmp_path, said, there):
    lay(tmp_path / "root", {there: b"1", "SHA256SUMS": manifest({said: b"1"})})
    download(tmp_path, record({}))
    assert taken(tmp_path) == {there: "sha256"}


def test_a_line_that_two_files_could_be_meant_by_is_of_none_and_they_are_told_apart(tmp_path):
    other = unicodedata.normalize("NFD", "\u011b\u0159") + "\u00ed"
    mixed = NFC.replace("\u011b\u0159en\u00ed", other.replace(other[-1], "en\u00ed"))
    assert len({NFC, NFD, mixed}) == 3
    lay(tmp_path / "root", {NFC: b"1", NFD: b"1", "SHA256SUMS": manifest({mixed: b"1"})})
    with pytest.raises(IntegrityError, match=r"found 1 of none: me\\u030cr\\u030cen\\xed\.dat"):
        download(tmp_path, record({}))


def test_a_manifest_is_reached_by_no_link(tmp_path):
    folder = lay(tmp_path / "root", {"a.dat": b"1"})
    (tmp_path / "outside").write_bytes(manifest({"a.dat": b"1"}))
    (folder / "SHA256SUMS").symlink_to(tmp_path / "outside")
    with pytest.raises(IntegrityError, match=r"SHA256SUMS \(a link that leads out"):
        download(tmp_path, record({}))


def test_data_are_fetched_again_from_their_folder_when_they_are_gone(tmp_path):
    lay(tmp_path / "root", {"a.dat": b"1", "SHA256SUMS": manifest({"a.dat": b"1"})})
    download(tmp_path, record({}))
    shutil.rmtree(tmp_path / "data")
    download(tmp_path, record({}))
    assert contents(tmp_path / "data" / "files") == {"a.dat": b"1"}
