from decimal import Decimal

import httpx
import pytest

from .conftest import content, deltas, events, exact

# What all scenario models cost, USD per token.
PROMPT_PRICE, COMPLETION_PRICE = Decimal("0.0000025"), Decimal("0.00001")


@pytest.mark.parametrize(
    "text", ["Hello, world", "  two\n\nlines\t ", "naïve 天气 👩‍👩‍👧 \u2028", "<|endoftext|>", 'a "quote" \\']
)
@pytest.mark.parametrize("stream", [True, False])
def test_echo_says_exactly_the_last_user_message(sandbox, text, stream):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": text},
    ]
    reply = sandbox.post("sandbox/echo", messages=messages, stream=stream)
    said = content(events(reply.text)) if stream else exact(reply.text)["choices"][0]["message"]["content"]
    assert said == text


def test_echo_of_parts_and_of_nothing(sandbox):
    parts = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]
    chunks = sandbox.stream("sandbox/echo", messages=[{"role": "user", "content": parts}])
    assert content(chunks) == "see"
    assert chunks[-2]["usage"]["prompt_tokens"] > 85
    assert content(sandbox.stream("sandbox/echo", messages=[{"role": "system", "content": "x"}])) == ""


def test_echo_of_a_lone_surrogate_does_not_break_the_stream(sandbox):
    body = b'{"model": "sandbox/echo", "stream": true, "messages": [{"role": "user", "content": "a\\ud800b"}]}'
    reply = sandbox.client.post("/chat/completions", content=body)
    assert content(events(reply.text)) == "a?b"


def test_long_ignores_the_cap(sandbox):
    usage = sandbox.stream("sandbox/long", max_tokens=10)[-2]
    assert 3800 < usage["usage"]["completion_tokens"] < 4200
    assert usage["choices"][0]["finish_reason"] == "stop"


def test_slow_answer_is_long_enough_to_interrupt(sandbox):
    assert sandbox.stream("sandbox/slow")[-2]["usage"]["completion_tokens"] > 150


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("model", "status"), [("sandbox/rate-limited", 429), ("sandbox/overloaded", 503), ("sandbox/no-credit", 402)]
)
def test_refusals_come_before_any_answer_and_cost_nothing(sandbox, model, status, stream):
    for _ in range(2):
        reply = sandbox.post(model, stream=stream)
        assert reply.status_code == status
        assert reply.json()["error"]["code"] == status
    assert sandbox.server.bill == {}


def test_refusals_say_why(sandbox):
    limited, overloaded, broke = (
        sandbox.post(f"sandbox/{name}") for name in ("rate-limited", "overloaded", "no-credit")
    )
    assert limited.headers["retry-after"] == "1"
    assert "rate-limited upstream" in limited.json()["error"]["metadata"]["raw"]
    assert overloaded.json()["error"]["metadata"]["raw"]["error"]["message"]
    assert broke.json()["error"]["message"].startswith("Insufficient credits")


@pytest.mark.parametrize("stream", [True, False])
def test_cut_breaks_the_connection_and_bills_what_was_sent(sandbox, stream):
    body = {"model": "sandbox/cut", "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}
    received = []
    with sandbox.client.stream("POST", "/chat/completions", json=body) as reply:
        generation_id = reply.headers["x-generation-id"]
        with pytest.raises(httpx.RemoteProtocolError):
            received.extend(received_piece for received_piece in reply.iter_text())
    text = "".join(received)
    assert "[DONE]" not in text
    assert 'finish_reason":"' not in text
    record = exact(sandbox.get("/generation", id=generation_id).text)["data"]
    assert record["cancelled"] is True
    assert record["finish_reason"] is None
    if stream:
        assert record["native_tokens_completion"] == len(deltas(events(text))) > 3
    expected = record["native_tokens_prompt"] * PROMPT_PRICE + record["native_tokens_completion"] * COMPLETION_PRICE
    assert record["total_cost"] == expected


def test_error_midstream_has_partial_text_error_usage_and_done(sandbox):
    *answer, error, done = sandbox.stream("sandbox/error-midstream")
    assert done == "[DONE]"
    assert content(answer) == "This answer goes well until the provider"
    assert all("error" not in chunk for chunk in answer)
    assert error["error"]["code"] == 502
    assert error["choices"][0]["finish_reason"] is None
    assert error["usage"]["completion_tokens"] == len(answer)
    assert sandbox.server.bill == {error["id"]: error["usage"]["cost"]}


def test_error_in_a_whole_answer_sits_in_the_choice(sandbox):
    choice = exact(sandbox.post("sandbox/error-midstream").text)["choices"][0]
    assert choice["finish_reason"] == "error"
    assert choice["error"]["code"] == 502
    assert choice["message"]["content"]


def test_length_is_truncated(sandbox):
    assert sandbox.stream("sandbox/length")[-2]["choices"][0]["finish_reason"] == "length"


def test_reasoning_thinks_unasked(sandbox):
    chunks = sandbox.stream("sandbox/reasoning")
    assert deltas(chunks, "reasoning")
    assert content(chunks)
    assert chunks[-2]["usage"]["completion_tokens_details"]["reasoning_tokens"] == len(deltas(chunks, "reasoning"))
