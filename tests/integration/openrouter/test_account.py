"""What the service says of money afterwards."""

import json
import subprocess
import sys
from decimal import Decimal

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.records import GenerationReport, KeyReport
from neuralterm.domain.exceptions import (
    AuthenticationError,
    OpenRouterAPIError,
    RateLimitError,
    ServiceUnreachableError,
)
from neuralterm.domain.models import TokenUsage
from neuralterm.infrastructure.openrouter import OpenRouterClient
from neuralterm.infrastructure.openrouter.account import parse_generation, parse_key

from .wire_doubles import BASE_URL, raw_server

RECORD = {
    "id": "gen-1",
    "model": "acme/large-20260101",
    "provider_name": "Acme",
    "total_cost": 0.5,
    "usage": 0.25,
    "upstream_inference_cost": 0,
    "is_byok": False,
    "finish_reason": "stop",
    "tokens_prompt": 8,
    "tokens_completion": 9,
    "native_tokens_prompt": 10,
    "native_tokens_completion": 20,
    "native_tokens_reasoning": 3,
    "native_tokens_cached": 4,
}


def report_of(**changes):
    """The report of the record with these keys changed; `...` leaves a key out."""
    record = {key: value for key, value in {**RECORD, **changes}.items() if value is not ...}
    return parse_generation(json.dumps({"data": record}).encode(), "gen-1")


def test_a_whole_record():
    usage = TokenUsage(10, 20, 30, reasoning_tokens=3, cached_tokens=4, cost=Decimal("0.5"))
    assert report_of() == GenerationReport("gen-1", Decimal("0.5"), None, "acme/large-20260101", "Acme", usage, "stop")


@pytest.mark.parametrize("digits", ["3.452e-05", "0.00000000000123456789", "4.1400000000000003e-05", "0", "12"])
def test_amounts_keep_their_digits(digits):
    report = parse_generation(b'{"data":{"total_cost":%s}}' % digits.encode(), "gen-1")
    assert report.cost == Decimal(digits)
    assert isinstance(report.cost, Decimal)
    assert (report.usage, report.model, report.provider, report.finish_reason) == (None, None, None, None)


@pytest.mark.parametrize(
    ("total", "usage", "expected"),
    [
        (0.5, 0.25, "0.5"),
        (None, 0.25, "0.25"),
        (..., 0.25, "0.25"),
        (-1, 0.25, "0.25"),
        ("much", 0.25, "0.25"),
        (True, 0.25, "0.25"),
        (0, 0.25, "0"),
        ("0.125", None, "0.125"),
        (None, {"cost": 1}, None),
        (None, None, None),
        (..., ..., None),
        (-1, -1, None),
        ([], "", None),
    ],
)
def test_which_amount_counts(total, usage, expected):
    report = report_of(total_cost=total, usage=usage)
    assert (None if report is None else report.cost) == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("changes", "upstream"),
    [
        ({"is_byok": True, "upstream_inference_cost": 0.75}, "0.75"),
        ({"is_byok": True, "upstream_inference_cost": None}, None),
        ({"is_byok": True, "upstream_inference_cost": -1}, None),
        ({"is_byok": False, "upstream_inference_cost": 0.75}, None),
        ({"is_byok": None, "upstream_inference_cost": 0.75}, None),
        ({"is_byok": "true", "upstream_inference_cost": 0.75}, None),
    ],
)
def test_the_providers_charge_counts_only_with_a_key_of_the_users_own(changes, upstream):
    report = report_of(**changes)
    assert report.upstream_cost == report.usage.upstream_cost == (None if upstream is None else Decimal(upstream))
    assert report.usage.is_byok is (changes["is_byok"] is True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"native_tokens_prompt": None}, (8, 20)),
        ({"native_tokens_completion": "many"}, (10, 9)),
        ({"native_tokens_prompt": -1, "tokens_prompt": ...}, (0, 20)),
        ({"native_tokens_completion": 0}, (10, 0)),
        ({"native_tokens_completion": 20.0}, (10, 20)),
        ({"native_tokens_completion": True, "tokens_completion": 10**30}, (10, 0)),
    ],
)
def test_token_counts(changes, expected):
    usage = report_of(**changes).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == expected
    assert usage.total_tokens == sum(expected)


def test_without_any_count_there_is_no_usage():
    names = [name for name in RECORD if "tokens_" in name]
    report = report_of(**dict.fromkeys(names))
    assert (report.cost, report.usage) == (Decimal("0.5"), None)
    assert report_of(native_tokens_reasoning=None, native_tokens_cached="x").usage.reasoning_tokens == 0


@pytest.mark.parametrize("name", ["model", "provider_name", "finish_reason"])
@pytest.mark.parametrize("value", [None, "", 7, ["x"]])
def test_words_that_are_none(name, value):
    assert getattr(report_of(**{name: value}), name.removesuffix("_name")) is None


def test_a_record_that_is_not_there_yet():
    assert parse_generation(b'{"data":null}', "gen-1") is None
    assert parse_generation(b'{"data":{}}', "gen-1") is None


NO_REPLY = [b"", b"[]", b"{}", b"null", b"<html>", b'{"data":[]}', b'{"data":"x"}', b'{"data":{', b"\xff"]


@pytest.mark.parametrize("body", NO_REPLY)
def test_what_is_no_reply(body):
    for parse in (lambda: parse_generation(body, "gen-1"), lambda: parse_key(body)):
        with pytest.raises(ValueError, match=r".+"):
            parse()


WORDS = st.sampled_from(["", "x", "0.5", "-1", "NaN", "1e999999999", "id"])
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
JSON = VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(WORDS, VALUES, max_size=2)


