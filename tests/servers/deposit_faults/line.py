"""One attempt after the other over a line that fails, and the invariants after each."""

import time
from dataclasses import dataclass

from ferry.errors import FerryError
from servers.deposit_faults.cargo import Cargo, Carried, Carrier
from servers.deposit_faults.truth import Truth
from servers.fault_proxy import FaultProxy
from servers.faults import Exchange, Fault

MOST_REQUESTS = 120
"""For one attempt at a record of three files: an undisturbed one takes about 20."""
MOST_SECONDS = 40.0


@dataclass
class Line:
    """A repository, the proxy in front of it, and the way through."""

    proxy: FaultProxy
    carrier: Carrier
    truth: Truth

    def attempt(self, cargo: Cargo, *faults: Fault, publish: bool = True) -> Carried | FerryError:
        """Carry the record while the faults happen; return the outcome, after looking at I1, I2, I3, I6, I7 and I8."""
        for fault in faults:
            self.proxy.add(fault)
        before, begun = len(self.proxy.log), time.monotonic()
        outcome: Carried | FerryError
        try:
            outcome = self.carrier.carry(cargo, publish=publish)
        except FerryError as error:
            outcome = error
        assert time.monotonic() - begun < MOST_SECONDS
        assert len(self.proxy.log) - before <= MOST_REQUESTS
        self.proxy.clear()
        if isinstance(outcome, FerryError):
            assert self.carrier.token not in f"{outcome} {outcome.__cause__} {outcome.__context__}"
            self.truth.assert_one_at_most(cargo)
        else:
            self.truth.assert_holds(cargo, outcome)
        return outcome

    def settle(self, cargo: Cargo, *, publish: bool = True) -> Carried:
        """I5: a plain rerun converges, and the run after that moves no byte and writes nothing."""
        settled = self.attempt(cargo, publish=publish)
        assert isinstance(settled, Carried), settled
        state = self.carrier.state_path(cargo)
        begun, written = time.monotonic(), (state.stat().st_mtime_ns, state.read_bytes())
        again = self.attempt(cargo, publish=publish)
        assert isinstance(again, Carried), again
        assert {each.method for each in list(self.proxy.log) if each.started_s >= begun} == {"GET"}
        assert again.published == settled.published
        page = {"record_url": None}  # that of a draft is another than that of the record which became of it
        assert again.upload | page == settled.upload | page
        assert (state.stat().st_mtime_ns, state.read_bytes()) == written
        return settled

    def sent(self, path: str) -> list[Exchange]:
        """Return the requests of any kind but GET whose path contains the text."""
        return [each for each in self.proxy.requests(path=path) if each.method != "GET"]
