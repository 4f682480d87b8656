"""What is written down of services in trouble, and what follows from it. Needed only when something went wrong."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from neuralterm.application.faults import Verdict, asked_wait, verdict_on, was_reached
from neuralterm.domain.circuits import LONGEST_WAIT, Circuit, CircuitRules, RateLimit, after_failure
from neuralterm.domain.exceptions import CircuitOpenError
from neuralterm.domain.record import record

if TYPE_CHECKING:
    from neuralterm.infrastructure.shared_circuits import SharedCircuits

ASKED_TO_WAIT = "ASKED_TO_WAIT"
# What is to be remembered is not worth a longer wait for the database (seconds).
_PATIENCE_S = 0.25
# The scope of a service as a whole.
SERVICE = ""
MODEL_RULES = CircuitRules()
# Often it is the network of the user that was down: that is tried again soon.
SERVICE_RULES = CircuitRules(recovery=5.0)

_LOAD = """
    SELECT failures, first_failure, last_failure, opened_at, probe, probe_at
    FROM circuits WHERE service = ? AND model = ?
"""
_STORE = "INSERT OR REPLACE INTO circuits VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM circuits WHERE service = ? AND model = ?"
_LOAD_LIMIT = "SELECT asked_at, wait FROM rate_limits WHERE service = ? AND model = ?"
_STORE_LIMIT = "INSERT OR REPLACE INTO rate_limits VALUES (?, ?, ?, ?)"
_FORGET_LIMIT = "DELETE FROM rate_limits WHERE service = ? AND model = ?"


@record
class CircuitMemory:
    """What all processes know of a model, and of its service as a whole. Raises `StorageError`."""

    circuits: SharedCircuits
    model: str

    def admit(self, *, may_wait: bool) -> dict[str, float]:
        """Let a call through, or raise `CircuitOpenError`; return the scopes that it probes, and since when (Unix time).

        `may_wait` is what the error says of a circuit that is open. What the service asked for may always be waited for.
        """
        if not self._open_scopes(may_wait):
            return {}
        with self._writing():
            # Another process may have been quicker.
            scopes, now = self._open_scopes(may_wait), self._now()
            for scope, circuit in scopes:
                self._store(scope, circuit.probed(self.circuits.processes.me(), now))
        return {scope: now for scope, _ in scopes}

    def remember(self, error: BaseException | None, probes: Mapping[str, float], *, troubled: bool) -> float:
        """Write down how a request ended; return the seconds for which no other may be made because of failures.

        `probes` are those that the request was; `troubled` says whether there was anything to forget when it began.
        """
        verdict, seconds = verdict_on(error), asked_wait(error)
        is_news = verdict in (Verdict.FAILS, Verdict.UNREACHABLE) or (troubled and was_reached(error))
        if not (is_news or probes or seconds):
            return 0.0
        with self._writing():
            now = self._now()
            verdicts = {self.model: verdict, SERVICE: _on_service(error, verdict)}
            changed = [self._change(scope, verdicts[scope], probes.get(scope), now) for scope in verdicts]
            self._note_limit(RateLimit(now, min(seconds, LONGEST_WAIT)), now, answered=verdict is Verdict.ANSWERS)
        return max(self._wait(scope, circuit, now) for scope, circuit in zip(verdicts, changed, strict=True))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        database = self.circuits.database
        with database.patience(_PATIENCE_S), database.transaction():
            yield

    def _open_scopes(self, may_wait: bool) -> list[tuple[str, Circuit]]:
        """Return the circuits that only a probe may pass, and raise while not even that may."""
        now = self._now()
        known = {scope: self._load(scope) for scope in (self.model, SERVICE)}
        refusals = list(self._refusals(known.items(), may_wait, now))
        if refusals:
            raise max(refusals, key=lambda refusal: refusal.retry_after or 0.0)
        return [
            (scope, circuit)
            for scope, circuit in known.items()
            if circuit is not None and circuit.opened_at is not None and not self._is_forgotten(scope, circuit, now)
        ]

    def _refusals(
        self, known: Iterable[tuple[str, Circuit | None]], may_wait: bool, now: float
    ) -> Iterator[CircuitOpenError]:
        limit = self._load_limit()
        wait = limit.wait(now) if limit is not None else 0.0
        if wait:
            message = f"the service asked to be left alone with {self.model} for {_seconds(wait)} more"
            hint = "wait that long, or choose another model"
            yield CircuitOpenError(message, ASKED_TO_WAIT, retry_after=wait, may_wait=True, hint=hint)
        for scope, circuit in known:
            wait = self._wait(scope, circuit, now)
            if wait and circuit is not None:
                yield self._open_error(scope, circuit, wait, may_wait)

    def _open_error(self, scope: str, circuit: Circuit, wait: float, may_wait: bool) -> CircuitOpenError:
        if scope == SERVICE:
            what = f"{_host(self.circuits.service)} could not be reached {circuit.failures} times in a row"
            hint = "check the network connection and OPENROUTER_BASE_URL"
        else:
            what = f"{scope} failed {circuit.failures} times in a row"
            hint = "wait that long, or choose another model"
        message = f"{what} and is left alone for {_seconds(wait)} more"
        return CircuitOpenError(message, retry_after=wait, may_wait=may_wait, hint=hint)

    def _change(self, scope: str, verdict: Verdict, probe_since: float | None, now: float) -> Circuit | None:
        before = self._load(scope)
        after = self._after(scope, before, verdict, probe_since, now)
        if after != before:
            self._store(scope, after)
        return after

    def _after(
        self, scope: str, circuit: Circuit | None, verdict: Verdict, probe_since: float | None, now: float
    ) -> Circuit | None:
        if verdict is Verdict.FAILS:
            return after_failure(circuit, now, self._rules(scope))
        if circuit is None or self._is_forgotten(scope, circuit, now):
            return None
        if verdict is Verdict.ANSWERS:
            return circuit.succeeded(now, self._rules(scope))
        return circuit if probe_since is None else circuit.released(self.circuits.processes.me(), probe_since)

    def _wait(self, scope: str, circuit: Circuit | None, now: float) -> float:
        if circuit is None or self._is_forgotten(scope, circuit, now):
            return 0.0
        return circuit.wait(now, self._rules(scope), self.circuits.processes.may_live)

    def _is_forgotten(self, scope: str, circuit: Circuit, now: float) -> bool:
        return circuit.is_forgotten(now, self._rules(scope))

    def _rules(self, scope: str) -> CircuitRules:
        if scope == SERVICE:
            return self.circuits.service_rules or SERVICE_RULES
        return self.circuits.model_rules or MODEL_RULES

    def _now(self) -> float:
        """Return the Unix time, to the millisecond: what is stored compares equal to what was meant."""
        return math.floor(self.circuits.clock() * 1000) / 1000

    def _load(self, scope: str) -> Circuit | None:
        rows = self.circuits.database.query(_LOAD, (self.circuits.service, scope))
        if not rows:
            return None
        failures, first, last, opened_at, probe, probe_at = rows[0]
        return Circuit(failures, first / 1000, last / 1000, _from_ms(opened_at), probe, _from_ms(probe_at))

    def _store(self, scope: str, circuit: Circuit | None) -> None:
        key = (self.circuits.service, scope)
        if circuit is None:
            self.circuits.database.change(_FORGET, key)
            return
        times = (_to_ms(circuit.first_failure), _to_ms(circuit.last_failure), _to_ms(circuit.opened_at))
        values = (circuit.failures, *times, circuit.probe, _to_ms(circuit.probe_at))
        self.circuits.database.change(_STORE, (*key, *values))

    def _load_limit(self) -> RateLimit | None:
        rows = self.circuits.database.query(_LOAD_LIMIT, (self.circuits.service, self.model))
        return RateLimit(rows[0][0] / 1000, rows[0][1] / 1000) if rows else None

    def _note_limit(self, limit: RateLimit, now: float, *, answered: bool) -> None:
        """Keep the wait that ends later; after an answer forget one that is over."""
        before = self._load_limit()
        left = before.wait(now) if before is not None else 0.0
        key = (self.circuits.service, self.model)
        if limit.wait(now) > left:
            self.circuits.database.change(_STORE_LIMIT, (*key, _to_ms(now), math.ceil(limit.seconds * 1000)))
        elif answered and before is not None and not left:
            self.circuits.database.change(_FORGET_LIMIT, key)


def _on_service(error: BaseException | None, verdict: Verdict) -> Verdict:
    if verdict is Verdict.UNREACHABLE:
        return Verdict.FAILS
    return Verdict.ANSWERS if was_reached(error) else Verdict.NOTHING


def _host(service: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(service).netloc.rpartition("@")[2] or service


def _seconds(wait: float) -> str:
    return f"{math.ceil(wait):,} s"


def _to_ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _from_ms(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
