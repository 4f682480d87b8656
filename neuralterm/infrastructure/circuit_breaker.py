"""A circuit breaker: a service that failed several times in a row is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from threading import Lock

from neuralterm.application.faults import is_service_fault
from neuralterm.domain.exceptions import CircuitOpenError


class CircuitState(str, Enum):
    """Closed: calls pass. Open: calls are refused. Half-open: one call passes as a probe, the others are refused."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitBreaker:
    """Opens after `failure_threshold` failures in a row and lets a probe through `recovery_timeout` seconds later.

    The probe's outcome closes the circuit or opens it anew. A probe without an outcome gives way to another one after
    a further `recovery_timeout`. Thread-safe. `clock` returns seconds that never go back.
    """

    def __init__(
        self,
        failure_threshold: int = 5,
        recovery_timeout: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failure_threshold = failure_threshold
        self._recovery_timeout = recovery_timeout
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._opened_at: float | None = None
        self._probe: object | None = None
        self._probe_started_at = 0.0

    @property
    def state(self) -> CircuitState:
        """The state at this moment."""
        with self._lock:
            return self._state(self._clock())

    def check(self) -> None:
        """Return if a call may be made; in the half-open state the caller becomes the probe.

        Raises `CircuitOpenError`, with the seconds until the next probe, if not.
        """
        self._admit()

    def record_success(self) -> None:
        """Take note that a call succeeded. While the circuit is open this is late news and changes nothing."""
        with self._lock:
            if self._state(self._clock()) is not CircuitState.OPEN:
                self._failures = 0
                self._opened_at = self._probe = None

    def record_failure(self) -> None:
        """Take note that a call failed through a fault of the service."""
        with self._lock:
            now = self._clock()
            state = self._state(now)
            self._failures += 1
            if state is CircuitState.HALF_OPEN or (
                state is CircuitState.CLOSED and self._failures >= self._failure_threshold
            ):
                self._opened_at = now
                self._probe = None

    def release(self) -> None:
        """Give the probe back without an outcome, so that the next caller may probe."""
        with self._lock:
            self._probe = None

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Check on entry and record what becomes of the block, which may well be the whole life of a stream.

        A fault of the service counts as a failure. A refusal, a cancellation and a closed consumer tell nothing about the
        service: they count as neither, and give the probe back.
        """
        probe = self._admit()
        try:
            yield
        except BaseException as error:
            if is_service_fault(error):
                self.record_failure()
            else:
                self._give_back(probe)
            raise
        self.record_success()

    def _admit(self) -> object | None:
        with self._lock:
            now = self._clock()
            state = self._state(now)
            if state is CircuitState.CLOSED:
                return None
            waiting_since = self._opened_at if state is CircuitState.OPEN else self._probe_since(now)
            if waiting_since is not None:
                wait = waiting_since + self._recovery_timeout - now
                raise CircuitOpenError(
                    f"the service failed {self._failures} times in a row and is left alone for {wait:.0f} s more",
                    retry_after=wait,
                )
            self._probe = object()
            self._probe_started_at = now
            return self._probe

    def _give_back(self, probe: object | None) -> None:
        with self._lock:
            if probe is self._probe:
                self._probe = None

    def _state(self, now: float) -> CircuitState:
        if self._opened_at is None:
            return CircuitState.CLOSED
        waited = now - self._opened_at >= self._recovery_timeout
        return CircuitState.HALF_OPEN if waited else CircuitState.OPEN

    def _probe_since(self, now: float) -> float | None:
        """Return when the running probe began; None when there is none, or it is given up."""
        if self._probe is None or now - self._probe_started_at >= self._recovery_timeout:
            return None
        return self._probe_started_at
