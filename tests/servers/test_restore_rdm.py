"""Twenty records of a real InvenioRDM, and more of one's own, come back by its public interface alone as they were."""

import hashlib
import os
import shutil
import zlib

import pytest
from generated_records import document, put_below, redirect, write_records
from own_records import OWN, own_record

from servers.depositing import own_recid
from workflow.conftest import Flow
from workflow.test_chain import assert_ok
from workflow.test_restore import ODD_NAMES, rows_of, tree

pytestmark = [pytest.mark.rdm, pytest.mark.timeout(1500)]

PREFIX_OF_CERN = "root://eospublic.cern.ch//eos/opendata/"
SHAPES = [
    [100],
    [0],
    [10, 0, 1_000_000],
    [3_000_000] * 3,
    [1] * 9,
    [2000] * 12,
    [0] * 11,
    [100_000] * 40,
    [7] * 200,
    [5_000_000] * 11,
    [400_000] * 12,
    [900_000] * 20,
    [350_000, 0] * 15,
    [1_500_000] * 10 + [5] * 30,
    [20_000] * 99,
    [60_000] * 30,
    [999_000] * 11,
    [2_500_000] * 2,
]
"""Of eighteen records, the length of each file: loose, in one bundle, in several."""
OWN_NAMES = [
    b"plain.txt",
    b"Folder/Case.txt",
    b"folder/case.txt",
    b"a:b.txt",
    b"NUL.txt",
    b"ends with a dot.",
    b"caf\xe9 in latin 1.txt",
    b"no%41 escape & more?.txt",
    "u\u0308ber.txt".encode(),
    "\u00fcber.txt".encode(),
    b"empty",
]


def lose_everything(flow):
    """Remove all that lies in the folder but the list of recids; nobody has a token any more."""
    for path in flow.folder.iterdir():
        if path.name != "records.csv":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    flow.environment = {"HOME": str(flow.folder / "home")}
    (flow.folder / "home").mkdir()


def test_twenty_records_are_restored_byte_for_byte_by_anybody_who_has_their_recids(invenio, tmp_path, monkeypatch):
    monkeypatch.delenv("NRP_TOKEN", raising=False)
    far = tmp_path / "far"
    flow = Flow(folder=tmp_path / "flow", environment={"NRP_TOKEN": invenio.token})
    flow.folder.mkdir()
    put = put_below(far)
    sizes = {own_recid(): shape for shape in SHAPES}
    write_records(flow.folder / "metadata", sizes, put=put)
    odd = (own_recid(), own_recid())
    for recid, more in zip(odd, (0, 20), strict=True):
        files = []
        for number, name in enumerate([*ODD_NAMES, *(f"more/{i}" for i in range(more))]):
            data = f"{recid} {name}\n".encode() * (1 + 500 * number)
            put(f"odd/{recid}/{name}", data)
            checksum = f"adler32:{zlib.adler32(data):08x}"
            files.append({"uri": f"{PREFIX_OF_CERN}odd/{recid}/{name}", "size": len(data), "checksum": checksum})
        flow.write_metadata(recid, document(recid, files))
    recids = [*sizes, *odd]
    assert len(recids) == 20
    flow.config = {
        "source": {"redirects": redirect(far)},
        "repository": {"url": invenio.url, "finish": "publish"},
        "package": {"max_files": 10, "max_bundle_bytes": 3_000_000},
    }
    flow.want(*recids)
    assert_ok(flow.run(*(f"results/{recid}/stats.json" for recid in recids), timeout_s=900))
    uploads = {recid: [upload["kind"] for upload in flow.receipt(recid, "package")["uploads"]] for recid in recids}
    assert sum("bundle" in kinds for kinds in uploads.values()) >= 8
    assert sum(kinds.count("bundle") > 1 for kinds in uploads.values()) >= 4
    carried = {recid: tree(flow.folder / f"data/{recid}/files") for recid in recids}
    lose_everything(flow)
    flow.config = {"repository": {"url": invenio.url}}
    done = flow.run("restore", timeout_s=600)
    assert_ok(done)
    restored = {recid: tree(flow.folder / f"restored/{recid}") for recid in recids}
    assert restored == carried
    for recid in sizes:
        assert restored[recid] == tree(far / f"generated/{recid}")
    for recid in odd:
        assert sorted(restored[recid].values()) == sorted(tree(far / f"odd/{recid}").values())
    again = flow.run("restore")
    assert_ok(again)
    assert "; 0 B came from the repository now" in again.stdout
    assert {row["stated_by"] for row in rows_of(flow)} == {"manifest"}


def test_a_dataset_of_ones_own_comes_back_with_the_names_that_it_had(invenio, tmp_path, monkeypatch):
    monkeypatch.delenv("NRP_TOKEN", raising=False)
    loose, bundled = own_recid(), own_recid()
    own = tmp_path / "own"
    for recid, more in ((loose, 0), (bundled, 15)):
        names = [*OWN_NAMES, *(f"more/{number}.dat".encode() for number in range(more))]
        lines = []
        for number, name in enumerate(names):
            path = own / str(recid) / os.fsdecode(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"" if name == b"empty" else name * (1 + 1000 * number))
            lines.append(hashlib.sha256(path.read_bytes()).hexdigest().encode() + b"  " + name + b"\n")
        (own / str(recid) / "SHA256SUMS").write_bytes(b"".join(lines))
    flow = Flow(folder=tmp_path / "flow", environment={"NRP_TOKEN": invenio.token})
    flow.folder.mkdir()
    for recid in (loose, bundled):
        flow.write_metadata(recid, own_record())
    flow.config = {
        **OWN,
        "source": {"data_root": str(own)},
        "repository": {"url": invenio.url, "finish": "publish"},
        "package": {"max_files": 15},
    }
    flow.want(loose, bundled)
    assert_ok(flow.run(*(f"results/{recid}/stats.json" for recid in (loose, bundled))))
    lose_everything(flow)
    (flow.folder / "metadata").mkdir()
    flow.config = {**OWN, "source": {"data_root": str(own)}, "repository": {"url": invenio.url}}
    assert_ok(flow.run("restore"))
    for recid in (loose, bundled):
        source = tree(own / str(recid))
        del source["SHA256SUMS"]
        assert tree(flow.folder / f"restored/{recid}") == source
        assert len(source) == len(OWN_NAMES) + (15 if recid == bundled else 0)
