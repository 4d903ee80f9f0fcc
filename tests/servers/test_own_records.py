"""One's own draft or record is found again, and nobody else's; what cannot be found is made twice at most."""

import asyncio
import json
import shutil
import time
from dataclasses import replace

import pytest

from ferry.deposit.metadata import EditedError
from ferry.deposit.settings import DepositSettings
from ferry.deposit.state import forget_failed_creations
from ferry.errors import FerryError, MetadataError, PermanentError, TransientError
from ferry.flags import TOKEN_REFUSED, RunFlags
from ferry.mapping.diff import diff_records
from ferry.repository.client import Repository
from ferry.repository.errors import DeniedError
from sandbox import launcher
from sandbox.settings import Settings
from servers.deposit_faults.cargo import Cargo, Carrier, discovered, seen_through
from servers.deposit_faults.truth import Truth
from servers.depositing import act, creations, deposit, document
from servers.fault_proxy import fault_proxy
from servers.faults import Fault
from servers.nrp.server import DATASET
from servers.raw_api import Api, new_identifier

CREATE = {"method": "POST", "path": r"/api/records(\?|$)"}
FIND = {"method": "GET", "path": r"/api/user/records\?"}
PHRASE = {"scheme": "url"}


def failed_inside(answer):
    """Answer 500 to what was done all the same."""
    answer.status, answer.body = 500, b'{"status": 500, "message": "Internal server error"}'


def nothing_found(answer):
    """Show nothing, as a search does of what could not be indexed."""
    answer.json = {**answer.json, "hits": {"hits": [], "total": 0}}


@pytest.fixture
def line(sandbox, tmp_path):
    """A way to the sandbox through a proxy."""
    with fault_proxy(sandbox.url) as proxy:
        info = seen_through(discovered(sandbox.url), server=sandbox.url, proxy=proxy.url)
        yield proxy, Carrier(url=proxy.url, token=sandbox.token, info=info, folder=tmp_path / "data")


def outcome_of(carrier, cargo, **options):
    """Carry the record; return what came of it, also if that is an error."""
    try:
        return carrier.carry(cargo, **options)
    except FerryError as error:
        return error


def forget(carrier, cargo, sandbox):
    """Remove the folder, once the index shows the record."""
    Truth(sandbox.url, sandbox.token).held(cargo, expected=1)
    shutil.rmtree(carrier.folder)


@pytest.mark.slow
def test_drafts_that_no_search_shows_are_made_twice_at_most_also_by_later_runs(line, sandbox):
    proxy, carrier = line
    cargo = Cargo()
    proxy.add(Fault("stored", **CREATE, change=failed_inside, times=None))
    proxy.add(Fault("unseen", **FIND, change=nothing_found, times=None))
    for _ in range(3):
        outcome = outcome_of(carrier, cargo)
        assert isinstance(outcome, PermanentError)
        assert all(word in str(outcome) for word in ("500", "2 requests", "`snakemake --cores 1 mend`"))
        assert creations(sandbox) == 2
    proxy.clear()
    assert forget_failed_creations(carrier.state_path(cargo))  # by which `mend` does what the message says
    with pytest.raises(PermanentError, match="at most one record"):  # they are there: here a search shows them
        carrier.carry(cargo)


def test_after_a_500_the_draft_is_made_of_what_it_is_found_by_and_given_the_rest_by_its_id(line, sandbox):
    proxy, carrier = line
    proxy.add(Fault("failed", **CREATE, status=500))
    cargo = Cargo()
    carried = carrier.carry(cargo)
    assert creations(sandbox) == 1
    (update,) = [each for each in proxy.requests("PUT") if each.path.endswith("/draft")]
    assert update.status == 200
    live = Api(sandbox.url, None).call("GET", f"/api/records/{carried.upload['record_id']}").json()
    assert diff_records(cargo.document, live) == []


def test_a_draft_whose_file_of_state_is_lost_is_not_written_to_if_it_is_right(line, sandbox):
    proxy, carrier = line
    cargo = Cargo()
    carried = carrier.carry(cargo, publish=False)
    forget(carrier, cargo, sandbox)
    before = len(proxy.log)
    assert carrier.carry(cargo, publish=False).upload == carried.upload
    assert {each.method for each in proxy.log[before:]} == {"GET"}


