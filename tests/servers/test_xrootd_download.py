"""The download against Debian's real XRootD server: what arrives, what is left alone, what is refused."""

import time

import pytest

from ferry.errors import IntegrityError, PermanentError
from ferry.schemas import problems
from servers.tcp_proxy import tcp_proxy
from servers.xrootd_records import adler32, contents, download, make_bytes, receipt_of, record, serve, sha1
from servers.xrootd_server import EXPORT, need_xrootd, running_server

pytestmark = pytest.mark.xrootd

SMALL = {f"small/f{n}": make_bytes(1000 + n, n) for n in range(40)}
LARGE = {"large/a.dst": make_bytes(9 << 20)}


def test_files_arrive_whole_and_are_proven(xrootd_server, tmp_path):
    files = {**SMALL, **LARGE, "empty": b"", "one": b"1"}
    source = serve(xrootd_server, files)
    done = download(source, tmp_path, prefix=xrootd_server.prefix)
    assert problems(done.receipt, "receipts/download") == []
    assert done.receipt == receipt_of(source, files)
    assert contents(tmp_path / "files") == {e["key"]: c for e, c in zip(source["files"], files.values(), strict=True)}
    total = sum(len(content) for content in files.values())
    assert done.measured == {"bytes_moved": total, "files_moved": len(files), "retries": 0}


def test_what_is_there_and_right_is_neither_fetched_nor_touched_again(xrootd_server, tmp_path):
    source = serve(xrootd_server, SMALL)
    first = download(source, tmp_path, prefix=xrootd_server.prefix)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with tcp_proxy(xrootd_server.port) as proxy:
        again = download(source, tmp_path, prefix=f"root://127.0.0.1:{proxy.port}/")
        assert proxy.connections == 0
    assert again.receipt == first.receipt
    assert again.measured["bytes_moved"] == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_without_its_state_file_what_is_there_is_read_and_believed_if_right(xrootd_server, tmp_path):
    source = serve(xrootd_server, SMALL)
    first = download(source, tmp_path, prefix=xrootd_server.prefix)
    (tmp_path / "verified.jsonl").unlink()
    again = download(source, tmp_path, prefix=xrootd_server.prefix)
    assert (again.receipt, again.measured["bytes_moved"]) == (first.receipt, 0)


@pytest.mark.parametrize("state", ["kept", "gone", "torn"])
def test_a_file_that_was_changed_is_fetched_again_and_only_it(xrootd_server, tmp_path, state):
    source = serve(xrootd_server, SMALL)
    first = download(source, tmp_path, prefix=xrootd_server.prefix)
    (tmp_path / "files" / "f3").write_bytes(b"x" * 1003)
    state_path = tmp_path / "verified.jsonl"
    if state == "gone":
        state_path.unlink()
    if state == "torn":
        state_path.write_bytes(state_path.read_bytes()[:-30])
    again = download(source, tmp_path, prefix=xrootd_server.prefix)
    assert again.receipt == first.receipt
    assert again.measured["bytes_moved"] == 1003
    assert contents(tmp_path / "files")["f3"] == SMALL["small/f3"]


def test_a_corrected_checksum_is_compared_anew(xrootd_server, tmp_path):
    files = {"a": b"abc"}
    source = serve(xrootd_server, files)
    download(source, tmp_path, prefix=xrootd_server.prefix)
    wrong = record(files, f0={"checksum": adler32(b"abd")})
    with pytest.raises(IntegrityError, match="expected adler32 024e0128, found 024d0127"):
        download(wrong, tmp_path, prefix=xrootd_server.prefix)
    assert contents(tmp_path / "files") == {}
    assert download(source, tmp_path, prefix=xrootd_server.prefix).measured["files_moved"] == 1


