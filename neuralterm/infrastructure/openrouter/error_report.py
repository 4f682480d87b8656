"""The error object of the service, in all the shapes it comes in, read into one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from neuralterm.domain.record import field, record
from neuralterm.domain.text import one_line, shortened
from neuralterm.infrastructure.openrouter.decoding import parse_clean_json

_LONGEST_MESSAGE = 500
_LARGEST_BODY = 4096
_TITLE = r"(?is)<title[^>]*>(.*?)</title>"
# What says nothing; the cause is in `metadata.raw` then.
_EMPTY_PHRASES = frozenset({"", "provider returned error", "error", "unknown error"})

# The status that a code or an error type stands for, where no number is given.
_STATUS_OF_NAME = {
    "invalid_request": 400,
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "token_limit_exceeded": 400,
    "model_not_found": 400,
    "authentication": 401,
    "payment_required": 402,
    "openrouter_in_flight_budget": 402,
    "in_flight_budget_exhausted": 402,
    "permission_denied": 403,
    "not_found": 404,
    "payload_too_large": 413,
    "unprocessable": 422,
    "rate_limit_exceeded": 429,
    "capacity_exhausted": 429,
    "server": 500,
    "server_error": 500,
    "provider_unavailable": 502,
    "provider_overloaded": 503,
    "temporarily_unavailable": 503,
    "timeout": 504,
}


@record
class ErrorReport:
    """One error of the service.

    `status` is the HTTP status, or inside a 200 what the error's own code stands for. `message` is one line without
    control characters. `names` are the error's type and code words. `body` is the raw body, cut at 4 KB.
    `is_api_answer` is False for web pages, empty bodies and the like, which did not come from the API itself.
    """

    status: int | None
    message: str
    names: frozenset[str] = frozenset()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    availability: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    is_api_answer: bool = True

    def says(self, *phrases: str) -> bool:
        """Say whether the message has one of these phrases, which are lower case."""
        message = self.message.lower()
        return any(phrase in message for phrase in phrases)


def report_from_body(status: int, headers: Mapping[str, str], body: bytes) -> ErrorReport:
    """Read the body of a reply with an error status."""
    shown = body[:_LARGEST_BODY].decode("utf-8", "replace")
    error = _error_object(body)
    if error is None:
        return ErrorReport(
            status, _message_without_error(status, body), headers=headers, body=shown, is_api_answer=False
        )
    return _report(error, status, headers, shown)


def report_from_object(error: object, headers: Mapping[str, str]) -> ErrorReport:
    """Read an `error` that came under HTTP 200; its own code plays the status."""
    if not isinstance(error, Mapping):
        error = {"message": error if isinstance(error, str) else ""}
    return _report(error, None, headers, None)


def excerpt(text: str, longest: int = _LONGEST_MESSAGE) -> str:
    """Return the text on one line, without control characters, at most `longest` characters of it."""
    return shortened("".join(character for character in one_line(text) if character.isprintable()), longest)


def _report(error: Mapping[str, Any], status: int | None, headers: Mapping[str, str], body: str | None) -> ErrorReport:
    metadata, availability = _mapping(error.get("metadata")), _mapping(error.get("availability"))
    sources = (error.get("error_type"), metadata.get("error_type"), error.get("type"), error.get("code"))
    names = [name for name in (*sources, availability.get("code")) if isinstance(name, str)]
    if status is None:
        status = _status_inside(error, names)
    return ErrorReport(
        status=status,
        message=excerpt(_message(error, metadata)) or _phrase(status),
        names=frozenset(names),
        metadata=metadata,
        availability=availability,
        headers=headers,
        body=body,
    )


def _error_object(body: bytes) -> Mapping[str, Any] | None:
    """Find the error in a body: `{"error": {...}}`, `{"error": "..."}`, bare metadata, or another server's shape."""
    try:
        value = parse_clean_json(body.strip())
    except ValueError:
        return None
    if not isinstance(value, Mapping):
        return None
    error = value.get("error")
    if isinstance(error, Mapping):
        return error
    if isinstance(error, str):
        return {**value, "message": error}
    if isinstance(value.get("metadata"), Mapping) or "message" in value:
        return value
    if "detail" in value:
        return {"message": _words(value["detail"])}
    return {"metadata": value} if "raw" in value else None


def _status_inside(error: Mapping[str, Any], names: list[str]) -> int | None:
    for value in (error.get("code"), error.get("http_status"), error.get("status")):
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 300 <= value < 600:
            return value
    return next((_STATUS_OF_NAME[name] for name in names if name in _STATUS_OF_NAME), None)


def _message(error: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    message = _words(error.get("message"))
    if message.strip().rstrip(".").lower() not in _EMPTY_PHRASES:
        return message
    cause = _words(metadata.get("raw"))
    if not cause:
        return message
    provider = metadata.get("provider_name")
    return f"{provider}: {cause}" if isinstance(provider, str) and provider else cause


def _words(value: object, depth: int = 4) -> str:
    """Dig the sentence for people out of a text, a JSON text, or an object with the usual keys."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and depth:
        try:
            return _words(parse_clean_json(value.encode()), depth - 1) or value
        except ValueError:
            return value
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and depth:
        return _words(value[0], depth - 1)
    if isinstance(value, Mapping) and depth:
        found = (_words(value.get(key), depth - 1) for key in ("message", "error", "detail", "msg", "type"))
        return next((words for words in found if words), "")
    return ""


def _message_without_error(status: int, body: bytes) -> str:
    text = body[:_LARGEST_BODY].decode("utf-8", "replace").strip()
    if not text.startswith("<"):
        return excerpt(text) or f"{_phrase(status)}, without a word of explanation"
    title = re.search(_TITLE, text)
    heading = excerpt(title.group(1), 100) if title else ""
    return f"{_phrase(status)}: a web page{f' ({heading})' if heading else ''} instead of an API answer"


def _phrase(status: int | None) -> str:
    if status is None:
        return "the service reported an error without saying which"
    from http import HTTPStatus

    try:
        return f"the service answered HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"the service answered HTTP {status}"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