def test_a_draft_whose_file_of_state_is_lost_is_given_what_has_changed(line, sandbox):
    _, carrier = line
    cargo = Cargo()
    carried = carrier.carry(cargo, publish=False)
    forget(carrier, cargo, sandbox)
    changed = Cargo(cargo.contents, identifier=cargo.identifier, title="A corrected title")
    # with the folder went what tells the fields that were given from those that somebody else has changed
    assert isinstance(outcome_of(carrier, changed), EditedError)
    carrier.settings = replace(carrier.settings, when_edited="overwrite")
    assert carrier.carry(changed, publish=False).upload["record_id"] == carried.upload["record_id"]
    path = f"/api/records/{carried.upload['record_id']}/draft"
    assert Api(sandbox.url, sandbox.token).call("GET", path).json()["metadata"]["title"] == "A corrected title"


def test_what_a_repository_objects_to_is_told_although_the_answer_that_said_so_was_lost(sandbox, tmp_path):
    wrong = document()
    del wrong["metadata"]["publication_date"]
    with fault_proxy(sandbox.url) as proxy:
        proxy.add(Fault("lost", **CREATE, drop_answer=True))
        through = type(sandbox)(**{**vars(sandbox), "url": proxy.url})
        with pytest.raises(MetadataError, match="publication_date"):
            deposit(through, tmp_path, doc=wrong, settings=DepositSettings(settle_s=600))
    assert creations(sandbox) == 1


def test_a_record_is_found_behind_more_hits_than_one_page_holds(sandbox):
    identifier = new_identifier()
    api = Api(sandbox.url, sandbox.token)
    ours = api.create(identifiers=[{"identifier": identifier, **PHRASE}])
    for number in range(30):
        api.create(identifiers=[{"identifier": f"{identifier}/files/{number}", **PHRASE}])
    time.sleep(1.2)  # the index is late
    found = act(sandbox, lambda repository: repository.search_own(identifier))
    assert [record.id for record in found] == [ours.id]


def test_a_record_of_another_model_is_not_the_one_that_is_looked_for(sandbox):
    identifier = new_identifier()
    ours = Api(sandbox.url, sandbox.token).create(identifiers=[{"identifier": identifier, **PHRASE}])
    time.sleep(1.2)
    info = discovered(sandbox.url)
    records = next(name for name, model in info["models"].items() if model["links"]["records"].endswith("/api/records"))
    other = json.loads(json.dumps(info["models"][records]).replace("/api/records", "/api/other"))
    info["models"]["other"] = other

    async def search(model):
        async with Repository(
            name="sandbox", url=sandbox.url, token=sandbox.token, info=info, model=model
        ) as repository:
            return [record.id for record in await repository.search_own(identifier)]

    assert asyncio.run(search(records)) == [ours.id]
    assert asyncio.run(search("other")) == []
    assert asyncio.run(search(None)) == [ours.id]


def test_where_a_repository_does_not_tell_where_one_s_own_are_listed_it_is_asked_as_invenio_rdm(sandbox):
    identifier = new_identifier()
    ours = Api(sandbox.url, sandbox.token).create(identifiers=[{"identifier": identifier, **PHRASE}])
    time.sleep(1.2)
    info = discovered(sandbox.url)
    del info["links"]["drafts"]

    async def search():
        async with Repository(name="sandbox", url=sandbox.url, token=sandbox.token, info=info) as repository:
            return [record.id for record in await repository.search_own(identifier)]

    assert asyncio.run(search()) == [ours.id]


# --- against an NRP repository ---


@pytest.fixture(params=["sandbox", pytest.param("nrp", marks=pytest.mark.nrp)])
def nrp_like(request, tmp_path):
    """An NRP repository: the sandbox that stands in for one, and a real one."""
    if request.param == "nrp":
        yield request.getfixturevalue("nrp")
        return
    started = launcher.start(tmp_path / "repository", settings=Settings(flavour="nrp", index_lag_s=0.0))
    yield started
    started.stop()


@pytest.fixture
def particles(nrp_like, tmp_path):
    """A way to its model `particles` through a proxy, and what makes ways."""
    with fault_proxy(nrp_like.url) as proxy:
        info = seen_through(discovered(nrp_like.url), server=nrp_like.url, proxy=proxy.url)
        yield (
            proxy,
            lambda **how: NrpCarrier(
                **{"url": proxy.url, "token": nrp_like.token, "info": info, "folder": tmp_path / "data", **how}
            ),
        )


