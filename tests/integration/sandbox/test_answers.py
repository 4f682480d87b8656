import json
import re
from decimal import Decimal

import anyio
import httpx
import pytest

from neuralterm.sandbox import running_sandbox

from .conftest import content, deltas, events, exact

PRICED = [
    "openai/gpt-4o-mini",
    "google/gemini-2.5-flash",
    "anthropic/claude-opus-4.7",
    "deepseek/deepseek-v3.2",
    "qwen/qwen3-coder:free",
    "sandbox/echo",
]


def listed(sandbox, model):
    return next(row for row in exact(sandbox.get("/models").text)["data"] if row["id"] == model)


def test_stream_has_the_shape_of_the_real_one(sandbox):
    reply = sandbox.post("anthropic/claude-sonnet-4.6", "Hello there", stream=True)
    chunks = events(reply.text)
    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.text.startswith(": OPENROUTER PROCESSING\n\n")
    assert re.fullmatch(r"gen-\d+-[A-Za-z0-9]{20}", reply.headers["x-generation-id"])
    *answer, finish, usage, done = chunks
    assert done == "[DONE]"
    assert {chunk["id"] for chunk in chunks[:-1]} == {reply.headers["x-generation-id"]}
    assert {chunk["model"] for chunk in chunks[:-1]} == {"anthropic/claude-4.6-sonnet-20260217"}
    assert {chunk["provider"] for chunk in chunks[:-1]} == {"Anthropic"}
    assert all(chunk["choices"][0]["delta"]["role"] == "assistant" for chunk in answer)
    assert all("usage" not in chunk for chunk in (*answer, finish))
    assert finish["choices"][0]["finish_reason"] == usage["choices"][0]["finish_reason"] == "stop"
    assert usage["usage"]["completion_tokens"] == len(answer)
    assert usage["usage"]["is_byok"] is False


def test_streamed_and_whole_answers_agree(sandbox):
    chunks = sandbox.stream("openai/gpt-4o", "What is a budget?")
    reply = sandbox.post("openai/gpt-4o", "What is a budget?")
    whole = exact(reply.text)
    assert whole["choices"][0]["message"]["content"] == content(chunks)
    assert whole["usage"] == chunks[-2]["usage"]
    assert reply.headers["x-generation-id"] == whole["id"]
    assert whole["choices"][0]["finish_reason"] == "stop"


def test_whole_answer_sends_padding_while_it_is_made():
    body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"Authorization": "Bearer x"}
    with running_sandbox(delay=0.001) as url:
        reply = httpx.post(f"{url}/chat/completions", json=body, headers=headers, trust_env=False)
    assert reply.text.startswith("\n         \n" * 2 + '{"id":"gen-')
    assert reply.json()["choices"][0]["message"]["content"].startswith("You said: Hello")


def test_answer_is_deterministic_and_tells_what_was_understood(sandbox):
    texts = [content(sandbox.stream("openai/gpt-4o", "Explain " + "x" * 300)) for _ in range(2)]
    assert texts[0] == texts[1]
    assert texts[0].startswith("You said: Explain " + "x" * 192 + "...\n\n")
    assert content(sandbox.stream("openai/gpt-4o", "Something else")) != texts[0]


@pytest.mark.parametrize("model", PRICED)
def test_cost_is_exactly_tokens_times_list_price(sandbox, model):
    reply = sandbox.post(model, "A question with some words, 42 of them.", stream=True)
    usage = events(reply.text)[-2]["usage"]
    pricing = listed(sandbox, model)["pricing"]
    expected_prompt = usage["prompt_tokens"] * Decimal(pricing["prompt"])
    expected = expected_prompt + usage["completion_tokens"] * Decimal(pricing["completion"])
    assert usage["cost"] == usage["cost_details"]["upstream_inference_cost"] == expected
    assert usage["cost_details"]["upstream_inference_prompt_cost"] == expected_prompt
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert sandbox.server.bill[reply.headers["x-generation-id"]] == expected
    assert re.search(r'"cost":\d+(\.\d+)?,', reply.text)


def test_long_prompts_cost_the_override_price(sandbox):
    usage = exact(sandbox.post("anthropic/claude-sonnet-4", "word " * 200_000, max_tokens=1).text)["usage"]
    assert usage["prompt_tokens"] > 200_000
    assert usage["cost"] == usage["prompt_tokens"] * Decimal("0.000006") + Decimal("0.0000225")


def test_without_a_model_the_default_answers(sandbox):
    assert exact(sandbox.post().text)["model"] == "openai/gpt-4o-mini"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("openrouter/auto", "openai/gpt-4o-mini"),
        ("openai/gpt-5:nitro", "openai/gpt-5-2025-08-07"),
        ("openai/gpt-5-2025-08-07", "openai/gpt-5-2025-08-07"),
        ("meta-llama/llama-3.3-70b-instruct:free", "meta-llama/llama-3.3-70b-instruct:free"),
    ],
)
def test_reply_names_the_model_that_is_billed(sandbox, asked, told):
    assert exact(sandbox.post(asked).text)["model"] == told


@pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("stream", [True, False])
def test_cap_ends_the_answer_with_finish_reason_length(sandbox, key, stream):
    reply = sandbox.post("openai/gpt-4o", "Hello", stream=stream, **{key: 5})
    last = events(reply.text)[-2] if stream else exact(reply.text)
    assert last["choices"][0]["finish_reason"] == "length"
    assert last["usage"]["completion_tokens"] == 5


def test_cap_that_the_answer_just_fits_changes_nothing(sandbox):
    usage = sandbox.stream("sandbox/echo", "one two three", max_tokens=3)[-2]
    assert usage["choices"][0]["finish_reason"] == "stop"


def test_reasoning_comes_first_and_is_billed_as_output(sandbox):
    chunks = sandbox.stream("openai/gpt-5", "Hello", reasoning={"effort": "high"})
    kinds = ["reasoning" in chunk["choices"][0]["delta"] for chunk in chunks[:-3]]
    assert kinds == sorted(kinds, reverse=True)
    thoughts, words = deltas(chunks, "reasoning"), deltas(chunks)
    details = deltas(chunks, "reasoning_details")
    assert [entry["text"] for detail in details for entry in detail] == thoughts
    usage = chunks[-2]["usage"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == len(thoughts) > 0
    assert usage["completion_tokens"] == len(thoughts) + len(words)


def test_excluded_reasoning_is_not_shown_but_billed(sandbox):
    chunks = sandbox.stream("openai/gpt-5", "Hello", reasoning={"effort": "low", "exclude": True})
    assert deltas(chunks, "reasoning") == []
    assert chunks[-2]["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    whole = exact(sandbox.post("openai/gpt-5", "Hello", reasoning={"effort": "low", "exclude": True}).text)
    assert whole["choices"][0]["message"]["reasoning"] is None


def test_more_effort_means_more_reasoning(sandbox):
    sizes = [
        sandbox.stream("openai/gpt-5", "Hello", **wish)[-2]["usage"]["completion_tokens_details"]["reasoning_tokens"]
        for wish in (
            {"reasoning": {"effort": "none"}},
            {"reasoning_effort": "minimal"},
            {"reasoning": {"max_tokens": 2000}},
            {"reasoning": {"effort": "xhigh"}},
        )
    ]
    assert sizes[0] == 0
    assert sizes == sorted(set(sizes))


def test_models_that_do_not_reason_ignore_the_wish(sandbox):
    assert deltas(sandbox.stream("openai/gpt-4o", reasoning={"effort": "high"}), "reasoning") == []


def test_a_cap_counts_reasoning_too(sandbox):
    chunks = sandbox.stream("openai/gpt-5", reasoning={"effort": "high"}, max_tokens=3)
    assert len(deltas(chunks, "reasoning")) == 3
    assert content(chunks) == ""
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"


def test_json_object_is_json(sandbox):
    text = content(sandbox.stream("openai/gpt-4o", 'say "hi"', response_format={"type": "json_object"}))
    assert json.loads(text)["you_said"] == 'say "hi"'


def test_json_schema_is_fitted(sandbox):
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "people": {"type": "integer", "minimum": 7}}}
    form = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": schema}}
    place = json.loads(
        exact(sandbox.post("openai/gpt-4o", response_format=form).text)["choices"][0]["message"]["content"]
    )
    assert isinstance(place["city"], str)
    assert isinstance(place["people"], int)
    assert place["people"] >= 7


@pytest.mark.parametrize(
    "first", ["sandbox/rate-limited", "sandbox/overloaded", "sandbox/no-credit", "microsoft/phi-4"]
)
def test_fallback_model_answers_when_the_first_refuses(sandbox, first):
    # phi-4's window is too small for this prompt.
    answer = exact(sandbox.post(first, "word " * 17000, models=["sandbox/echo", "openai/gpt-4o"]).text)
    assert answer["model"] == "sandbox/echo"
    assert list(sandbox.server.bill.values()) == [answer["usage"]["cost"]]


def test_when_all_refuse_the_last_refusal_is_told(sandbox):
    reply = sandbox.post(models=["sandbox/rate-limited", "sandbox/no-credit"])
    assert reply.status_code == 402


@pytest.mark.anyio
async def test_fifty_streams_at_once_do_not_mix(sandbox):
    answers = {}

    async def ask(client, number):
        body = {
            "model": "sandbox/echo",
            "stream": True,
            "messages": [{"role": "user", "content": f"number {number} " * 20}],
        }
        reply = await client.post("/chat/completions", json=body)
        answers[number] = events(reply.text)

    limits = httpx.Limits(max_connections=50)
    headers = {"Authorization": "Bearer x"}
    async with (
        httpx.AsyncClient(base_url=sandbox.url, headers=headers, limits=limits, timeout=20, trust_env=False) as client,
        anyio.create_task_group() as group,
    ):
        for number in range(50):
            group.start_soon(ask, client, number)
    assert all(content(chunks) == f"number {number} " * 20 for number, chunks in answers.items())
    billed = {chunks[-2]["id"]: chunks[-2]["usage"]["cost"] for chunks in answers.values()}
    assert len(billed) == 50
    assert sandbox.server.bill == billed
