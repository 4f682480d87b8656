"""Which errors say that the service itself is in trouble, and which that it is not."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from neuralterm.application.ports import Breaker, Circuit
from neuralterm.domain.exceptions import (
    AuthenticationError,
    InsufficientCreditsError,
    ModelUnavailableError,
    OpenRouterAPIError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnreachableError,
    StreamInterruptedError,
    TokenLimitError,
)

REQUEST_TIMEOUT = 408
TOO_MANY_REQUESTS = 429

# With these the service said no, and so showed that it is there.
_ANSWERED = (AuthenticationError, InsufficientCreditsError, PermissionDeniedError, TokenLimitError)


class Verdict(Enum):
    """What the end of a request says about the service: it answers, it fails, nobody is there, or nothing."""

    ANSWERS = auto()
    FAILS = auto()
    UNREACHABLE = auto()
    NOTHING = auto()


def verdict_on(error: BaseException | None) -> Verdict:
    """Return what this end, None for the proper one, says about what was asked for."""
    if error is None or isinstance(error, _ANSWERED):
        return Verdict.ANSWERS
    if isinstance(error, ServiceUnreachableError) and not error.request_sent:
        return Verdict.UNREACHABLE
    return Verdict.FAILS if is_service_fault(error) else Verdict.NOTHING


def was_reached(error: BaseException | None) -> bool:
    """Say whether a request that ended so has shown that somebody is there, whatever was answered."""
    if isinstance(error, OpenRouterAPIError) and error.status_code is not None:
        return True
    return verdict_on(error) in (Verdict.ANSWERS, Verdict.FAILS)


def asked_wait(error: BaseException | None) -> float:
    """Return the seconds for which the service wants everybody to leave it alone; 0 when it did not ask for that.

    That goes with rate limits and overload. Credit that running requests reserve is free again when they end, and the limit
    of a day is a refusal, not a wait.
    """
    if not isinstance(error, OpenRouterAPIError) or error.retry_after is None or not error.retryable:
        return 0.0
    status = error.status_code or 0
    return max(error.retry_after, 0.0) if status == TOO_MANY_REQUESTS or status >= 500 else 0.0


def is_service_fault(error: BaseException) -> bool:
    """Tell whether an error is the service's own fault, so that asking again at once is of no use.

    A refusal (4xx), a rate limit, a budget and a cancellation are not.
    """
    if isinstance(error, ServiceUnreachableError | StreamInterruptedError):
        return True
    if isinstance(error, RateLimitError):
        return False
    if isinstance(error, ModelUnavailableError):
        return error.retryable
    if isinstance(error, OpenRouterAPIError):
        status = error.status_code
        return status is not None and (status >= 500 or status == REQUEST_TIMEOUT)
    return False


class BreakerCircuit:
    """The circuit that a breaker, or none, makes: the same for every model."""

    wait = 0.0

    def __init__(self, breaker: Breaker | None) -> None:
        self._breaker = breaker

    def check(self) -> None:
        """Raise `CircuitOpenError` while the service is not to be asked."""
        if self._breaker is not None:
            self._breaker.check()

    def record(self, error: BaseException | None) -> None:
        """Tell the breaker how a request ended, as far as that says anything about the service."""
        verdict = verdict_on(error)
        if self._breaker is None or verdict is Verdict.NOTHING:
            return
        if verdict is Verdict.ANSWERS:
            self._breaker.record_success()
        else:
            self._breaker.record_failure()


def circuits_of(breaker: Breaker | None) -> Callable[[str], Circuit]:
    """Return the circuits of a service that has one breaker, or none, for all its models."""
    return lambda _: BreakerCircuit(breaker)