def test_a_right_partial_is_gone_on_from(xrootd_server, tmp_path):
    source = serve(xrootd_server, LARGE)
    part = tmp_path / "files" / "a.dst.part"
    part.parent.mkdir()
    part.write_bytes(LARGE["large/a.dst"][: 5 << 20])
    done = download(source, tmp_path, prefix=xrootd_server.prefix)
    assert done.receipt == receipt_of(source, LARGE)
    assert done.measured["bytes_moved"] == 4 << 20
    assert contents(tmp_path / "files") == {"a.dst": LARGE["large/a.dst"]}


@pytest.mark.parametrize("algorithm", [adler32, sha1])
@pytest.mark.parametrize(
    ("partial", "moved"),
    [
        (b"x" * 1000, (9 << 20) - 1000 + (9 << 20)),
        (b"x" * (9 << 20), 9 << 20),
        (b"x" * ((9 << 20) + 1), 9 << 20),
        (b"", 9 << 20),
    ],
    ids=["wrong", "wrong and whole", "overlong", "empty"],
)
def test_a_wrong_partial_is_fetched_once_anew(xrootd_server, tmp_path, partial, moved, algorithm):
    source = serve(xrootd_server, LARGE, f0={"checksum": algorithm(LARGE["large/a.dst"])})
    part = tmp_path / "files" / "a.dst.part"
    part.parent.mkdir()
    part.write_bytes(partial)
    done = download(source, tmp_path, prefix=xrootd_server.prefix)
    assert contents(tmp_path / "files") == {"a.dst": LARGE["large/a.dst"]}
    assert done.measured["bytes_moved"] == moved


def test_a_partial_that_nothing_could_prove_is_not_used(xrootd_server, tmp_path):
    source = serve(xrootd_server, LARGE, f0={"checksum": None})
    part = tmp_path / "files" / "a.dst.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * 1000)
    done = download(source, tmp_path, prefix=xrootd_server.prefix, allow_unverified=True)
    assert done.receipt == receipt_of(source, LARGE, verified="size")
    assert contents(tmp_path / "files") == {"a.dst": LARGE["large/a.dst"]}


def test_the_declared_checksum_is_what_proves_a_file(xrootd_server, tmp_path):
    source = serve(xrootd_server, {"a": b"abc"}, f0={"checksum": sha1(b"abc")})
    done = download(source, tmp_path, prefix=xrootd_server.prefix)
    assert done.receipt == receipt_of(source, {"a": b"abc"}, verified="sha1")


def test_a_file_without_checksum_is_refused_unless_configured(xrootd_server, tmp_path):
    files = {"a": b"abc", "b": b"def"}
    source = serve(xrootd_server, files, f1={"checksum": None, "size_bytes": None})
    with pytest.raises(
        PermanentError, match=r"/b: expected a whole checksum in the record .*, found none \(1 of 2 files\)"
    ):
        download(source, tmp_path, prefix=xrootd_server.prefix)
    assert not (tmp_path / "files").exists()
    done = download(source, tmp_path, prefix=xrootd_server.prefix, allow_unverified=True)
    assert [file["verified"] for file in done.receipt["files"]] == ["adler32", "none"]


def test_files_on_tape_are_refused_before_a_byte_moves(xrootd_server, tmp_path):
    source = serve(xrootd_server, {"a": b"abc", "b": b"def"}, f1={"online": False})
    with pytest.raises(PermanentError, match="/b: expected it online, found it on tape, as 1 of 2"):
        download(source, tmp_path, prefix=xrootd_server.prefix)
    assert not (tmp_path / "files").exists()


@pytest.mark.parametrize(
    ("there", "declared"), [(b"", 3), (b"abc", 0), (b"abc", 4), (b"abc", 2)], ids=["empty", "0", "short", "long"]
)
def test_another_size_than_declared_is_an_error_without_a_retry(xrootd_server, tmp_path, there, declared):
    source = serve(xrootd_server, {"sized": there}, f0={"size_bytes": declared})
    pauses: list[float] = []
    with pytest.raises(
        IntegrityError, match=rf"{EXPORT}/sized: expected {declared} bytes as the record says, found {len(there)}"
    ):
        download(source, tmp_path, prefix=xrootd_server.prefix, pauses=pauses)
    assert pauses == []
    assert contents(tmp_path / "files") == {}


