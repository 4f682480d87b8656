"""Many `send` processes at once, some of them killed, against the service that keeps its own bill; and what must hold then."""

import json
import os
import random
import signal
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from .money_service import BY_HOUR, BY_SIZE, CHEAP, DEAR, OTHER_CAP, THINKS, WITH_FEE, Behaviour

# Sixty-four processes share what cores there are.
LONGEST_S = 400

PICO = 10**12
KNOWN = ("billed", "reconciled", "computed")
FREE = "status = 'failed' AND cost IS 0"
_CODES = {400: 6, 402: 7, 429: 8, 503: 8}
_SIGNALLED = {signal.SIGINT: (130, -2), signal.SIGTERM: (143, -15), signal.SIGKILL: (-9,)}
_MODELS = (CHEAP, CHEAP, DEAR, BY_SIZE, BY_HOUR, WITH_FEE, OTHER_CAP, THINKS)


@dataclass(frozen=True)
class Job:
    """One invocation. A `signal` comes so many seconds `after` it was started, or after its request if it `waits`."""

    name: str
    model: str
    behaviour: Behaviour
    options: tuple = ()
    signal: int | None = None
    waits: bool = False
    after: float = 0.0

    def arguments(self):
        padding = "x" * 300 if self.model == BY_SIZE else "tell me"
        return ["send", "-m", self.model, *self.options, "--retry-for", "0", f"{self.name} {padding}"]

    def named(self, name):
        return replace(self, name=name)

    def plain(self, model, tokens):
        """The same without options, signal or trouble."""
        return Job(self.name, model, Behaviour(tokens=tokens))


@dataclass
class Outcome:
    job: Job
    code: int = 0
    err: str = ""
    interrupted: bool = False


def random_jobs(seed, count, options=()):
    """Jobs of all kinds, about a third of them killed at some moment. The same seed makes the same jobs."""
    rng = random.Random(seed)
    return [_random_job(rng, f"job-{number:02d}", options) for number in range(count)]


def _random_job(rng, name, options):
    job = Job(name, rng.choice(_MODELS), _random_behaviour(rng), tuple(options))
    if rng.random() < 0.35:
        signum = rng.choice(list(_SIGNALLED))
        slow = replace(job.behaviour, pause=0.01, in_one=rng.choice([1, 5]), status=200, gate=None)
        job = replace(job, behaviour=slow, signal=signum, waits=rng.random() < 0.7, after=rng.uniform(0.0, 0.6))
    if job.behaviour.ending == "silence":
        job = replace(job, options=(*job.options, "--idle-timeout", "2"))
    if rng.random() < 0.2 and job.behaviour.ending in ("stop", "cut"):
        job = replace(job, options=(*job.options, "--no-stream"))
    if rng.random() < 0.3:
        job = replace(job, options=(*job.options, "--max-tokens", str(rng.choice([16, 50, 200]))))
    if rng.random() < 0.5:
        job = replace(job, options=(*job.options, "--budget-wait", "0"))
    return job


def _random_behaviour(rng):
    in_full = rng.random() < 0.5
    kind = rng.choice(("quick", "quick", "capped", "capped", "slow", "refused", "error", "cut", "silence", "no cost"))
    if kind == "refused":
        return Behaviour(status=rng.choice(sorted(_CODES)))
    if kind == "quick":
        return Behaviour(tokens=rng.randint(1, 60), in_full=in_full)
    if kind == "slow":
        return Behaviour(tokens=rng.randint(20, 60), pause=0.01, in_one=2, in_full=in_full)
    if kind == "no cost":
        return Behaviour(tokens=rng.randint(1, 60), tells_cost=False)
    if kind == "capped":
        return Behaviour(in_full=in_full)
    return Behaviour(ending=kind, ends_after=rng.choice([0, 1, 30]), in_full=in_full)


