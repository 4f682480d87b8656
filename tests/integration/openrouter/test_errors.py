import json

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

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
from neuralterm.infrastructure.openrouter import OpenRouterClient
from neuralterm.infrastructure.openrouter.errors import error_from_object, error_from_response

from .wire_doubles import CHAT_URL, HELLO, failure_of

NOW = 1_790_000_000.0


def error_of(status, body=None, headers=None, model="acme/large", **error):
    if body is None:
        body = json.dumps({"error": {"message": "some words", "code": status, **error}}).encode()
    return error_from_response(status, headers or {}, body, model, now=NOW)


async def refused(status, **response):
    with respx.mock as router:
        router.post(CHAT_URL).mock(return_value=httpx.Response(status, **response))
        async with OpenRouterClient("key") as client:
            items, error = await failure_of(client.chat_completion_stream(HELLO, "acme/large"), OpenRouterAPIError)
    assert items == []
    return error


@pytest.mark.anyio
async def test_rate_limit_error_raised_on_429():
    error = await refused(429, json={"error": {"code": 429, "message": "slow down"}}, headers={"Retry-After": "12"})
    assert type(error) is RateLimitError
    assert (error.message, error.status_code, error.retry_after, error.retryable) == ("slow down", 429, 12.0, True)


@pytest.mark.anyio
async def test_model_unavailable_error_on_503():
    error = await refused(503, json={"error": {"code": 503, "message": "overloaded"}})
    assert type(error) is ModelUnavailableError
    assert (error.model_id, error.status_code, error.retryable, error.retry_after) == ("acme/large", 503, True, None)


@pytest.mark.anyio
async def test_token_limit_error_on_400_context():
    words = "This endpoint's maximum context length is 8192 tokens. However, you requested about 9000 tokens."
    error = await refused(400, json={"error": {"code": 400, "message": words}})
    assert type(error) is TokenLimitError
    assert (error.message, error.status_code, error.retryable) == (words, 400, False)


@pytest.mark.anyio
async def test_a_redirect_is_an_error_that_says_so():
    error = await refused(307, headers={"Location": "https://elsewhere.example/api?key"})
    assert "redirects (HTTP 307) to https://elsewhere.example/api?key" in error.message
    assert not error.retryable


@pytest.mark.parametrize(
    ("status", "kind", "code", "retryable"),
    [
        (400, OpenRouterAPIError, "API_ERROR", False),
        (401, AuthenticationError, "AUTHENTICATION", False),
        (402, InsufficientCreditsError, "INSUFFICIENT_CREDITS", False),
        (403, PermissionDeniedError, "PERMISSION_DENIED", False),
        (404, ModelUnavailableError, "MODEL_UNAVAILABLE", False),
        (405, OpenRouterAPIError, "API_ERROR", False),
        (408, OpenRouterAPIError, "TIMEOUT", True),
        (412, OpenRouterAPIError, "API_ERROR", False),
        (413, OpenRouterAPIError, "API_ERROR", False),
        (422, OpenRouterAPIError, "API_ERROR", False),
        (429, RateLimitError, "RATE_LIMITED", True),
        (500, OpenRouterAPIError, "SERVER", True),
        (501, OpenRouterAPIError, "API_ERROR", False),
        (502, ModelUnavailableError, "MODEL_UNAVAILABLE", True),
        (503, ModelUnavailableError, "MODEL_UNAVAILABLE", True),
        (504, OpenRouterAPIError, "TIMEOUT", True),
        (520, OpenRouterAPIError, "API_ERROR", True),
        (524, OpenRouterAPIError, "TIMEOUT", True),
        (529, ModelUnavailableError, "MODEL_UNAVAILABLE", True),
    ],
)
def test_status(status, kind, code, retryable):
    for error in (
        error_of(status),
        error_from_object({"code": status, "message": "some words"}, {}, "acme/large", now=NOW),
        error_from_object({"code": str(status), "message": "some words"}, {}, "acme/large", now=NOW),
        error_from_object({"http_status": status, "message": "some words"}, {}, "acme/large", now=NOW),
    ):
        assert type(error) is kind
        assert (error.message, error.status_code, error.code, error.retryable) == (
            "some words",
            status,
            code,
            retryable,
        )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error_type": "context_length_exceeded"}, TokenLimitError),
        ({"metadata": {"error_type": "token_limit_exceeded"}}, TokenLimitError),
        ({"code": "context_length_exceeded"}, TokenLimitError),
        ({"message": "prompt is too long: 215000 tokens > 200000 maximum"}, TokenLimitError),
        (
            {"message": "Provider returned error", "metadata": {"raw": '{"error":{"message":"context window"}}'}},
            TokenLimitError,
        ),
        ({"message": "The input token count (9) exceeds the maximum number of tokens allowed (8)"}, TokenLimitError),
        ({"message": "Invalid token in JSON"}, OpenRouterAPIError),
        ({"message": "max_tokens is too large: 99999"}, OpenRouterAPIError),
        ({"message": "Token limit reached"}, OpenRouterAPIError),
    ],
)
def test_which_400_is_about_the_context_window(error, kind):
    assert type(error_of(400, **error)) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("rate_limit_exceeded", RateLimitError),
        ("server_error", OpenRouterAPIError),
        ("payment_required", InsufficientCreditsError),
    ],
)
def test_a_word_plays_the_status_inside_a_200(code, kind):
    assert type(error_from_object({"code": code, "message": "x"}, {}, "m", now=NOW)) is kind


