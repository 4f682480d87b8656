"""Everything that can go wrong, as one tree.

    NeuralTermError
    ├── ValidationError                  the input can't be used
    │   └── NotFoundError                what was named does not exist, or is not unique
    ├── ConfigurationError               a setting, the key or a file of ours can't be used
    ├── StorageError                     the local database refused
    │   └── MissingRecordError           ... because it does not hold what is to be changed
    ├── BudgetExceededError              a budget refused the call, or stopped its answer
    ├── CircuitOpenError                 not tried: the service failed too often just now, or asked to be left alone
    ├── StreamInterruptedError           the answer began and did not end
    │   └── StreamStalledError           ... because nothing came for too long
    └── OpenRouterAPIError               the service said no, or could not be asked
        ├── AuthenticationError          401
        ├── InsufficientCreditsError     402, and a key that has reached its own limit
        │   └── OutputCapTooLargeError   402 that a lower output cap may avoid
        ├── PermissionDeniedError        403
        │   └── ModerationError          403 with reasons: the input was flagged
        ├── TokenLimitError              400 (413): longer than the model's context window
        ├── RateLimitError               429
        ├── ModelUnavailableError        404, 502, 503, 529: nobody serves this model (now)
        └── ServiceUnreachableError      no answer came at all

Each class carries a stable `code` for scripts and may carry a `hint`: the next step, one sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


class NeuralTermError(Exception):
    """Root of the tree. `str(error)` is one sentence for a person; `code` is for programs.

    `unknown_model` is the id that was asked for where the reason is that nobody knows it, else None.
    """

    default_code = "ERROR"
    unknown_model: str | None = None

    def __init__(self, message: str, code: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint


class ValidationError(NeuralTermError):
    """The input can't be used as it is; nothing was sent."""

    default_code = "INVALID_INPUT"


class NotFoundError(ValidationError):
    """What was named does not exist here, or the name fits more than one."""

    default_code = "NOT_FOUND"


class ConfigurationError(NeuralTermError):
    """A setting, the key or one of our own files can't be used; nothing was sent."""

    default_code = "CONFIGURATION"


class StorageError(NeuralTermError):
    """The local database can't be read or written."""

    default_code = "STORAGE"


class MissingRecordError(StorageError):
    """What is to be changed is not in the database: it was deleted, or the database is another one."""

    default_code = "MISSING_RECORD"


class BudgetExceededError(NeuralTermError):
    """A budget refused the call before any request, or stopped its answer.

    `mid_answer` tells the two apart. `limit_usd` and `spent_usd` are None where they are not known. Never retried.
    """

    default_code = "BUDGET_EXCEEDED"

    def __init__(
        self,
        message: str,
        code: str | None = None,
        *,
        limit_usd: Decimal | None = None,
        spent_usd: Decimal | None = None,
        mid_answer: bool = False,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, code, hint=hint)
        self.limit_usd = limit_usd
        self.spent_usd = spent_usd
        self.mid_answer = mid_answer


class CircuitOpenError(NeuralTermError):
    """The service failed too often just now, or has asked to be left alone (`ASKED_TO_WAIT`), so it was not asked.

    `retry_after`: seconds until it may be asked again. `may_wait`: whether this call may wait so long and then try.
    """

    default_code = "CIRCUIT_OPEN"

    def __init__(
        self,
        message: str,
        code: str | None = None,
        *,
        retry_after: float | None = None,
        may_wait: bool = False,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, code, hint=hint)
        self.retry_after = retry_after
        self.may_wait = may_wait


class StreamInterruptedError(NeuralTermError):
    """The answer began and did not end: the connection broke, or an error arrived in the middle.

    `retry_after` is always None: what was delivered would be bought again.
    """

    default_code = "STREAM_INTERRUPTED"


class StreamStalledError(StreamInterruptedError):
    """Nothing came for longer than the idle timeout, no piece of the answer for five times as long, or the whole answer
    took longer than its timeout.
    """

    default_code = "STREAM_STALLED"


class OpenRouterAPIError(NeuralTermError):
    """The service refused or failed. `status_code` is the HTTP status, or the code inside a 200, or None.

    `response_body` is the raw body, at most a few kilobytes of it. `retryable` says whether the same request may
    succeed later; `retry_after` is the wait in seconds that the service asked for, or None.
    """

    default_code = "API_ERROR"
    default_retryable = False

    def __init__(
        self,
        message: str,
        status_code: int | None = None,
        response_body: str | None = None,
        *,
        code: str | None = None,
        hint: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code, hint=hint)
        self.status_code = status_code
        self.response_body = response_body
        self.retryable = self.default_retryable if retryable is None else retryable
        self.retry_after = retry_after


class AuthenticationError(OpenRouterAPIError):
    """The key is missing or not accepted."""

    default_code = "AUTHENTICATION"


class InsufficientCreditsError(OpenRouterAPIError):
    """No credit left at the service, or, with the code `KEY_LIMIT`, the key's own limit is reached."""

    default_code = "INSUFFICIENT_CREDITS"


class OutputCapTooLargeError(InsufficientCreditsError):
    """The credit that is left does not pay for the longest answer that the request allows.

    `affordable_tokens` is the output cap that it would pay for, None when the service did not say.
    """

    default_code = "OUTPUT_CAP_TOO_LARGE"

    def __init__(
        self,
        message: str,
        status_code: int | None = 402,
        response_body: str | None = None,
        *,
        affordable_tokens: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, status_code, response_body, hint=hint)
        self.affordable_tokens = affordable_tokens


class PermissionDeniedError(OpenRouterAPIError):
    """The key, the account or the region may not do this."""

    default_code = "PERMISSION_DENIED"


class ModerationError(PermissionDeniedError):
    """The input was flagged. `reasons` are the service's; the flagged text itself is not kept."""

    default_code = "MODERATION"

    def __init__(
        self,
        message: str,
        status_code: int | None = 403,
        response_body: str | None = None,
        *,
        reasons: tuple[str, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, status_code, response_body, hint=hint)
        self.reasons = reasons


class TokenLimitError(OpenRouterAPIError):
    """The input is longer than the model's context window, found here or said by the service."""

    default_code = "CONTEXT_LENGTH"


class RateLimitError(OpenRouterAPIError):
    """Too many requests. `retry_after`: seconds, or None when the service gave no hint."""

    default_code = "RATE_LIMITED"
    default_retryable = True

    def __init__(
        self,
        message: str = "the service limits the rate of requests",
        status_code: int | None = 429,
        response_body: str | None = None,
        *,
        retry_after: float | None = None,
        hint: str | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message, status_code, response_body, hint=hint, retryable=retryable, retry_after=retry_after)


class ModelUnavailableError(OpenRouterAPIError):
    """Nobody serves this model: not at all (404, final) or not now (502, 503, 529, retryable)."""

    default_code = "MODEL_UNAVAILABLE"

    def __init__(
        self,
        message: str = "the model is not available",
        status_code: int | None = 503,
        response_body: str | None = None,
        *,
        model_id: str | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
        retryable: bool | None = None,
    ) -> None:
        if retryable is None:
            retryable = status_code != 404
        super().__init__(message, status_code, response_body, hint=hint, retryable=retryable, retry_after=retry_after)
        self.model_id = model_id


class ServiceUnreachableError(OpenRouterAPIError):
    """No answer came: the name did not resolve, the connection failed, or it ended before a status line.

    `request_sent` tells whether the request may have reached the service (and so may have been charged).
    """

    default_code = "UNREACHABLE"
    default_retryable = True

    def __init__(self, message: str, *, request_sent: bool = False, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, retryable=not request_sent)
        self.request_sent = request_sent
