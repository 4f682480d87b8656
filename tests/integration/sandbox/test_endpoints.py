from decimal import Decimal

import httpx
import pytest

from neuralterm.domain.catalogue import OpenRouterModel

from .conftest import exact

SCENARIOS = [
    "echo",
    "slow",
    "long",
    "rate-limited",
    "overloaded",
    "cut",
    "error-midstream",
    "stall",
    "length",
    "no-credit",
    "reasoning",
    "affordable",
    "in-flight",
    "byok",
    "no-cost",
]


def test_models_need_no_key_and_have_prices(sandbox):
    reply = httpx.get(f"{sandbox.url}/models", trust_env=False)
    rows = {row["id"]: row for row in exact(reply.text)["data"]}
    default = rows["openai/gpt-4o-mini"]
    assert default["pricing"]["prompt"] == "0.00000015"
    assert default["pricing"]["completion"] == "0.0000006"
    assert default["context_length"] == 128000
    assert {f"sandbox/{name}" for name in SCENARIOS} <= set(rows)
    assert rows["openrouter/auto"]["pricing"] == {"prompt": "-1", "completion": "-1"}


def test_every_listed_model_reads_as_a_domain_model(sandbox):
    rows = exact(sandbox.get("/models").text)["data"]
    assert len(rows) == len({row["id"] for row in rows}) > 35
    for row in rows:
        model = OpenRouterModel(id=row["id"], pricing=row["pricing"])
        assert model.prices.varies == (row["id"] == "openrouter/auto")
        assert (model.completion_price == 0) == row["id"].endswith(":free")
        assert "max_tokens" in row["supported_parameters"]
        assert row["architecture"]["input_modalities"][0] == "text"


@pytest.mark.parametrize("name", ["openai/gpt-4.1", "openai/gpt-4.1-2025-04-14", "openai%2Fgpt-4.1"])
def test_endpoints_tell_who_runs_a_model(sandbox, name):
    row = next(row for row in exact(sandbox.get("/models").text)["data"] if row["id"] == "openai/gpt-4.1")
    data = exact(sandbox.get(f"/models/{name}/endpoints").text)["data"]
    (endpoint,) = data["endpoints"]
    assert data["id"] == "openai/gpt-4.1"
    assert endpoint["pricing"] == row["pricing"] | {"discount": 0}
    assert endpoint["supported_parameters"] == row["supported_parameters"]
    assert endpoint["latency_last_30m"]["p50"] == 250
    assert sandbox.get(row["links"]["details"].removeprefix("/api/v1")).status_code == 200


def test_without_a_key_the_speed_of_endpoints_is_not_told(sandbox):
    reply = httpx.get(f"{sandbox.url}/models/openai/gpt-4.1/endpoints", trust_env=False)
    assert reply.json()["data"]["endpoints"][0]["throughput_last_30m"] is None


def test_an_unknown_model_has_no_endpoints(sandbox):
    assert sandbox.get("/models/no/such/endpoints").status_code == 404
    assert sandbox.get("/models//endpoints").status_code == 404


@pytest.mark.parametrize("path", ["/key", "/credits", "/generation?id=x"])
@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({}, "Missing Authentication header"),
        ({"Authorization": "Bearer"}, "Missing Authentication header"),
        ({"Authorization": "Basic abc"}, "Missing Authentication header"),
        ({"Authorization": "Bearer sk-invalid"}, "User not found."),
    ],
)
def test_other_paths_need_a_key(sandbox, path, header, message):
    reply = httpx.get(sandbox.url + path, headers=header, trust_env=False)
    assert reply.status_code == 401
    assert reply.json() == {"error": {"message": message, "code": 401}}


def test_chat_needs_a_key_too(sandbox):
    reply = httpx.post(f"{sandbox.url}/chat/completions", json={}, trust_env=False)
    assert reply.status_code == 401