def test_an_error_inside_a_200_without_any_code():
    for thing in ({"code": None, "message": "x"}, "x", {"message": "x", "code": True}):
        error = error_from_object(thing, {}, "m", now=NOW)
        assert (type(error), error.message, error.status_code, error.retryable) == (
            OpenRouterAPIError,
            "x",
            None,
            False,
        )


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("upstream is busy", "Acme: upstream is busy"),
        ('{"error":{"message":"no workers","code":"x"}}', "Acme: no workers"),
        ({"error": {"type": "Busy", "message": "no workers"}}, "Acme: no workers"),
        ({"detail": [{"msg": "bad field"}]}, "Acme: bad field"),
        ("{not json", "Acme: {not json"),
        (None, "Provider returned error"),
    ],
)
def test_the_cause_replaces_an_empty_phrase(raw, expected):
    error = error_of(503, message="Provider returned error", metadata={"raw": raw, "provider_name": "Acme"})
    assert error.message == expected


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "HTTP 502"),
        (b"<!DOCTYPE html><html><title>acme.example | 502: Bad\n gateway</title>", "502: Bad gateway"),
        (b"upstream connect error", "upstream connect error"),
        (b'{"error":"plain words"}', "plain words"),
        (b'{"message":"at the top","code":1}', "at the top"),
        (b'{"detail":"of another server"}', "of another server"),
        (b'{"raw":{"error":{"message":"no workers"}},"provider_name":"Acme"}', "Acme: no workers"),
        (b'{"error":{}}', "HTTP 502 Bad Gateway"),
        (b"[]", "[]"),
        (b"null", "null"),
        (b'\n  {"error":{"message":"padded"}}', "padded"),
    ],
)
def test_bodies_of_all_shapes(body, words):
    error = error_of(502, body)
    assert words in error.message
    assert error.retryable


def test_a_404_that_is_not_from_the_api_is_about_the_address():
    for error in (error_of(404, b"<html>nginx</html>"), error_of(404, model=None)):
        assert type(error) is OpenRouterAPIError
        assert not error.retryable
    assert "OPENROUTER_BASE_URL" in error_of(404, b"<html>nginx</html>").hint


def test_messages_are_one_clean_line_and_bodies_are_capped():
    error = error_of(500, message="a\r\nb\x1b[2Jc\x07\u202e\u2028d " + "x" * 1000, metadata={"raw": "y" * 9000})
    assert error.message.startswith("a b[2Jc d xxx")
    assert len(error.message) == 500
    assert len(error.response_body) == 4096


