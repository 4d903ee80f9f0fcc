"""Bulk runs over a line that fails at random: nothing doubled, no wrong byte, nothing called ok that is not, no end.

Each test is one seed, and the same seed makes the same faults. FAULT_SEEDS=first:end says which seeds; `make
test-faults` takes 1,000.
"""

import asyncio
import os
import random
from dataclasses import replace

import pytest

from ferry.deposit.deposit import DepositSettings
from ferry.deposit.state import forget_failed_creations
from ferry.errors import FerryError
from sandbox import launcher
from sandbox.settings import Settings
from servers.deposit_faults.cargo import Cargo, Carried, Carrier, discovered, seen_through
from servers.deposit_faults.test_every_request import REQUESTS, gateway_timeout
from servers.deposit_faults.truth import Truth
from servers.fault_proxy import fault_proxy
from servers.faults import Fault, multipart_checksum, no_checksum, refusal, with_errors, wrong_md5

FIRST, END = (int(number) for number in os.environ.get("FAULT_SEEDS", "0:20").split(":"))
RECORDS = 3
AT_ONCE = 2
FAULTY_RUNS = 2
STALL_S = 0.5
LONGEST_RUN_S = 60.0
MOST_REQUESTS = 150 * RECORDS

ANYWHERE = {
    **REQUESTS,
    "content": {"method": "PUT", "path": "/content$"},
    "commit": {"method": "POST", "path": "/commit$"},
}


def random_fault(chance: random.Random) -> Fault:
    """Return a fault at a random place; one that changes or cuts a body where there is one."""
    where = chance.choice(list(ANYWHERE))
    size = chance.randrange(60_000)
    ways = [
        {"reset": True},
        {"drop_answer": True},
        {"drop_answer": True},
        {"cut_answer_at": chance.randrange(200)},
        {"change": gateway_timeout},
        {"hold_answer_s": STALL_S * 2},
        refusal(chance.choice([500, 502, 503, 504]), "failed"),
        refusal(403, "Permission denied."),
        {**refusal(429, "500 per 1 minute"), "headers": {"Retry-After": "0"}},
    ]
    if where == "content":
        ways += [
            {"cut_upload_at": size},
            {"stall_upload_at": size},
            {"flip_upload_at": size},
            {"flip_upload_at": size},
            {"throttle_bytes_s": 100_000.0},
            {"change": with_errors},
            refusal(404, "The requested URL was not found on the server."),
        ]
    if where == "list":
        ways += [{"change": change} for change in (wrong_md5, no_checksum, multipart_checksum)]
    if where == "commit":
        ways += [{"change": with_errors}, {"change": wrong_md5}]
    name = f"{where} {len(ways)}"
    return Fault(name, **ANYWHERE[where], **chance.choice(ways), nth=chance.randint(1, 12), times=chance.randint(1, 3))


def random_cargo(chance: random.Random) -> Cargo:
    """Return a record of up to four files, empty ones among them."""
    sizes = [chance.choice([0, 1, 1000, 50_000, 130_000]) for _ in range(chance.randint(1, 4))]
    return Cargo({f"f{number}.al": chance.randbytes(size) for number, size in enumerate(sizes)})


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A sandbox without limits, and what it tells of itself."""
    settings = Settings(index_lag_s=0.1, rate_limits=(), discovery=False)
    started = launcher.start(tmp_path_factory.mktemp("sequences"), settings=settings)
    yield started, discovered(started.url)
    started.stop()


async def bulk_run(carrier: Carrier, cargos: list[Cargo]) -> list[Carried | FerryError]:
    """Carry all records, some of them at once; one that fails does not stop the others."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(cargo: Cargo) -> Carried | FerryError:
        async with slots:
            try:
                return await carrier.carry_in_loop(cargo)
            except FerryError as error:
                return error

    async with asyncio.timeout(LONGEST_RUN_S):
        return list(await asyncio.gather(*(one(cargo) for cargo in cargos)))


def look_at(truth: Truth, cargos: list[Cargo], outcomes: list[Carried | FerryError]) -> None:
    """Compare what was told of each record with what the repository holds."""
    for cargo, outcome in zip(cargos, outcomes, strict=True):
        if isinstance(outcome, Carried):
            truth.assert_holds(cargo, outcome)
        else:
            truth.assert_one_at_most(cargo)


def follow_the_one_remedy(carrier: Carrier, cargos: list[Cargo], outcomes: list[Carried | FerryError]) -> bool:
    """Do what is left to people, where anything is: after a second 500 no run asks for a draft of that record."""
    left = [
        (cargo, outcome) for cargo, outcome in zip(cargos, outcomes, strict=True) if isinstance(outcome, FerryError)
    ]
    for cargo, outcome in left:
        assert "answering 500 to 2 requests for one" in str(outcome), outcome
        assert forget_failed_creations(carrier.state_path(cargo))  # `mend`, as the message says
    return bool(left)


@pytest.mark.parametrize("seed", [pytest.param(FIRST, marks=pytest.mark.smoke), *range(FIRST + 1, END)])
def test_a_bulk_run_over_a_line_that_fails_at_random_ends_whole(repository, tmp_path, seed):
    server, info = repository
    chance = random.Random(seed)
    cargos = [random_cargo(chance) for _ in range(RECORDS)]
    truth = Truth(server.url, server.token)
    with fault_proxy(server.url) as proxy:
        carrier = Carrier(
            url=proxy.url,
            token=server.token,
            info=seen_through(info, server=server.url, proxy=proxy.url),
            folder=tmp_path,
            settings=DepositSettings(attempts=4, settle_s=60, checksum_wait_s=10),
            stall_s=STALL_S,
        )
        for _ in range(FAULTY_RUNS):
            for _ in range(chance.randint(1, 6)):
                proxy.add(random_fault(chance))
            before = len(proxy.log)
            look_at(truth, cargos, asyncio.run(bulk_run(carrier, cargos)))
            assert len(proxy.log) - before <= MOST_REQUESTS
            proxy.clear()
        patient = replace(carrier, stall_s=20.0)  # only faults may be told as stalls
        settled = asyncio.run(bulk_run(patient, cargos))
        look_at(truth, cargos, settled)
        if follow_the_one_remedy(carrier, cargos, settled):
            settled = asyncio.run(bulk_run(patient, cargos))
            look_at(truth, cargos, settled)
        assert all(isinstance(outcome, Carried) for outcome in settled), settled
