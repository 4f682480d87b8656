"""Which exception an error of the service becomes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from neuralterm.domain.exceptions import (
    AuthenticationError,
    InsufficientCreditsError,
    ModelUnavailableError,
    ModerationError,
    OpenRouterAPIError,
    OutputCapTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    TokenLimitError,
)
from neuralterm.infrastructure.openrouter.error_report import (
    ErrorReport,
    excerpt,
    report_from_body,
    report_from_object,
)
from neuralterm.infrastructure.openrouter.retry_after import retry_after

_CONTEXT_NAMES = frozenset({"context_length_exceeded", "token_limit_exceeded"})
# A 400 that merely mentions tokens (a bad `max_tokens`, a malformed token) is not about the context window.
_NOT_A_MODEL = r"(\S+) is not a valid model"
_CONTEXT_WORDS = (
    r"(?i)context[ _](?:length|window|size|limit)|prompt is too long|input is too long|input token count[^.]* exceeds"
    r"|exceeds?[^.]* maximum (?:number of )?(?:input )?tokens allowed"
)
# Twelve digits are more tokens than anything has; a longer number is no number of tokens.
_AFFORDABLE = r"(?i)can only afford (?:up to )?(-?[0-9][0-9,]{0,15})(?![0-9,]*[0-9])"
_TIMEOUTS = (408, 504, 524)
_UNAVAILABLE = (502, 503, 529)
# What a server or a network can't do today, it can't do in a minute either.
_LASTING = (501, 505, 506, 508, 510, 511)
CHECK_BASE_URL = "check OPENROUTER_BASE_URL: this does not look like the API"


def error_from_response(
    status: int, headers: Mapping[str, str], body: bytes, model: str | None, *, now: float
) -> OpenRouterAPIError:
    """Return the exception for a reply with an error status.

    `model` is the model that was asked for, None when the request was not about one; `now` is the Unix time.
    """
    return _exception(report_from_body(status, headers, body), model, now)


@contextmanager
def said_where_missing(what: str) -> Iterator[None]:
    """Say which part of the API a server lacks, where it answers HTTP 404: its own words may be `not found` only."""
    try:
        yield
    except OpenRouterAPIError as error:
        if error.status_code != 404:
            raise
        message = f"the server has no {what} (HTTP 404): {error.message}"
        raise OpenRouterAPIError(
            message, 404, error.response_body, code=error.code, hint=error.hint, retryable=error.retryable
        ) from error


def error_from_object(
    error: object, headers: Mapping[str, str], model: str | None, *, now: float
) -> OpenRouterAPIError:
    """Return the exception for an `error` that came under HTTP 200: its own code plays the status."""
    return _exception(report_from_object(error, headers), model, now)


def _exception(report: ErrorReport, model: str | None, now: float) -> OpenRouterAPIError:
    error = _by_status(report, model)
    error.retry_after = retry_after(report, now)
    retryable = report.availability.get("retryable")
    if isinstance(retryable, bool):
        error.retryable = retryable
    instead = report.availability.get("fallback_models")
    if isinstance(instead, list) and instead:
        error.hint = "models that may serve instead: " + excerpt(", ".join(map(str, instead[:5])))
    return error


def _by_status(report: ErrorReport, model: str | None) -> OpenRouterAPIError:
    status, message, body = report.status, report.message, report.body
    if status in (400, 403) and _is_moderation(report):
        return _moderation(report)
    if status == 400:
        return _bad_request(report, model)
    if status == 401:
        hint = "set OPENROUTER_API_KEY to a valid key; the service makes them under Settings > Keys"
        return AuthenticationError(message, status, body, hint=hint)
    if status == 402:
        return _payment(report)
    if status == 403:
        return _forbidden(report)
    if status == 404 and model is not None and report.is_api_answer:
        hint = "`neuralterm models` lists what is there; routing and privacy settings may exclude every provider"
        unavailable = ModelUnavailableError(message, status, body, model_id=model, hint=hint, retryable=False)
        unavailable.unknown_model = model
        return unavailable
    if status == 429:
        return _rate_limit(report)
    if status in _UNAVAILABLE and model is not None:
        hint = "try again later, or another model"
        return ModelUnavailableError(message, status, body, model_id=model, hint=hint)
    return _other(report)


def _other(report: ErrorReport) -> OpenRouterAPIError:
    status, code, hint = report.status, None, None
    retryable = status is not None and status not in _LASTING and (status >= 500 or status in _TIMEOUTS)
    if status in _TIMEOUTS:
        code, hint = "TIMEOUT", "the provider was too slow; try again"
    elif status == 500:
        code, hint = "SERVER", "a fault at the service; try again"
    elif status == 413:
        hint = "send less: shorten the prompt, or attach smaller files"
    elif not report.is_api_answer and not retryable:
        hint = CHECK_BASE_URL
    return OpenRouterAPIError(report.message, status, report.body, code=code, hint=hint, retryable=retryable)


def _bad_request(report: ErrorReport, model: str | None) -> OpenRouterAPIError:
    if report.names & _CONTEXT_NAMES or re.search(_CONTEXT_WORDS, report.message):
        hint = "shorten the input, lower --max-tokens, or choose a model with a larger context window"
        return TokenLimitError(report.message, report.status, report.body, hint=hint)
    unknown_model = "model_not_found" in report.names or report.says("not a valid model")
    listing = "`neuralterm models` lists the models there are" if unknown_model else None
    error = OpenRouterAPIError(report.message, report.status, report.body, hint=listing)
    error.unknown_model = _unknown_one(report, model) if unknown_model else None
    return error


def _unknown_one(report: ErrorReport, model: str | None) -> str | None:
    """Return which model the service does not know: the one it names, which may be a fallback, or the one asked."""
    named = re.match(_NOT_A_MODEL, report.message)
    return named[1] if named else model


def _payment(report: ErrorReport) -> OpenRouterAPIError:
    if _is_in_flight(report):
        hint = "requests that are still running reserve credit; wait for them, or run fewer at once"
        return RateLimitError(report.message, report.status, report.body, hint=hint, retryable=True)
    if report.says("prompt tokens limit"):
        hint = "shorten the input, or add credit in the account settings of the service"
        return InsufficientCreditsError(report.message, report.status, report.body, hint=hint)
    if report.says("can only afford", "fewer max_tokens"):
        hint = "lower --max-tokens, or add credit in the account settings of the service"
        affordable = _affordable_tokens(report.message)
        return OutputCapTooLargeError(
            report.message, report.status, report.body, affordable_tokens=affordable, hint=hint
        )
    if _is_key_limit(report):
        return _key_limit(report)
    hint = "add credit in the account settings of the service"
    return InsufficientCreditsError(report.message, report.status, report.body, hint=hint)


def _is_in_flight(report: ErrorReport) -> bool:
    metadata = report.metadata
    words = (metadata.get("reason"), metadata.get("limit_source"), metadata.get("code"), *report.names, report.body)
    return any("in_flight_budget" in str(word) for word in words)


def _affordable_tokens(message: str) -> int | None:
    """Return the N of "can only afford N": digits, perhaps in groups of three; less than nothing is nothing."""
    found = re.search(_AFFORDABLE, message)
    return None if found is None else max(0, int(found[1].replace(",", "")))


def _is_key_limit(report: ErrorReport) -> bool:
    return report.says("key limit exceeded") or report.metadata.get("limit_source") == "openrouter_key_limit"


def _key_limit(report: ErrorReport) -> InsufficientCreditsError:
    hint = "raise the limit of this key in the settings of the service, or use another key"
    return InsufficientCreditsError(report.message, report.status, report.body, code="KEY_LIMIT", hint=hint)


def _forbidden(report: ErrorReport) -> OpenRouterAPIError:
    if _is_key_limit(report):
        return _key_limit(report)
    hint = "the key, the account or its guardrails do not allow this; see the settings of the service"
    return PermissionDeniedError(report.message, report.status, report.body, hint=hint)


def _rate_limit(report: ErrorReport) -> RateLimitError:
    daily = report.metadata.get("limit_source") == "openrouter_free_tier_daily" or report.says("per-day")
    remedy = report.metadata.get("remedy_hint")
    hint = excerpt(remedy) if isinstance(remedy, str) and remedy else "wait a little and try again"
    return RateLimitError(report.message, report.status, report.body, hint=hint, retryable=False if daily else None)


def _is_moderation(report: ErrorReport) -> bool:
    return isinstance(report.metadata.get("reasons"), list) or "flagged_input" in report.metadata


def _moderation(report: ErrorReport) -> ModerationError:
    """Leave out the body and the flagged input, which repeats what the user wrote."""
    flagged, message = report.metadata.get("flagged_input"), report.message
    if isinstance(flagged, str) and excerpt(flagged):
        message = message.replace(excerpt(flagged), "…")
    reasons = report.metadata.get("reasons")
    return ModerationError(
        message,
        report.status,
        reasons=tuple(excerpt(str(reason), 100) for reason in reasons) if isinstance(reasons, list) else (),
        hint="rephrase the input, or choose a model without this moderation",
    )
