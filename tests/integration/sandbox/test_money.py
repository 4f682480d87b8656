"""What the sandbox says of money afterwards, and how it refuses for the sake of money."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from neuralterm.domain.pricing import PriceList
from neuralterm.sandbox import running_sandbox
from neuralterm.sandbox.bill import Bill, Generation
from neuralterm.sandbox.catalogue import served
from neuralterm.sandbox.server import SandboxServer
from tests.fakes.clock import FakeClock

from .conftest import Sandbox, events, exact

KEY = {"Authorization": "Bearer k"}

PRICING = {
    "prompt": "0.000001",
    "completion": "0.000002",
    "request": "0.01",
    "internal_reasoning": "0.000005",
    "overrides": [
        {"min_prompt_tokens": 1000, "prompt": "0.000003"},
        {"utc_start": 2200, "utc_end": 600, "completion": "0.000001"},
    ],
}


def a_model(**pricing):
    fact = {
        "id": "a/b",
        "slug": "a/b",
        "provider": "A",
        "context_length": 9,
        "max_completion_tokens": 9,
        "kind": "chat",
    }
    fact |= {
        "inputs": ["text"],
        "tokenizer": "Other",
        "knowledge_cutoff": None,
        "description": "",
        "name": "",
        "created": 0,
    }
    return served({**fact, "pricing": pricing or PRICING})


def ended(tokens=10, prompt=100, hour=12, **facts):
    created = datetime(2026, 11, 23, hour, tzinfo=UTC)
    return Generation(a_model(), prompt, True, created, completion_tokens=tokens, finish_reason="stop", **facts)


@pytest.mark.parametrize(
    ("generation", "cost"),
    [
        (ended(), "0.01012"),
        (ended(reasoning_tokens=4), "0.010132"),
        (ended(prompt=1000), "0.01102"),
        (ended(prompt=1001), "0.013023"),
        (ended(hour=22), "0.01011"),
        (ended(hour=5), "0.01011"),
        (ended(hour=6), "0.01012"),
        (ended(tokens=0), "0.0101"),
    ],
)
def test_every_price_of_the_list_is_billed(generation, cost):
    assert generation.cost == generation.record()["total_cost"] == generation.usage_object()["cost"] == Decimal(cost)
    assert PriceList.from_listing(PRICING).cost_of(generation.usage, generation.created) == generation.cost


def test_an_answer_that_never_began_costs_nothing():
    assert Generation(a_model(), 100, True).cost == 0


def test_sums_by_period():
    bill = Bill()
    late, early = ended(), ended(hour=1)
    for generation in (late, early, ended(is_byok=True)):
        bill.add(generation)
        bill.add(generation)
    assert bill.total() == late.cost + early.cost
    assert bill.total(late.created) == late.cost
    assert bill.total(late.created + timedelta(milliseconds=1)) == 0
    assert bill.upstream_total() == late.cost
    assert bill.upstream_total(late.created + timedelta(milliseconds=1)) == 0


@pytest.fixture
def slow_records():
    """A sandbox that keeps the cost to itself for 0.3 seconds of its own clock."""
    clock = FakeClock()
    server = SandboxServer(delay=0, clock=clock.monotonic)
    with (
        running_sandbox(server) as url,
        httpx.Client(base_url=url, headers={"Authorization": "Bearer k"}, timeout=20, trust_env=False) as client,
    ):
        yield Sandbox(server, url, client), clock


@pytest.mark.parametrize("model", ["sandbox/echo", "sandbox/no-cost", "sandbox/error-midstream"])
def test_the_cost_can_be_asked_for_some_time_after_the_end(slow_records, model):
    sandbox, clock = slow_records
    generation_id = sandbox.post(model, stream=True).headers["x-generation-id"]
    for seconds, status in ((0, 404), (0.25, 404), (0.0625, 200), (60, 200)):
        clock.advance(seconds)
        reply = sandbox.get("/generation", id=generation_id)
        assert reply.status_code == status
    assert exact(reply.text)["data"]["total_cost"] == sandbox.server.bill[generation_id] > 0
    assert exact(sandbox.get("/key").text)["data"]["usage"] == sandbox.server.bill[generation_id]


def test_key_tells_days_weeks_and_months(sandbox):
    cost = exact(sandbox.post("sandbox/echo").text)["usage"]["cost"]
    upstream = exact(sandbox.post("sandbox/byok").text)["usage"]["cost_details"]["upstream_inference_cost"]
    key = exact(sandbox.get("/key").text)["data"]
    for suffix in ("", "_daily", "_weekly", "_monthly"):
        assert key[f"usage{suffix}"] == cost > 0
        assert key[f"byok_usage{suffix}"] == upstream > 0
    assert [key[name] for name in ("limit", "limit_remaining", "limit_reset")] == [None] * 3


@pytest.mark.parametrize("stream", [True, False])
def test_with_a_key_of_ones_own_the_provider_charges(sandbox, stream):
    reply = sandbox.post("sandbox/byok", stream=stream)
    usage = (events(reply.text)[-2] if stream else exact(reply.text))["usage"]
    record = exact(sandbox.get("/generation", id=reply.headers["x-generation-id"]).text)["data"]
    assert usage["is_byok"] is record["is_byok"] is True
    assert usage["cost"] == record["total_cost"] == record["usage"] == 0
    upstream = usage["cost_details"]["upstream_inference_cost"]
    assert record["upstream_inference_cost"] == upstream
    assert upstream == usage["prompt_tokens"] * Decimal("0.0000025") + usage["completion_tokens"] * Decimal("0.00001")
    assert list(sandbox.server.bill.values()) == [0]


@pytest.mark.parametrize("stream", [True, False])
def test_what_no_cost_does_not_say_can_be_asked_for(sandbox, stream):
    reply = sandbox.post("sandbox/no-cost", stream=stream)
    replies = events(reply.text)[:-1] if stream else [exact(reply.text)]
    assert all("usage" not in each for each in replies)
    record = exact(sandbox.get("/generation", id=reply.headers["x-generation-id"]).text)["data"]
    assert record["total_cost"] == sandbox.server.bill[record["id"]] > 0
    assert record["native_tokens_completion"] > 10


@pytest.mark.parametrize(
    ("cap", "status", "asked"), [(None, 402, "16384"), (101, 402, "101"), (100, 200, ""), (16, 200, "")]
)
def test_affordable(sandbox, cap, status, asked):
    reply = sandbox.post("sandbox/affordable", **({} if cap is None else {"max_tokens": cap}))
    assert reply.status_code == status
    if status == 402:
        assert "fewer max_tokens" in reply.json()["error"]["message"]
        assert f"up to {asked} tokens" in reply.json()["error"]["message"]
        assert reply.json()["error"]["message"].endswith("can only afford 100")
        assert sandbox.server.bill == {}


def test_in_flight_refuses_each_key_once(sandbox):
    refused = sandbox.post("sandbox/in-flight")
    assert (refused.status_code, refused.headers["retry-after"]) == (402, "1")
    metadata = refused.json()["error"]["metadata"]
    assert (metadata["reason"], metadata["headers"]) == ("in_flight_budget_exhausted", {"Retry-After": "1"})
    assert [sandbox.post("sandbox/in-flight").status_code for _ in range(2)] == [200, 200]
    body = {"model": "sandbox/in-flight", "messages": [{"role": "user", "content": "x"}]}
    for status in (402, 200):
        headers = {"Authorization": "Bearer another"}
        reply = httpx.post(f"{sandbox.url}/chat/completions", json=body, headers=headers, trust_env=False)
        assert reply.status_code == status


@pytest.mark.parametrize(
    ("model", "parameters", "status"),
    [
        ("openai/gpt-4o-mini", {"temperature": 1, "max_tokens": 9, "tools": []}, 200),
        ("openai/gpt-4o-mini", {"temperature": None, "top_k": None, "user": "me", "plugins": []}, 200),
        ("openai/gpt-4o-mini", {"top_k": 3}, 404),
        ("openai/gpt-4o-mini", {"reasoning": {"effort": "low"}}, 404),
        ("openai/gpt-4o-mini", {"reasoning_effort": "low"}, 404),
        ("openai/gpt-4o-mini", {"max_completion_tokens": 9}, 404),
        ("openai/gpt-5", {"temperature": 1}, 404),
        ("openai/gpt-5", {"max_completion_tokens": 9, "reasoning": {"effort": "low"}}, 200),
        ("openai/gpt-4o-mini", {"response_format": {"type": "json_schema", "json_schema": {}}}, 200),
    ],
)
def test_require_parameters(sandbox, model, parameters, status):
    reply = sandbox.post(model, provider={"require_parameters": True}, **parameters)
    assert reply.status_code == status
    if status == 404:
        assert "requested parameters" in reply.json()["error"]["message"]
        assert sandbox.post(model, provider={"require_parameters": False}, **parameters).status_code == 200


@pytest.mark.parametrize(
    ("reasoning", "cap", "status"),
    [
        ({"max_tokens": 10}, {"max_tokens": 10}, 400),
        ({"max_tokens": 11}, {"max_completion_tokens": 10}, 400),
        ({"max_tokens": 9}, {"max_tokens": 10}, 200),
        ({"max_tokens": 10_000}, {}, 200),
        ({"max_tokens": 0}, {}, 400),
        ({"max_tokens": "x"}, {}, 400),
        ({"max_tokens": True}, {}, 400),
    ],
)
def test_reasoning_must_leave_room_for_the_answer(sandbox, reasoning, cap, status):
    assert sandbox.post("anthropic/claude-sonnet-4", reasoning=reasoning, **cap).status_code == status


def test_reasoning_is_cut_at_its_own_limit_and_counts_within_the_other(sandbox):
    usage = exact(sandbox.post("sandbox/reasoning", reasoning={"max_tokens": 4}, max_tokens=10).text)["usage"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 4
    assert usage["completion_tokens"] == 10


def test_a_bill_can_outlive_the_sandbox(tmp_path):
    bill_file = tmp_path / "new" / "bill.jsonl"
    costs = {}
    for number in range(2):
        with (
            running_sandbox(delay=0, bill_file=bill_file) as url,
            httpx.Client(base_url=url, headers=KEY, trust_env=False) as client,
        ):
            sandbox = Sandbox(None, url, client)
            answer = exact(sandbox.post(("sandbox/echo", "sandbox/byok")[number], "hello").text)
            costs[answer["id"]] = answer["usage"]["cost"]
    bill_file.write_bytes(bill_file.read_bytes() + b'{"id": 1}\n[]\nnull\n\xff\n{"cut":')
    with (
        running_sandbox(bill_file=bill_file) as url,
        httpx.Client(base_url=url, headers=KEY, trust_env=False) as client,
    ):
        sandbox = Sandbox(None, url, client)
        records = {each: exact(sandbox.get("/generation", id=each).text)["data"] for each in costs}
        key = exact(sandbox.get("/key").text)["data"]
    assert {each: record["total_cost"] for each, record in records.items()} == costs
    assert [record["is_byok"] for record in records.values()] == [False, True]
    assert key["usage"] == key["usage_daily"] == sum(costs.values()) > 0
    assert key["byok_usage"] > 0
    assert bill_file.stat().st_mode & 0o777 == 0o600


def test_a_bill_that_cannot_be_kept_does_not_keep_answers_away(tmp_path, caplog):
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with (
        running_sandbox(delay=0, bill_file=in_the_way / "bill.jsonl") as url,
        httpx.Client(base_url=url, headers=KEY, trust_env=False) as client,
    ):
        sandbox = Sandbox(None, url, client)
        assert sandbox.post("sandbox/echo").status_code == 200
        assert sandbox.get("/key").status_code == 200
    assert "can't keep its bill" in caplog.text