def test_key_and_credits_tell_the_total(sandbox):
    costs = [exact(sandbox.post("sandbox/echo", text).text)["usage"]["cost"] for text in ("one", "one two three")]
    total = sum(costs)
    assert total > 0
    assert exact(sandbox.get("/credits").text)["data"] == {"total_credits": 1000, "total_usage": total}
    assert exact(sandbox.get("/key").text)["data"]["usage"] == total
    assert sum(sandbox.server.bill.values()) == total


def test_generation_tells_what_was_billed(sandbox):
    answer = exact(sandbox.post("anthropic/claude-haiku-4.5").text)
    record = exact(sandbox.get("/generation", id=answer["id"]).text)["data"]
    assert record["total_cost"] == record["usage"] == answer["usage"]["cost"] == sandbox.server.bill[answer["id"]]
    assert record["native_tokens_completion"] == answer["usage"]["completion_tokens"]
    assert record["model"] == "anthropic/claude-4.5-haiku-20251001"
    assert record["cancelled"] is False
    assert record["streamed"] is False


def test_unknown_generation_is_404(sandbox):
    reply = sandbox.get("/generation", id="gen-1-none")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == 404


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("POST", "/models"), ("GET", "/chat/completions")])
def test_anything_else_is_404_in_the_services_shape(sandbox, method, path):
    reply = sandbox.client.request(method, path)
    assert reply.status_code == 404
    assert reply.json() == {"error": {"message": "Not Found", "code": 404}}


def test_paths_work_without_api_but_not_without_version(sandbox):
    root = sandbox.url.removesuffix("/api/v1")
    assert httpx.get(f"{root}/v1/models", trust_env=False).status_code == 200
    assert httpx.get(f"{root}/models", trust_env=False).status_code == 404


def test_head_has_no_body_and_keeps_the_connection(sandbox):
    assert sandbox.client.head("/models").content == b""
    assert sandbox.get("/models").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe\xff",
        b"[]",
        b"null",
        b"[" * 100_000,
        b"{}",
        b'{"messages": []}',
        b'{"messages": "hi"}',
        b'{"messages": [1]}',
        b'{"messages": [{"role": 1}]}',
        b'{"messages": [{"role": "user", "content": 1}]}',
        b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": 0}',
        b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": true}',
        b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": 1.5}',
        b'{"messages": [{"role": "user", "content": "x"}], "model": 1}',
        b'{"messages": [{"role": "user", "content": "x"}], "models": "a"}',
        b'{"messages": [{"role": "user", "content": "x"}], "provider": 1}',
        b'{"messages": [{"role": "user", "content": "x"}], "provider": {"max_price": {"prompt": "cheap"}}}',
        b'{"messages": [{"role": "user", "content": "x"}], "provider": {"max_price": {"prompt": "NaN"}}}',
        b'{"messages": [{"role": "user", "content": "x"}], "temperature": 1e999999999}',
        b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
    ],
)
def test_unusable_bodies_are_400(sandbox, body):
    reply = sandbox.client.post("/chat/completions", content=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == 400
    assert sandbox.server.bill == {}


def test_unknown_model_is_400(sandbox):
    reply = sandbox.post("openai/gpt-nonexistent")
    assert reply.status_code == 400
    assert reply.json()["error"]["message"] == "openai/gpt-nonexistent is not a valid model ID"


def test_prompt_beyond_the_window_is_400(sandbox):
    reply = sandbox.post("microsoft/phi-4", "word " * 17000)
    assert reply.status_code == 400
    assert "maximum context length is 16384 tokens" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ({"prompt": "0.15", "completion": "0.6"}, 200),
        ({"prompt": 0.15, "completion": 0.6}, 200),
        ({"prompt": "0.1499"}, 404),
        ({"completion": Decimal("0.59")}, 404),
        ({"request": "0"}, 200),
    ],
)
def test_max_price_is_a_hard_filter_in_usd_per_million(sandbox, limits, status):
    plain = {key: float(value) if isinstance(value, Decimal) else value for key, value in limits.items()}
    reply = sandbox.post("openai/gpt-4o-mini", provider={"max_price": plain})
    assert reply.status_code == status
    if status == 404:
        assert reply.json()["error"]["message"].startswith("No endpoints found that match your max_price")