@given(st.dictionaries(st.sampled_from(sorted(RECORD)), JSON))
def test_any_record_is_read_or_has_no_amount(data):
    report = parse_generation(json.dumps({"data": data}).encode(), "gen-1")
    assert report is None or report.cost >= 0
    if report is not None and report.usage is not None:
        assert min(report.usage.prompt_tokens, report.usage.completion_tokens, report.usage.reasoning_tokens) >= 0


def test_the_report_about_a_key():
    body = {"limit": 300, "limit_remaining": 73.49, "limit_reset": "monthly", "usage": 226.51}
    body |= {"usage_daily": 0.11, "usage_weekly": 19.44, "usage_monthly": 5.74, "label": "sk-or-v1-abc"}
    report = parse_key(json.dumps({"data": body}).encode())
    assert report == KeyReport(*map(Decimal, ("226.51", "0.11", "19.44", "5.74", "300", "73.49")), "monthly")
    assert "sk-or" not in repr(report)


@pytest.mark.parametrize("value", [None, "x", True, [], {}])
def test_what_is_not_said_about_a_key_is_unknown(value):
    names = ("usage", "usage_daily", "usage_weekly", "usage_monthly", "limit", "limit_remaining", "limit_reset")
    said = {name: value for name in names if (name, value) != ("limit_reset", "x")}
    assert parse_key(json.dumps({"data": said}).encode()) == KeyReport()
    assert parse_key(b'{"data":{}}') == KeyReport()


def test_beyond_its_limit_a_key_has_nothing_left():
    for left in (b"-0.25", b"-1"):
        assert parse_key(b'{"data":{"limit":1,"limit_remaining":%s}}' % left).limit_remaining_usd == 0
    assert parse_key(b'{"data":{"usage":-1}}').usage_usd is None


async def replied(ask, path, **response):
    """What the client makes of a reply, and the request that was sent."""
    with respx.mock as router:
        route = router.get(url__startswith=BASE_URL + path).mock(
            return_value=httpx.Response(**{"status_code": 200, **response})
        )
        async with OpenRouterClient("sk-secret-key") as client:
            result = await ask(client)
        return result, route.calls[0].request


def generation(client):
    return client.get_generation("gen-1")


@pytest.mark.anyio
async def test_asking_for_a_generation():
    report, request = await replied(generation, "/generation", json={"data": RECORD})
    assert (report.generation_id, report.cost) == ("gen-1", Decimal("0.5"))
    assert str(request.url) == f"{BASE_URL}/generation?id=gen-1"
    assert request.headers["authorization"] == "Bearer sk-secret-key"


@pytest.mark.anyio
@pytest.mark.parametrize("generation_id", ["a b&c=d", "../key", "ü/?#%", "x\r\ny", "\ud800", "gen-1&id=gen-2"])
async def test_any_id_is_one_query_value(generation_id):
    _, request = await replied(
        lambda client: client.get_generation(generation_id), "/generation", json={"data": RECORD}
    )
    assert request.url.path == "/api/v1/generation"
    assert dict(request.url.params.multi_items()) == {"id": generation_id.replace("\ud800", "?")}


@pytest.mark.anyio
async def test_what_the_service_does_not_know_is_none():
    for body in ({"error": {"code": 404, "message": "Generation gen-1 not found"}}, {}):
        assert (await replied(generation, "/generation", status_code=404, json=body))[0] is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (429, RateLimitError), (500, OpenRouterAPIError)]
)
async def test_other_statuses_are_errors(status, kind):
    for ask, path in ((generation, "/generation"), (lambda client: client.get_key(), "/key")):
        with pytest.raises(kind, match="some words"):
            await replied(ask, path, status_code=status, json={"error": {"code": status, "message": "some words"}})


@pytest.mark.anyio
async def test_asking_about_the_key():
    report, request = await replied(lambda client: client.get_key(), "/key", json={"data": {"usage": 1.5}})
    assert report == KeyReport(usage_usd=Decimal("1.5"))
    assert str(request.url) == f"{BASE_URL}/key"


@pytest.mark.anyio
async def test_a_key_that_is_not_known_is_an_error():
    with pytest.raises(OpenRouterAPIError) as caught:
        await replied(lambda client: client.get_key(), "/key", status_code=401, content=b"who are you?")
    assert caught.value.message == "who are you?"


@pytest.mark.anyio
async def test_a_server_without_keys_is_told_apart():
    with pytest.raises(OpenRouterAPIError) as caught:
        await replied(lambda client: client.get_key(), "/key", status_code=404, json={"error": "nope"})
    assert caught.value.message == "the server has no /key (HTTP 404): nope"
    assert (caught.value.status_code, caught.value.retryable) == (404, False)


@pytest.mark.anyio
async def test_a_reply_about_something_else_is_an_error_that_keeps_the_key_to_itself():
    with pytest.raises(OpenRouterAPIError, match="no record of a generation") as caught:
        await replied(generation, "/generation", content=b"you sent sk-secret-key")
    assert caught.value.response_body == "you sent [key]"
    with pytest.raises(OpenRouterAPIError, match="no report about a key"):
        await replied(lambda client: client.get_key(), "/key", content=b"{}")


@pytest.mark.anyio
async def test_questions_have_a_time_limit_of_their_own():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    for writes in ((), (head + b"{",)):
        async with raw_server(*writes, then="hold") as server, OpenRouterClient("key", server.url) as client:
            with pytest.raises(ServiceUnreachableError, match=r"0\.05 seconds") as caught:
                await client.get_generation("gen-1", timeout=0.05)
            assert caught.value.retryable
            with pytest.raises(ServiceUnreachableError, match=r"0\.05 seconds"):
                await client.get_key(timeout=0.05)


def test_reading_about_money_is_light():
    script = "import sys, neuralterm.infrastructure.openrouter.account\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "tiktoken", "httpx", "sqlite3"} & set(loaded)
