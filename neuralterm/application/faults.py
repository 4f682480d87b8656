"""Which errors say that the service itself is in trouble, and which that it is not."""

from __future__ import annotations

from neuralterm.application.ports import Breaker
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

# With these the service said no, and so showed that it is there.
_ANSWERED = (AuthenticationError, InsufficientCreditsError, PermissionDeniedError, TokenLimitError)


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


def record_outcome(breaker: Breaker, error: BaseException | None) -> None:
    """Tell the breaker how a request ended, as far as that says anything about the service; None is its proper end."""
    if error is None or isinstance(error, _ANSWERED):
        breaker.record_success()
    elif is_service_fault(error):
        breaker.record_failure()
