"""Which errors say that the service itself is in trouble."""

from __future__ import annotations

from neuralterm.domain.exceptions import (
    ModelUnavailableError,
    OpenRouterAPIError,
    RateLimitError,
    ServiceUnreachableError,
    StreamInterruptedError,
)

REQUEST_TIMEOUT = 408


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