def test_wrong_checksums_of_many_files_make_no_storm(xrootd_server, tmp_path):
    changes = {f"f{n}": {"checksum": adler32(b"other")} for n in range(40)}
    source = serve(xrootd_server, SMALL, **changes)
    pauses: list[float] = []
    message = r"expected adler32 \w+, found \w+; more files of the record that failed: \d+; not tried any more: \d+"
    with tcp_proxy(xrootd_server.port) as proxy:
        prefix = f"root://127.0.0.1:{proxy.port}/"
        with pytest.raises(IntegrityError, match=message):
            download(source, tmp_path, prefix=prefix, pauses=pauses, parallel_files=4)
        assert proxy.bytes_back < 14 * 2 * 1500 + 5000, "the 10 that count and the 4 at work, each fetched twice"
    assert pauses == []
    assert contents(tmp_path / "files") == {}


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere", "3011"), ("../../../etc/passwd", "30"), ("small", "3016")],
    ids=["missing", "forbidden", "folder"],
)
def test_what_cannot_be_fetched_fails_at_once_with_its_address(xrootd_server, tmp_path, name, message):
    serve(xrootd_server, SMALL)
    source = record({name: b"abc"})
    started = time.monotonic()
    with pytest.raises(PermanentError, match=rf"root://127.0.0.1:\d+/{EXPORT}/.*error {message}"):
        download(source, tmp_path, prefix=xrootd_server.prefix)
    assert time.monotonic() - started < 5


def test_one_missing_file_does_not_keep_the_others_from_arriving(xrootd_server, tmp_path):
    source = serve(xrootd_server, SMALL)
    source["files"][0]["uri"] += ".nowhere"
    with pytest.raises(PermanentError, match=r"f0.nowhere: expected to be opened, found .*3011.*\)$"):
        download(source, tmp_path, prefix=xrootd_server.prefix)
    assert len(contents(tmp_path / "files")) == 39
    done = download(serve(xrootd_server, SMALL), tmp_path, prefix=xrootd_server.prefix)
    assert done.measured["files_moved"] == 1


def test_names_of_all_kinds_arrive_inside_the_folder_one_to_one(xrootd_server, tmp_path):
    names = ["job1/x", "job2/x", "sp ace/Ζωή (1).dat",
             "twin/A", "twin/a", "nfc/caf\u00e9", "nfc/cafe\u0301", "p%41/a%20b",
             "line\nbreak", "a/content", "b/content", "L" * 251 + ".dst", "f.part", "f"]  # fmt: skip
    files = {f"names/{name}": name.encode() for name in names}
    source = serve(xrootd_server, files)
    done = download(source, tmp_path / "record", prefix=xrootd_server.prefix)
    there = contents(tmp_path / "record" / "files")
    assert sorted(there.values()) == sorted(files.values())
    assert [there[file["key"]] for file in done.receipt["files"]] == list(files.values())
    assert {path.name for path in tmp_path.iterdir()} == {"record"}


def test_an_address_that_cannot_be_sent_is_an_error_of_that_record(xrootd_server, tmp_path):
    source = record({"a\0b": b"abc"})
    with pytest.raises(PermanentError, match=r"a\\x00b.*expected an address, found one that cannot be sent"):
        download(source, tmp_path, prefix=xrootd_server.prefix)


def test_files_of_this_machine_come_through_the_same_client(tmp_path, monkeypatch):
    files = {"sp ace/Ζωή.dat": make_bytes(3 << 20), "b%41": b"b", "empty": b""}
    source = record(files)
    for name, content in files.items():
        path = tmp_path / f"mirror{EXPORT}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    for number, prefix in enumerate([f"file://{tmp_path}/mirror", f"file://localhost{tmp_path}/mirror", "file:mirror"]):
        done = download(source, tmp_path / str(number), prefix=prefix)
        assert done.receipt == receipt_of(source, files)


