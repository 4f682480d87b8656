"""How long a service that fails is left alone. Times are in seconds of any one clock, and come from outside."""

from __future__ import annotations

from collections.abc import Callable

from neuralterm.domain.record import record, replace

# A stored time that lies further ahead than this was written before the clock was set back, and tells nothing.
_SKEW = 2.0
# Nobody is kept waiting for longer, whatever the service asked for.
LONGEST_WAIT = 3600.0
# What is left of a wait is forgiven from here on: two clocks never agree to the millisecond.
_FORGIVEN = 0.1


@record
class CircuitRules:
    """When a circuit opens and for how long.

    It opens after `threshold` failures in a row, the first and the last at least `span` seconds apart: many processes that
    fail in the same moment have seen one failure. `recovery` seconds later one call may probe, and for as long it is waited
    for. Failures older than `memory` seconds are forgotten.
    """

    threshold: int = 5
    span: float = 3.0
    recovery: float = 30.0
    memory: float = 600.0


@record
class Circuit:
    """What is known of something that failed.

    `opened_at` is None while calls pass; `probe` names the process that tries whether it works again.
    """

    failures: int
    first_failure: float
    last_failure: float
    opened_at: float | None = None
    probe: str | None = None
    probe_at: float | None = None

    def is_forgotten(self, now: float, rules: CircuitRules) -> bool:
        """Say whether it is so long ago that it tells nothing about now."""
        return not -_SKEW <= now - self.last_failure <= rules.memory

    def wait(self, now: float, rules: CircuitRules, may_live: Callable[[str], bool]) -> float:
        """Return the seconds until the next call may pass, 0 when it may now; `may_live` tells of the probe's process."""
        if self.opened_at is None:
            return 0.0
        left = _left(self.opened_at, rules.recovery, now)
        if left > 0 or self.probe is None or self.probe_at is None:
            return left
        left = _left(self.probe_at, rules.recovery, now)
        return left if left > 0 and may_live(self.probe) else 0.0

    def probed(self, process: str, now: float) -> Circuit:
        """Return it with a probe under way."""
        return replace(self, probe=process, probe_at=now)

    def released(self, process: str, since: float) -> Circuit:
        """Return it without the probe that this process began then, if it is still that one."""
        mine = (self.probe, self.probe_at) == (process, since)
        return replace(self, probe=None, probe_at=None) if mine else self

    def failed(self, now: float, rules: CircuitRules) -> Circuit:
        """Return it after one more failure; it opens anew when a probe was due."""
        more = replace(self, failures=self.failures + 1, last_failure=now)
        if self.opened_at is None:
            opens = more.failures >= rules.threshold and now - self.first_failure >= rules.span
        else:
            opens = _left(self.opened_at, rules.recovery, now) <= 0
        return replace(more, opened_at=now, probe=None, probe_at=None) if opens else more

    def succeeded(self, now: float, rules: CircuitRules) -> Circuit | None:
        """Return it after a success: None, for all is well, but while it is open that is late news."""
        is_open = self.opened_at is not None and _left(self.opened_at, rules.recovery, now) > 0
        return self if is_open else None


@record
class RateLimit:
    """The service asked, at `asked_at`, to be left alone for `seconds`."""

    asked_at: float
    seconds: float

    def wait(self, now: float) -> float:
        """Return the seconds that are left of it."""
        left = _left(self.asked_at, min(self.seconds, LONGEST_WAIT), now)
        return left if left > _FORGIVEN else 0.0


def after_failure(circuit: Circuit | None, now: float, rules: CircuitRules) -> Circuit:
    """Return what is known after a failure."""
    if circuit is None or circuit.is_forgotten(now, rules):
        circuit = Circuit(failures=0, first_failure=now, last_failure=now)
    return circuit.failed(now, rules)


def _left(since: float, seconds: float, now: float) -> float:
    age = now - since
    return 0.0 if age < -_SKEW else min(max(seconds - age, 0.0), seconds)