@given(status=st.integers(300, 599), body=st.binary(max_size=80))
def test_any_body_becomes_an_error(status, body):
    error = error_of(status, body)
    assert error.message
    assert error.message.isprintable()
    assert error.status_code == status


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "code", "message", "metadata", "raw", "headers", "availability", "retryable", "retry_after"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(status=st.sampled_from([400, 402, 403, 404, 429, 500, 503]), error=JSON)
def test_any_json_becomes_an_error(status, error):
    assert error_of(status, json.dumps({"error": error}).encode()).message
    assert error_from_object(error, {}, "m", now=NOW).message


@pytest.mark.parametrize(
    ("headers", "error", "expected"),
    [
        ({}, {}, None),
        ({"retry-after": "3"}, {}, 3.0),
        ({"Retry-After": "1.5"}, {}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, {}, 0.25),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:50 GMT"}, {}, 30.0),
        ({"retry-after": "Mon, 21 Sep 2020 13:33:50 GMT"}, {}, 0.0),
        ({"retry-after": "soon"}, {}, None),
        ({"retry-after": "-5"}, {}, None),
        ({"retry-after": "nan"}, {}, None),
        ({"retry-after": "inf"}, {}, None),
        ({}, {"metadata": {"headers": {"Retry-After": "120"}}}, 120.0),
        ({}, {"metadata": {"headers": {"Retry-After": 120}}}, 120.0),
        ({}, {"metadata": {"headers": {"X-RateLimit-Reset": "1790000090000"}}}, 90.0),
        ({"x-ratelimit-reset": "1790000090000"}, {}, 90.0),
        ({}, {"metadata": {"headers": "none"}}, None),
        ({}, {"availability": {"retry_after": 8}}, 8.0),
        ({}, {"availability": {"retry_after": None}}, None),
        ({"retry-after": "3"}, {"availability": {"retry_after": 8}}, 3.0),
    ],
)
def test_retry_after(headers, error, expected):
    wait = error_of(429, headers=headers, **error).retry_after
    assert wait == expected


def test_the_daily_limit_of_free_models_is_not_retried():
    metadata = {"limit_source": "openrouter_free_tier_daily", "headers": {"X-RateLimit-Reset": "1790000090000"}}
    error = error_of(429, metadata={**metadata, "remedy_hint": "Wait for the daily reset."})
    assert (error.retryable, error.retry_after, error.hint) == (False, 90.0, "Wait for the daily reset.")
    assert not error_of(429, message="Rate limit exceeded: free-models-per-day").retryable
    assert error_of(429, metadata={"limit_source": "openrouter_shared_capacity"}).retryable


def test_credit_reserved_by_running_requests_is_a_rate_limit():
    for metadata in (
        {"reason": "in_flight_budget_exhausted", "headers": {"Retry-After": "120"}},
        {"limit_source": "openrouter_in_flight_budget", "headers": {"Retry-After": "120"}},
        {"code": "openrouter_in_flight_budget", "headers": {"retry-after": 120}},
    ):
        for error in (
            error_of(402, metadata=metadata),
            error_of(402, json.dumps({"metadata": metadata}).encode()),
            error_from_object({"code": 402, "message": "x", "metadata": metadata}, {}, "m", now=NOW),
        ):
            assert type(error) is RateLimitError
            assert (error.status_code, error.retryable, error.retry_after) == (402, True, 120.0)


@pytest.mark.parametrize("code", ["openrouter_in_flight_budget", "in_flight_budget_exhausted"])
def test_reserved_credit_is_known_by_its_code_word_too(code):
    for error in (
        error_of(402, code=code, headers={"Retry-After": "3"}),
        error_of(402, error_type=code, headers={"Retry-After": "3"}),
        error_from_object({"code": code, "message": "x"}, {"retry-after": "3"}, "m", now=NOW),
    ):
        assert type(error) is RateLimitError
        assert (error.status_code, error.retryable, error.retry_after) == (402, True, 3.0)