class NrpCarrier(Carrier):
    """A way to the model `particles`."""

    model = "particles"

    def _repository(self):
        return Repository(
            name="target", url=self.url, token=self.token, info=self.info, stall_s=60, model=self.model
        )  # fmt: skip


class NrpCargo(Cargo):
    """A record for it."""

    dates = ()

    @property
    def document(self):
        made = super().document
        recid = int(self.identifier.rsplit("/", 1)[1])
        metadata = {**made["metadata"], "resource_type": {"id": DATASET["ccmm1"]}, "recid": recid}
        return {**made, "metadata": metadata | ({"dates": list(self.dates)} if self.dates else {})}


class NrpCargoOfYears(NrpCargo):
    """One with a date that a server which indexes dates as dates stores and cannot index."""

    dates = ({"date": "1998/2000", "type": {"id": "Created"}},)


@pytest.fixture
def cargo():
    """A record of a recid that no other test has."""
    recid = 9_200_000 + time.time_ns() // 10**7 % 99_000
    return NrpCargo({"a.txt": b"a"}, identifier=f"https://opendata.cern.ch/record/{recid}")


@pytest.mark.parametrize("model", ["particles", None])
@pytest.mark.parametrize("publish", [True, False], ids=["published", "draft"])
def test_an_empty_folder_makes_no_second_record_in_an_nrp_repository(particles, cargo, model, publish):
    proxy, way = particles
    carrier = way()
    carrier.model = model
    carried = carrier.carry(cargo, publish=publish)
    shutil.rmtree(carrier.folder)
    before = len(proxy.log)
    again = carrier.carry(cargo, publish=publish)
    page = {"record_url": None}  # that of a draft is another than that of the record which became of it
    assert (again.upload | page, again.published) == (carried.upload | page, carried.published)
    assert {each.method for each in proxy.log[before:]} == {"GET"}


def test_the_records_of_another_user_are_not_found_in_an_nrp_repository(particles, cargo, nrp_like, tmp_path):
    _, way = particles
    theirs = way(token=nrp_like.other_token, folder=tmp_path / "theirs").carry(cargo)
    ours = way().carry(cargo)
    assert ours.published["record_id"] != theirs.published["record_id"]
    shutil.rmtree(tmp_path / "data")
    assert way().carry(cargo).published == ours.published


def test_metadata_that_an_nrp_repository_cannot_index_leave_one_draft_that_is_found(particles, cargo):
    proxy, way = particles
    carrier = way()
    several = NrpCargoOfYears(cargo.contents, identifier=cargo.identifier)
    outcome = outcome_of(carrier, several)
    asked = [each.status for each in proxy.requests("POST", "/api/particles") if "/draft" not in each.path]
    assert asked == [500, 201]
    assert isinstance(outcome, TransientError)
    assert "correct the record" in str(outcome)
    for _ in ("from the same folder", "from an empty one"):
        assert isinstance(outcome_of(carrier, several), TransientError)
        shutil.rmtree(carrier.folder)
    # with the folder went what tells the fields that were given from those that somebody else has changed
    assert isinstance(outcome_of(carrier, cargo), EditedError)
    carrier.settings = replace(carrier.settings, when_edited="overwrite")
    corrected = carrier.carry(cargo)
    made = [each for each in proxy.requests("POST", "/api/particles") if "/draft" not in each.path]
    assert len(made) == 2
    assert corrected.published["record_url"].endswith(corrected.upload["record_id"])


@pytest.mark.parametrize("model", ["particles", None])
def test_a_wrong_token_is_told_as_such_by_an_nrp_repository(particles, model, tmp_path):
    _, way = particles
    told = way(token="garbage")
    flags = RunFlags(run_id="run", directory=tmp_path / "flags")

    async def search():
        async with Repository(
            name="target", url=told.url, token=told.token, info=told.info, model=model, flags=flags
        ) as repository:
            return await repository.search_own("https://opendata.cern.ch/record/80505")

    with pytest.raises(DeniedError):
        asyncio.run(search())
    assert flags.get(TOKEN_REFUSED)
