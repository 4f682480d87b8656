"""The client over what the real service sent, where those recordings lie beside the repository."""

import json
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
import respx

from neuralterm.domain.exceptions import NeuralTermError, StreamInterruptedError
from neuralterm.infrastructure.openrouter import OpenRouterClient
from neuralterm.infrastructure.openrouter.account import parse_generation, parse_key
from neuralterm.infrastructure.openrouter.errors import error_from_response

from .wire_doubles import BASE_URL, CHAT_URL, HELLO, collect, failure_of

CAPTURES = Path(__file__).parents[3].parent / "shared" / "data"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not CAPTURES.is_dir(), reason="the recordings are not part of the repository"),
]


def files(pattern):
    return [pytest.param(path, id=path.stem) for path in sorted(CAPTURES.glob(pattern))] or [None]


async def answer(body, media_type, **options):
    with respx.mock as router:
        response = httpx.Response(200, content=body, headers={"content-type": media_type})
        router.post(CHAT_URL).mock(return_value=response)
        async with OpenRouterClient() as client:
            stream = client.chat_completion_stream(HELLO, "asked/for", **options)
            if b'"error":{' in body:
                return await failure_of(stream, StreamInterruptedError)
            return await collect(stream), stream.snapshot()


def check_usage(usage, sent):
    assert usage.cost == sent["cost"]
    assert isinstance(usage.cost, Decimal)
    assert (usage.prompt_tokens, usage.completion_tokens) == (sent["prompt_tokens"], sent["completion_tokens"])
    assert usage.total_tokens == sent["total_tokens"]
    assert usage.cached_tokens == sent["prompt_tokens_details"]["cached_tokens"]
    assert usage.reasoning_tokens == sent["completion_tokens_details"]["reasoning_tokens"]
    assert usage.upstream_cost is None


@pytest.mark.parametrize("path", files("sse/*.sse"))
async def test_streams(path):
    body = path.read_bytes()
    lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")]
    chunks = [json.loads(line, parse_float=Decimal) for line in lines]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    items, outcome = await answer(body, "text/event-stream")
    for key in ("content", "reasoning"):
        written = "".join(delta.get(key) or "" for delta in deltas)
        assert "".join(item[key] for item in items if item["type"] == "delta") == written
    if isinstance(outcome, StreamInterruptedError):
        assert "MIDSTREAM_ERROR" in path.name
        return
    assert outcome["content"] == "".join(delta.get("content") or "" for delta in deltas)
    assert (outcome["model"], outcome["provider"]) == (chunks[0]["model"], chunks[0]["provider"])
    assert outcome["generation_id"] == chunks[0]["id"]
    check_usage(outcome["usage"], chunks[-1]["usage"])
    functions = [call["function"] for delta in deltas for call in delta.get("tool_calls") or ()]
    names = [function["name"] for function in functions if function.get("name")]
    assert [call["function"]["name"] for call in outcome["tool_calls"] or ()] == names
    if "length" in path.name or "TRUNCATED" in path.name:
        assert outcome["finish_reason"] == "length"
    else:
        assert outcome["finish_reason"] in ("stop", "tool_calls")


@pytest.mark.parametrize("path", files("json/*.json"))
async def test_whole_replies(path):
    body = path.read_bytes()
    sent = json.loads(body, parse_float=Decimal)
    message = sent["choices"][0]["message"]
    items, outcome = await answer(body, "application/json", stream=False)
    assert outcome["content"] == (message["content"] or "")
    assert outcome["reasoning"] == (message.get("reasoning") or None)
    assert len(items) == (2 if message["content"] or message.get("reasoning") else 1)
    assert outcome["finish_reason"] == sent["choices"][0]["finish_reason"]
    assert [call["function"] for call in outcome["tool_calls"] or ()] == [
        call["function"] for call in message.get("tool_calls") or ()
    ]
    check_usage(outcome["usage"], sent["usage"])


@pytest.mark.parametrize("path", files("errors/[45]*"))
def test_errors(path):
    error = error_from_response(int(path.name[:3]), {}, path.read_bytes(), "acme/large", now=1_790_000_000.0)
    expected = {
        "400_context": "CONTEXT_LENGTH",
        "400_invalid": "API_ERROR",
        "401": "AUTHENTICATION",
        "402_affordability": "OUTPUT_CAP_TOO_LARGE",
        "402_in_flight": "RATE_LIMITED",
        "403": "KEY_LIMIT",
        "404": "MODEL_UNAVAILABLE",
        "429": "RATE_LIMITED",
        "503": "MODEL_UNAVAILABLE",
    }
    assert [error.code] == [code for prefix, code in expected.items() if path.name.startswith(prefix)]
    assert error.message != "Provider returned error"


async def test_an_error_inside_a_success():
    body = (CAPTURES / "errors" / "200_error_body_no_choices.json").read_bytes()
    with respx.mock as router:
        router.post(CHAT_URL).mock(
            return_value=httpx.Response(200, content=body, headers={"content-type": "application/json"})
        )
        async with OpenRouterClient() as client:
            items, error = await failure_of(client.chat_completion_stream(HELLO, "m"), NeuralTermError)
    assert items == []
    assert error.message == json.loads(body)["error"]["message"]


@pytest.mark.parametrize("path", files("account/generation*.json"))
async def test_generations(path):
    sent = json.loads(path.read_bytes(), parse_float=Decimal)["data"]
    report = parse_generation(path.read_bytes(), sent["id"])
    assert (report.cost, report.upstream_cost) == (sent["total_cost"], None)
    assert (report.model, report.provider) == (sent["model"], sent["provider_name"])
    assert report.finish_reason == sent["finish_reason"]
    assert report.usage.prompt_tokens == sent["native_tokens_prompt"]
    assert report.usage.completion_tokens == sent["native_tokens_completion"]


@pytest.mark.parametrize("path", files("account/key*.json"))
def test_keys(path):
    sent = json.loads(path.read_bytes(), parse_float=Decimal)["data"]
    report = parse_key(path.read_bytes())
    assert (report.usage_usd, report.usage_daily_usd) == (sent["usage"], sent["usage_daily"])
    assert (report.usage_weekly_usd, report.usage_monthly_usd) == (sent["usage_weekly"], sent["usage_monthly"])
    assert (report.limit_usd, report.limit_remaining_usd) == (sent["limit"], sent["limit_remaining"])
    assert report.limit_reset is None


@pytest.mark.parametrize("path", files("models/*.json"))
async def test_model_lists(path):
    sent = json.loads(path.read_bytes())["data"]
    with respx.mock as router:
        router.get(f"{BASE_URL}/models").mock(return_value=httpx.Response(200, content=path.read_bytes()))
        async with OpenRouterClient() as client:
            models = await client.get_available_models()
    assert [model.id for model in models] == [entry["id"] for entry in sent]
    for model, entry in zip(models, sent, strict=True):
        assert model.pricing == entry["pricing"]
        price = Decimal(entry["pricing"]["prompt"]) * 1000
        assert model.prompt_price == (price if price >= 0 else None)
        assert model.context_length <= entry["context_length"]