@pytest.mark.parametrize("name", ["links.meta4", "links.metalink"])
def test_a_metalink_file_of_a_real_server_is_a_file_and_leads_nowhere(xrootd_server, tmp_path, name):
    private = tmp_path / "private"
    private.write_bytes(b"the operator's own")
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="x">'
        f'<size>18</size><url location="a" priority="1">file://localhost{private}</url></file></metalink>'
    )
    files = {name: text.encode()}
    source = serve(xrootd_server, files)
    done = download(source, tmp_path, prefix=xrootd_server.prefix)
    assert done.receipt == receipt_of(source, files)
    assert (tmp_path / "files" / name).read_text() == text


def test_a_real_server_that_sends_on_to_another_is_followed_where_that_one_is_listed(tmp_path):
    need_xrootd()
    files = {"moved/a.root": make_bytes(3 << 20), "moved/b.root": b"small", "moved/empty": b""}
    with running_server() as behind, running_server(sends_on={f"{EXPORT}/moved": behind.port}) as server:
        source = serve(behind, files)
        done = download(source, tmp_path, prefix=server.prefix)
        assert done.receipt == receipt_of(source, files)


def test_a_connection_cut_in_the_middle_of_a_file_is_resumed(xrootd_server, tmp_path):
    source = serve(xrootd_server, LARGE)
    with tcp_proxy(xrootd_server.port) as proxy:
        proxy.cut_after = 4 << 20
        done = download(source, tmp_path, prefix=f"root://127.0.0.1:{proxy.port}/", stall_s=5)
        assert proxy.cut_after is None
        assert proxy.connections > 1
        assert proxy.bytes_back < (9 << 20) + (5 << 20), "what had arrived, less what was in flight, came once"
    assert done.receipt == receipt_of(source, LARGE)
    assert contents(tmp_path / "files") == {"a.dst": LARGE["large/a.dst"]}


def test_a_byte_that_flips_on_the_way_is_found_and_the_file_fetched_once_anew(xrootd_server, tmp_path):
    source = serve(xrootd_server, LARGE)
    with tcp_proxy(xrootd_server.port) as proxy:
        proxy.flip_at = 5 << 20
        done = download(source, tmp_path, prefix=f"root://127.0.0.1:{proxy.port}/")
        assert proxy.flip_at is None
    assert done.measured["bytes_moved"] == 2 * (9 << 20)
    assert contents(tmp_path / "files") == {"a.dst": LARGE["large/a.dst"]}


def tries_s(xrootd_server, source, tmp_path):
    """Give the seconds of up to three tries on a line of 150 ms and 100 MB/s: a busy machine is no fault of ours."""
    with tcp_proxy(xrootd_server.port) as proxy:
        proxy.delay_s, proxy.bytes_per_s = 0.075, 100e6
        for number in range(3):
            started = time.monotonic()
            download(source, tmp_path / str(number), prefix=f"root://127.0.0.1:{proxy.port}/")
            yield time.monotonic() - started


@pytest.mark.slow
def test_many_small_files_keep_a_distant_link_busy(xrootd_server, tmp_path):
    source = serve(xrootd_server, {f"wan/{n}": make_bytes(10_000, n) for n in range(1000)})
    bound_s = 1000 * 2 * 0.150 / 64  # 2 ways of 150 ms per file, 64 at once on the average
    assert any(taken_s < bound_s for taken_s in tries_s(xrootd_server, source, tmp_path))


@pytest.mark.slow
def test_a_lone_large_file_fills_a_distant_link(xrootd_server, tmp_path):
    source = serve(xrootd_server, {"far/a": make_bytes(120 << 20)})
    bound_s = 1.5 + 1.2 * (120 << 20) / 100e6  # its own time on the line; 4 pieces at once take 4.5 s
    assert any(taken_s < bound_s for taken_s in tries_s(xrootd_server, source, tmp_path))
