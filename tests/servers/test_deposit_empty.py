"""Records without files and files without a byte, where a repository takes neither: the sandbox, and a real NRP one."""

import secrets

import pytest

from ferry.deposit.deposit import Deposit
from ferry.deposit.empty import EmptyFileError, WithoutFilesError
from ferry.deposit.settings import DepositSettings
from ferry.deposit.state import DepositState
from ferry.errors import PermanentError
from ferry.flags import RunFlags
from ferry.identity import source_identifier
from sandbox import launcher
from sandbox.settings import Settings
from servers.depositing import act, document, publish, reading, uploads

OWN_JSON = b'{"title": "of the portal"}'


class Deposits:
    """A repository, and deposits of one record into it."""

    def __init__(self, server, folder, *, dataset="dataset"):
        self.server = server
        self.folder = folder
        self.dataset = dataset
        self.recid = 9_400_000 + secrets.randbelow(99_999)

    def bring(self, contents, *, state="state.json", run="first", **settings):
        """Return the receipt of an upload; its state is kept in `state`, what the run knows in flags of `run`."""
        recid, contents = self.recid, dict(contents)

        def own_json():
            contents[f"{recid}.json"] = OWN_JSON
            return uploads({f"{recid}.json": OWN_JSON})[0]

        async def deposit(repository):
            return await Deposit(
                repository=repository,
                recid=recid,
                identifier=source_identifier(recid)["identifier"],
                document=self.document(has_files=bool(contents)),
                uploads=uploads(contents),
                open_upload=reading(contents),
                own_json=own_json,
                state=DepositState.load(path=self.folder / state, recid=recid, repository=repository.name),
                settings=DepositSettings(**{"settle_s": 2, **settings}),
            ).run()

        flags = RunFlags(run_id=run, directory=self.folder / "flags")
        return act(self.server, deposit, flags=flags).receipt

    def document(self, *, has_files):
        made = document(files_enabled=has_files)
        metadata = {**made["metadata"], "identifiers": [source_identifier(self.recid)]}
        return {**made, "metadata": {**metadata, "resource_type": {"id": self.dataset}}}

    def publish(self, receipt):
        """Publish what was uploaded and return the receipt of that."""
        return publish(self.server, receipt, doc=self.document(has_files=True)).receipt

    def drafts(self):
        """Return how many drafts of the record there are."""

        async def search(repository):
            return await repository.search_own(source_identifier(self.recid)["identifier"])

        return len(act(self.server, search))

    def count_own(self):
        """Return how many drafts and records of anything the user has."""

        async def count(repository):
            return await repository.count_own()

        return act(self.server, count)


@pytest.fixture(params=["sandbox", pytest.param("nrp", marks=pytest.mark.nrp)])
def refusing(request, tmp_path):
    if request.param == "nrp":
        nrp = request.getfixturevalue("nrp_with")(metadata_only=False, empty_files=False)
        yield Deposits(nrp, tmp_path, dataset="c_ddb1")
        return
    settings = Settings(metadata_only=False, empty_files=False, index_lag_s=0)
    started = launcher.start(tmp_path / "repository", settings=settings)
    yield Deposits(started, tmp_path)
    started.stop()


@pytest.fixture
def taking(tmp_path):
    started = launcher.start(tmp_path / "repository", settings=Settings(index_lag_s=0))
    yield Deposits(started, tmp_path)
    started.stop()


def test_a_record_without_files_is_refused_with_the_ways_out_and_leaves_no_draft(refusing):
    before = refusing.count_own()
    with pytest.raises(WithoutFilesError) as refused:
        refusing.bring({})
    told = str(refused.value)
    assert "has no files, and this repository takes no record without files" in told
    assert "set package.empty_records to metadata_file" in told
    assert "not sent from here" not in told
    assert refusing.count_own() == before


def test_the_next_record_of_the_run_and_one_of_a_repository_known_to_refuse_make_nothing(refusing, monkeypatch):
    with pytest.raises(WithoutFilesError):
        refusing.bring({})

    async def made(*_arguments, **_named):
        raise AssertionError("a draft was to be made")

    monkeypatch.setattr("ferry.repository.client.Repository.create", made)
    with pytest.raises(WithoutFilesError):
        refusing.bring({}, state="of-another-job.json")
    with pytest.raises(WithoutFilesError):
        refusing.bring({}, run="another", takes_records_without_files=False)