TOO_LARGE = "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only "


@pytest.mark.parametrize(
    ("message", "affordable"),
    [
        (TOO_LARGE + "afford 10114. To increase, visit https://example.org/2026", 10114),
        (TOO_LARGE + "afford 10,114.", 10114),
        (TOO_LARGE + "afford 0", 0),
        (TOO_LARGE + "afford -7.", 0),
        (TOO_LARGE + "afford more than nothing.", None),
        (TOO_LARGE + "afford " + "9" * 40, None),
        ("Can only afford 9 tokens", 9),
        ("This request requires more credits, or fewer max_tokens.", None),
    ],
)
def test_a_cap_that_the_credit_does_not_pay_for(message, affordable):
    for error in (
        error_of(402, message=message),
        error_of(402, message=message, metadata={"limit_source": "openrouter_key_limit"}),
        error_from_object({"code": 402, "message": message}, {}, "m", now=NOW),
    ):
        assert type(error) is OutputCapTooLargeError
        assert (error.affordable_tokens, error.code) == (affordable, "OUTPUT_CAP_TOO_LARGE")
        assert (error.status_code, error.retryable) == (402, False)


def test_a_prompt_that_is_too_dear_is_no_matter_of_the_cap():
    error = error_of(402, message="Prompt tokens limit exceeded: 12000 > 8000. To increase, use fewer max_tokens")
    assert type(error) is InsufficientCreditsError
    assert (error.code, error.retryable) == ("INSUFFICIENT_CREDITS", False)


def test_exhausted_credit_and_the_keys_own_limit_are_told_apart():
    gone = error_of(402, message="Insufficient credits", metadata={"limit_source": "openrouter_credits"})
    assert (type(gone), gone.code) == (InsufficientCreditsError, "INSUFFICIENT_CREDITS")
    for error in (
        error_of(402, message="Key limit exceeded (daily limit)"),
        error_of(402, metadata={"limit_source": "openrouter_key_limit"}),
        error_of(403, metadata={"limit_source": "openrouter_key_limit"}),
        error_from_object({"code": 402, "message": "Key limit exceeded"}, {}, "m", now=NOW),
    ):
        assert (type(error), error.code, error.retryable) == (InsufficientCreditsError, "KEY_LIMIT", False)
        assert "this key" in error.hint


def test_hints_for_missing_credit():
    assert (
        "--max-tokens"
        in error_of(402, message="requires more credits, or fewer max_tokens. ... can only afford 9").hint
    )
    assert "--max-tokens" not in error_of(402, message="Insufficient credits").hint
    assert "shorten" in error_of(402, message="Prompt tokens limit exceeded: 9 > 8").hint


def test_a_key_at_its_limit_is_out_of_credit():
    error = error_of(403, message="Key limit exceeded (daily limit). Manage it using https://example.org")
    assert type(error) is InsufficientCreditsError
    assert (error.status_code, error.retryable, error.code) == (403, False, "KEY_LIMIT")


def test_moderation_keeps_the_reasons_and_not_the_flagged_text():
    metadata = {"reasons": ["violence", "self-harm"], "flagged_input": "my private words", "provider_name": "Acme"}
    error = error_of(403, message='Flagged: "my private words"', metadata=metadata)
    assert type(error) is ModerationError
    assert error.reasons == ("violence", "self-harm")
    assert "private" not in f"{error} {error!r} {vars(error)}"


def test_availability_decides_about_retrying():
    error = error_of(
        404, availability={"code": "x", "retryable": True, "retry_after": 5, "fallback_models": ["a/b", "c/d"]}
    )
    assert (type(error), error.retryable, error.retry_after) == (ModelUnavailableError, True, 5.0)
    assert "a/b, c/d" in error.hint
    assert not error_of(503, availability={"retryable": False}).retryable
    assert error_of(503, availability={"retryable": None}).retryable
    error = error_from_object({"message": "x", "availability": {"code": "capacity_exhausted"}}, {}, "m", now=NOW)
    assert type(error) is RateLimitError
