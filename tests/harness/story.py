"""One seed: forty records are carried through kills, a bad line and tampering, until all is quiet and has to be right.

    python -m harness.story 17 [--folder F] [--kinds kills,line,late,tamper]

The rule: a run that ends with status 0 has brought each wanted record into the repository once, with right bytes and
metadata, and a further run writes nothing. One that does not names what is to be done, which is done to the letter, and
then it ends so. What happened stands in `story.txt`, in the folder.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import yaml
from generated_records import put_below, redirect

from harness.checker import Repository, Verdict, Wanted, check
from harness.line import random_fault
from harness.records import MAX_FILES, RECORDS, write_records
from harness.remedies import commands_of_check, failures_of, remedies_of
from harness.running import Ended, Events, Kill, cpu_s, random_kills, run
from harness.tampering import tamper
from sandbox import launcher
from sandbox.settings import Settings
from servers.fault_proxy import FaultProxy, fault_proxy
from servers.xrootd_server import running_server
from workflow.forked_snakemake import UNPACED

ROOT = Path(__file__).resolve().parents[2]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
KINDS = ("kills", "line", "late", "tamper")
OVER_XROOTD = 0.15
"""Share of seeds whose files come from a real XRootD server, where that is installed; else they are on disk."""
READS = ("GET", "HEAD")
MOST_EVENTS, FEWEST_EVENTS = 700, 40
"""Before which kills fall: an undisturbed run of forty records has about as many, a last one few."""


class BrokenRule(Exception):  # noqa: N818 - no error of the harness
    """The rule was broken; its argument has the lines that say how."""


@dataclass
class Outcome:
    """What came of a seed."""

    seed: int
    faults: list[str] = field(default_factory=list)
    """What broke the rule, a line each; none for a good seed."""
    counts: Counter[str] = field(default_factory=Counter)
    """Kills, tampers, requests, runs …"""
    folder: Path = Path()


@dataclass
class Story:
    """A working folder with its repository, and all that happens there."""

    seed: int
    chance: random.Random
    kinds: frozenset[str]
    folder: Path
    outcome: Outcome
    proxy: FaultProxy
    sandbox: launcher.Sandbox
    index_lag_s: float
    longest_late_s: float
    recids: list[int]
    config: dict
    whole: bool
    """Whether runs make the tables and figures too."""

    def tell(self, text: str) -> None:
        """Write a line of the story."""
        with (self.folder / "story.txt").open("a", encoding="utf-8") as stream:
            stream.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    def fault(self, *texts: str) -> NoReturn:
        """Write down what breaks the rule, and end the story: what comes after it would tell of nothing new."""
        for text in texts:
            self.tell(f"FAULT {text}")
        raise BrokenRule(texts)

    def command(self, *arguments: str) -> list[str]:
        """Return the user's command line, where it leaves out the tables as `make bulk` has it."""
        (self.folder / "mine.yaml").write_text(yaml.safe_dump(self.config), encoding="utf-8")
        snakemake = SNAKEMAKE if self.whole else UNPACED
        base = [str(snakemake), "--snakefile", str(ROOT / "Snakefile"), "--directory", str(self.folder)]
        return [*base, "--cores", "2", "--quiet", "all", "--configfile", str(self.folder / "mine.yaml"), *arguments]

    @property
    def events(self) -> Events:
        """What counts how much has happened."""
        return Events(lambda: len(self.proxy._log), self.folder / "results" / "attempts.jsonl")

    def run(self, *arguments: str, kills: Sequence[Kill] = ()) -> Ended:
        """Run the workflow: plainly, or with other arguments."""
        if not arguments and not self.whole:
            last = "published" if self.config["repository"]["finish"] == "publish" else "upload"
            names = (last, "stats")
            arguments = ("--", *(f"results/{recid}/{name}.json" for recid in self.recids for name in names))
        number = self.outcome.counts["runs"] = self.outcome.counts["runs"] + 1
        ended = run(
            self.command(*arguments),
            environment={"NRP_TOKEN": self.sandbox.token},
            streams=self.folder / f"run-{number}.txt",
            kills=kills,
            events=self.events,
            chance=self.chance,
        )
        self.outcome.counts["kills"] += ended.kills
        asked = " ".join(arguments[1:]) if len(arguments) == 2 else ""
        self.tell(f"run {number} {asked}: status {ended.status} after {ended.duration_s:.1f} s, {kills}")
        if ended.status is None:
            self.fault(f"run {number} did not end in {ended.duration_s:.0f} s")
        return ended

    def wait_for_late_effects(self) -> None:
        """Wait until nothing is under way any more and a search shows all there is."""
        while self.proxy.pending:
            time.sleep(0.1)
        time.sleep(self.index_lag_s + 0.3)

    def check(self) -> Verdict:
        """Ask the independent program what the repository holds."""
        wanted = Wanted(
            metadata=self.folder / "metadata",
            source=self.folder / "source",
            access=self.config["transform"]["access"],
            published=self.config["repository"]["finish"] == "publish",
        )
        repository = Repository(self.sandbox.url, self.sandbox.token)
        try:
            return check(wanted, repository)
        finally:
            repository.close()

    def disturb(self) -> None:
        """Run once, with all that may go wrong, and lay hands on what it leaves."""
        self.proxy.clear()
        if self.kinds & {"line", "late"}:
            for _ in range(self.chance.randint(0, 5)):
                fault = self.proxy.add(random_fault(self.chance, longest_late_s=self.longest_late_s))
                self.tell(f"line: {fault.name}, {fault.nth}. request, {fault.times} times")
        left = max(MOST_EVENTS - self.events(), FEWEST_EVENTS)
        kills = random_kills(self.chance, most_events=left) if "kills" in self.kinds else []
        ended = self.run(kills=kills if self.chance.random() < 0.7 else ())
        self.proxy.clear()
        if ended.status == 0 and not self.proxy.pending:
            self.judge_success()
        if "tamper" in self.kinds:
            self.tamper()

    def tamper(self) -> None:
        """Lay hands on up to four files."""
        for _ in range(self.chance.randint(0, 4)):
            if done := tamper(self.folder, self.chance):
                self.outcome.counts["tampers"] += 1
                self.tell(f"tamper: {done.what}: {', '.join(map(str, done.paths))}")

    def judge_success(self) -> None:
        """Hold a run's exit status 0 against what there is."""
        time.sleep(self.index_lag_s + 0.1)
        verdict = self.check()
        if verdict.problems:
            self.fault(*(f"exit status 0, but {problem}" for problem in verdict.problems))

    def settle(self, *, tampered: bool) -> None:
        """Let all be quiet and run plainly; do what failures say, then what `check` says: then all must be well."""
        self.wait_for_late_effects()
        ended = self.run()
        for follow in (self.follow_messages, self.follow_check):
            if ended.status == 0:
                break
            if not tampered and not self.check().problems:
                self.fault(f"failed, though all is right: {failures_of(self.folder, ended.told)[0]}")
            self.outcome.counts["remedies"] += 1
            follow(ended)
            ended = self.run()
        if ended.status != 0:
            self.fault(*(f"needs a hand: {each.recid}: {each.error}" for each in failures_of(self.folder, ended.told)))
        self.judge_success()
        if tampered and self.wrong_claims():  # a run looks at times only: `check` reads what lies there
            self.outcome.counts["remedies"] += 1
            self.follow_check(ended)
            if (ended := self.run()).status != 0:
                self.fault(f"the command of check leaves a run that fails: {failures_of(self.folder, ended.told)[0]}")
        if wrong := self.wrong_claims():
            self.fault(*wrong)
        self.judge_further_run()

    def follow_messages(self, ended: Ended) -> None:
        """Do what a run that failed says of each record, but for running again."""
        failures = failures_of(self.folder, ended.told)
        remedies = remedies_of(failures)
        for failure in failures:
            self.tell(f"failed: {failure.recid}: {failure.error}")
        self.tell(f"remedy: {remedies.told}")
        if remedies.unknown:
            self.fault(*(f"no remedy named: {each.recid}: {each.error}" for each in remedies.unknown))
        remedies.follow_deletions(self.folder)
        for (part, key), value in remedies.settings.items():
            self.config[part][key] = value
        self.follow(remedies.commands)
        for target in remedies.runs:
            self.run("--", target)

    def follow_check(self, ended: Ended) -> None:
        """Run `snakemake check` and the one command that it names for all that it has found; else what failures say."""
        check = self.run("--", "check")
        if check.status == 0:
            self.follow_messages(ended)
            return
        commands = commands_of_check(check.told)
        if len(commands) != 1:
            self.fault(f"check names {len(commands)} commands, not one: {commands or check.told[-500:]}")
        self.follow(commands)

    def follow(self, commands: Sequence[str]) -> None:
        """Run commands to the letter."""
        for command in commands:
            self.tell(f"remedy: {command}")
            environment = {**os.environ, "NRP_TOKEN": self.sandbox.token}
            environment["PATH"] = f"{SNAKEMAKE.parent}:{environment['PATH']}"
            done = subprocess.run(
                command, shell=True, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
            )
            self.tell(f"  status {done.returncode} {done.stderr[-300:] if done.returncode else ''}")

    def wrong_claims(self) -> list[str]:
        """Return where the receipts do not tell of a record what was found of it."""
        found, wrong = self.check().found, []
        for recid in self.recids:
            path = self.folder / "results" / str(recid) / "stats.json"
            try:
                stats = json.loads(path.read_bytes())
                claim = (stats["status"], stats["record_id"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                wrong.append(f"exit status 0, but {path.name} of {recid}: {error}")
                continue
            if claim != ("ok", found[recid][0]):
                wrong.append(f"exit status 0, but the stats of {recid} tell of {claim}, and {found[recid]} is there")
        return wrong

    def judge_further_run(self) -> None:
        """Run once more: nothing may be written, here or there."""
        self.proxy.clear()
        begun_s, receipts = time.monotonic(), self._digests()
        ended = self.run()
        if ended.status != 0:
            self.fault(f"a further run fails: {failures_of(self.folder, ended.told)[0]}")
        asked = [each for each in self.proxy.log if each.started_s >= begun_s]  # one that was given up may end now
        writes = [f"{each.method} {each.path}" for each in asked if each.method not in READS]
        if writes:
            self.fault(f"a further run writes: {len(writes)} requests, {writes[:3]}")
        if changed := [path for path, digest in self._digests().items() if receipts.get(path) != digest]:
            self.fault(f"a further run changes {len(changed)} files: {changed[:3]}")

    def _digests(self) -> dict[str, str]:
        paths = [path for top in ("results", "data") for path in (self.folder / top).glob("[1-9]*/**/*")]
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(paths)
            if path.is_file()
        }


@contextmanager
def begun(seed: int, folder: Path, kinds: frozenset[str], *, records: int = RECORDS) -> Iterator[Story]:
    """Lay the records and start the repository, as the seed says."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        recids, redirects = _lay_records(folder, chance, records, stack)
        yield from _begun(seed, folder, kinds, chance, recids, redirects)


def _lay_records(
    folder: Path, chance: random.Random, records: int, stack: ExitStack
) -> tuple[list[int], dict[str, str]]:
    """Lay the records, for some seeds on a real XRootD server where there is one; return them and the redirects."""
    put, redirects = put_below(folder / "source"), redirect(folder / "source")
    if chance.random() < OVER_XROOTD and shutil.which("xrootd"):
        server = stack.enter_context(running_server())

        def put_twice(path: str, content: bytes) -> None:
            put_below(folder / "source")(path, content)
            server.put(path, content)

        put, redirects = put_twice, {"root://eospublic.cern.ch/": server.prefix}
    return write_records(folder, chance, put, records=records), redirects


def _begun(
    seed: int, folder: Path, kinds: frozenset[str], chance: random.Random, recids: list[int], redirects: dict[str, str]
) -> Iterator[Story]:
    # most seeds are on a line that is late by little: they take a third of the time
    longest_late_s, lag_s = chance.choice([(2.0, 0.1), (2.0, 1.0), (2.0, 1.0), (6.0, 3.0), (15.0, 12.0)])
    if "late" not in kinds:
        longest_late_s, lag_s = 0.0, min(lag_s, 1.0)
    settings = Settings(rate_limits=(), index_lag_s=lag_s)
    config = {
        "source": {"redirects": redirects},
        "transform": {"access": chance.choice(["public", "public", "restricted"])},
        "package": {"max_files": MAX_FILES, "mode": chance.choice(["file", "file", "stream"])},
        "repository": {
            "finish": chance.choice(["draft", "publish"]),
            "requests_per_minute": None,
            "requests_per_hour": None,
            "duplicate_drafts": chance.choice(["fail", "remove"]),
            "settle_s": longest_late_s + lag_s + 3,
        },
        "upload": {"attempts": 3, "stall_s": 5},
        "storage": {"remove": chance.choice([[], [], [], ["bundles"], ["bundles", "files"]])},
    }
    sandbox = launcher.start(folder / "repository", settings=settings)
    try:
        with fault_proxy(sandbox.url) as proxy:
            config["repository"]["url"] = proxy.url
            outcome = Outcome(seed=seed, folder=folder)
            story = Story(
                seed=seed,
                chance=chance,
                kinds=kinds,
                folder=folder,
                outcome=outcome,
                proxy=proxy,
                sandbox=sandbox,
                index_lag_s=lag_s,
                longest_late_s=longest_late_s,
                recids=recids,
                config=config,
                whole=chance.random() < 0.1,
            )
            told = {name: config[name] for name in ("transform", "package", "storage")}
            story.tell(f"seed {seed}, {sorted(kinds)}: {config['repository']['finish']}, {told}, index {lag_s} s late")
            story.tell(f"files are read from {redirects}")
            yield story
            outcome.counts["requests"] = len(proxy.log)
    finally:
        sandbox.stop()


def _live_through(story: Story) -> None:
    tampered = "tamper" in story.kinds
    for _ in range(story.chance.randint(1, 3)):
        story.disturb()
    story.settle(tampered=tampered)
    if tampered and story.chance.random() < 0.5:
        story.tell("at rest")
        story.tamper()
        story.settle(tampered=True)


def tell(seed: int, folder: Path, kinds: Sequence[str] = KINDS) -> Outcome:
    """Live through a seed in a new folder."""
    begun_s, cpu_before_s = time.monotonic(), cpu_s()
    with begun(seed, folder, frozenset(kinds)) as story:
        try:
            _live_through(story)
        except BrokenRule as broken:
            story.outcome.faults += broken.args[0]
    story.outcome.counts["seconds"] = round(time.monotonic() - begun_s)
    story.outcome.counts["CPU seconds"] = round(cpu_s() - cpu_before_s)
    return story.outcome


def main() -> int:
    """Live through one seed; return whether it was a good one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--folder", type=Path, help="new, or emptied; by default one that is made")
    parser.add_argument("--kinds", default=",".join(KINDS), help="what may happen")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix=f"seed-{options.seed}-"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    outcome = tell(options.seed, folder, options.kinds.split(","))
    print((folder / "story.txt").read_text(encoding="utf-8"), dict(outcome.counts), folder, sep="\n")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