def test_the_way_out_of_empty_files_that_are_refused_leaves_none_of_them_pending(refusing):
    contents = {f"d{n}.al": bytes([65 + n]) * 500 for n in range(4)} | {f"e{n:02}.log": b"" for n in range(14)}
    with pytest.raises(EmptyFileError, match=r"set package\.empty_files to bundle"):
        refusing.bring(contents)
    receipt = refusing.bring({f"{refusing.recid}.zip": b"PK" * 2000}, run="another")
    assert refusing.publish(receipt)["state"] == "published"


@pytest.mark.parametrize("known", [None, False])
def test_a_record_without_files_is_skipped_with_the_reason_where_that_is_wanted(refusing, known):
    before = refusing.count_own()
    receipt = refusing.bring({}, empty_records="skip", takes_records_without_files=known)
    assert (receipt["record_id"], receipt["files"]) == (None, [])
    assert "takes no record without files; skipped" in receipt["skipped"]
    assert "to carry it all the same change that, delete" in receipt["skipped"]
    assert refusing.count_own() == before
    carried = refusing.bring({}, empty_records="metadata_file", takes_records_without_files=known)
    assert [file["key"] for file in carried["files"]] == [f"{refusing.recid}.json"]


@pytest.mark.parametrize("known", [None, False])
def test_the_own_json_of_a_record_without_files_goes_up_as_its_file_where_that_is_wanted(refusing, known):
    settings = {"empty_records": "metadata_file", "takes_records_without_files": known}
    receipt = refusing.bring({}, **settings)
    assert [file["key"] for file in receipt["files"]] == [f"{refusing.recid}.json"]
    assert receipt["files"][0]["size_bytes"] == len(OWN_JSON)
    assert refusing.bring({}, **settings) == receipt
    assert refusing.publish(receipt)["state"] == "published"
    again = refusing.bring({}, run="from an empty folder", state="lost.json", **settings)
    assert (again["record_id"], again["files"]) == (receipt["record_id"], receipt["files"])
    assert refusing.drafts() == 1


def test_a_file_without_a_byte_is_named_with_the_way_out_and_the_next_record_makes_nothing(refusing, monkeypatch):
    contents = {"a.al": b"first" * 100, "empty.txt": b""}
    with pytest.raises(EmptyFileError) as refused:
        refusing.bring(contents)
    told = str(refused.value)
    assert told.startswith("empty.txt: it has no byte, and this repository takes no file without a byte")
    assert "Empty files are not accepted" in told
    assert "set package.empty_files to bundle" in told
    refusing.recid += 1

    async def made(*_arguments, **_named):
        raise AssertionError("a draft was to be made")

    monkeypatch.setattr("ferry.repository.client.Repository.create", made)
    with pytest.raises(EmptyFileError, match=r"empty\.txt: it has no byte"):
        refusing.bring(contents, state="of-another-job.json")


def test_what_is_up_already_is_gone_on_with_when_a_bundle_takes_the_place_of_an_empty_file(refusing):
    with pytest.raises(EmptyFileError):
        refusing.bring({"a.al": b"first" * 100, "empty.txt": b""})
    receipt = refusing.bring({"bundle.zip": b"PK" * 100})
    assert [file["key"] for file in receipt["files"]] == ["bundle.zip"]
    assert refusing.drafts() == 1


@pytest.mark.parametrize("choice", ["fail", "skip", "metadata_file"])
def test_where_records_without_files_are_taken_they_go_up_without(taking, choice):
    receipt = taking.bring({}, empty_records=choice)
    assert receipt["record_id"] is not None
    assert (receipt["files"], "skipped" in receipt) == ([], False)


def test_files_that_nobody_here_has_sent_are_told_as_such_where_none_are_wanted(taking):
    taking.bring({"a.al": b"x"})
    with pytest.raises(PermanentError, match="found files that were not sent from here"):
        taking.bring({}, state="of-another-folder.json")