def run_all(start, service, jobs):
    """Start all at once, send their signals, and return how they ended."""
    planned = {job.name: job.behaviour for job in jobs}
    service.behave = planned.__getitem__
    processes = [(job, start(*job.arguments())) for job in jobs]
    outcomes = [Outcome(job) for job in jobs]
    threads = [
        threading.Thread(target=_see_through, args=(service, process, outcome))
        for (_, process), outcome in zip(processes, outcomes, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    service.wait_until_idle()
    return outcomes


def _see_through(service, process, outcome):
    job = outcome.job
    if job.signal is not None:
        pause = threading.Event()
        while job.waits and process.poll() is None and not service.posts_of(job.name):
            pause.wait(0.02)
        pause.wait(job.after)
        if process.poll() is None:
            outcome.interrupted = True
            process.send_signal(job.signal)
    _, err = process.communicate(timeout=LONGEST_S)
    outcome.code, outcome.err = process.returncode, err.decode()


def assert_codes(service, outcomes):
    """Each invocation has ended as the contract says."""
    wrong = [
        (outcome.job, outcome.code, outcome.err)
        for outcome in outcomes
        if outcome.code not in _fitting_codes(service, outcome)
    ]
    assert wrong == []


def _fitting_codes(service, outcome):
    job, behaviour = outcome.job, outcome.job.behaviour
    ended = _SIGNALLED[job.signal] if outcome.interrupted else ()
    if not service.posts_of(job.name):
        # An interpreter that is interrupted before it runs anything of ours ends in its own way.
        return (4, *ended, *([1] if ended and outcome.err.endswith("KeyboardInterrupt\n") else []))
    if behaviour.status != 200:
        return (_CODES[behaviour.status], *ended)
    if behaviour.ending == "error" and behaviour.ends_after == 0:
        return (8, *ended)
    if "did not answer within" in outcome.err:
        return (8,)
    # Where a budget is used to the last token, the answer is stopped at its last token.
    if "the answer was stopped by a budget" in outcome.err:
        return (5,)
    if behaviour.ending != "stop":
        return (9, *ended)
    (charge,) = (charge for charge in service.bill.charges if charge.job == job.name)
    if charge.work.finish_reason != "length":
        return (0, *ended) if charge.work.finish_reason else ended
    return (5 if "budget: the answer is limited to" in outcome.err else 10, *ended)


class Books:
    """The ledger as it stands in the database, beside the bill."""

    def __init__(self, service, data_dir):
        self._service = service
        self._path = os.path.join(data_dir, "neuralterm.db")

    def calls(self, condition="true"):
        columns = "generation_id, status, source, cost, at_most, upstream"
        with closing(sqlite3.connect(self._path)) as connection:
            rows = connection.execute(f"SELECT {columns} FROM calls WHERE {condition}").fetchall()
        return [dict(zip(columns.split(", "), row, strict=True)) for row in rows]

    def assert_covering(self):
        """What is known and the upper bounds of the rest cover the bill: for each call, and so in all."""
        bill, calls = self._service.bill.by_id(), self.calls()
        for call in calls:
            if call["generation_id"] is not None:
                assert _at_most(call) >= pico(bill[call["generation_id"]]), call
        nameless = [call for call in calls if call["generation_id"] is None]
        named = {call["generation_id"] for call in calls}
        unclaimed = sum(pico(usd) for generation, usd in bill.items() if generation not in named)
        assert sum(map(_at_most, nameless)) >= unclaimed
        assert sum(map(_at_most, calls)) >= pico(self._service.bill.total())

    def assert_settled(self):
        """Where the generation is known the ledger is the bill to the last digit; the rest counts at its bound.

        What failed for free, or was given up before a byte of it was sent, cost nothing.
        """
        bill = self._service.bill.by_id()
        for call in self.calls():
            if call["generation_id"] is not None:
                assert call["source"] in KNOWN, call
                assert call["cost"] == pico(bill[call["generation_id"]]), call
            elif not (call["status"] in ("failed", "interrupted") and call["cost"] == 0):
                assert call["source"] == "unsettled", call
                assert call["cost"] is None, call
                assert call["at_most"] > 0, call

    def assert_each_generation_once(self):
        ids = [call["generation_id"] for call in self.calls("generation_id IS NOT NULL")]
        assert [each for each, count in Counter(ids).items() if count > 1] == []

    def assert_reported(self, report):
        """The sums of `cost --json` are those of the ledger and of the bill."""
        calls = self.calls(f"NOT ({FREE})")
        known = [call for call in calls if call["cost"] is not None]
        unsettled = [call for call in calls if call["cost"] is None]
        assert report["calls"] == len(calls)
        assert pico(report["total_usd"]) == sum(call["cost"] for call in known)
        assert pico(report["total_usd"]) == sum(map(pico, report["by_source"].values()))
        for source, usd in report["by_source"].items():
            assert pico(usd) == sum(call["cost"] for call in known if call["source"] == source)
        assert report["unsettled"]["calls"] == len(unsettled)
        assert pico(report["unsettled"]["at_most_usd"]) == sum(call["at_most"] for call in unsettled)
        named = {call["generation_id"] for call in calls}
        of_known = sum(pico(usd) for generation, usd in self._service.bill.by_id().items() if generation in named)
        assert pico(report["total_usd"]) == of_known


def pico(usd):
    """An amount in pico-dollars; it must not have a finer part."""
    amount = Decimal(usd) * PICO
    assert amount == int(amount), usd
    return int(amount)


def _at_most(call):
    if call["source"] in KNOWN:
        return call["cost"]
    assert call["at_most"] is not None, call
    return max(call["at_most"], call["cost"] or 0)


def zone_of_noon():
    """A time zone in which it is about noon, so that no day of a budget ends while a test runs."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}"


def settle(run, books, service, outcomes, *, wait="20"):
    """Check the books before and after asking the service what was left open; return the report."""
    assert_codes(service, outcomes)
    books.assert_covering()
    result = run("cost", "reconcile", "--wait", wait, "--json")
    assert result.code == 0, result.err
    books.assert_each_generation_once()
    books.assert_settled()
    books.assert_covering()
    report = json.loads(run("cost", "--json").out)
    books.assert_reported(report)
    posts, rows = len(service.posts), len(books.calls())
    lost = sum(1 for outcome in outcomes if outcome.interrupted)
    assert posts <= rows <= posts + lost
    return report
