import json
from decimal import Decimal
from itertools import pairwise

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.deltas import Deltas
from neuralterm.domain.exceptions import (
    ConfigurationError,
    InsufficientCreditsError,
    ModelUnavailableError,
    OpenRouterAPIError,
    RateLimitError,
    StreamInterruptedError,
    TokenLimitError,
    ValidationError,
)
from neuralterm.domain.models import TokenUsage
from neuralterm.infrastructure.openrouter import OpenRouterClient
from neuralterm.infrastructure.openrouter.completion import Completion
from neuralterm.infrastructure.openrouter.decoding import parse_json
from neuralterm.infrastructure.openrouter.readers import EventStreamReader

from .wire_doubles import CHAT_URL, FIXTURES, HELLO, chunk, collect, event_stream, failure_of, sse

pytestmark = pytest.mark.anyio

KEY = "sk-or-v1-0123456789abcdef"


@pytest.fixture
async def client():
    async with OpenRouterClient(KEY) as client:
        yield client


@pytest.fixture
def service():
    with respx.mock(assert_all_called=False) as router:
        yield router.post(CHAT_URL)


def texts(items):
    return [(item["content"], item["reasoning"]) for item in items if item["type"] == "delta"]


async def test_chat_completion_stream_yields_deltas(client, service):
    service.return_value = httpx.Response(
        200, content=(FIXTURES / "answer.sse").read_bytes(), headers={"content-type": "text/event-stream"}
    )
    items = await collect(client.chat_completion_stream(HELLO, "openai/gpt-4o-mini"))
    assert texts(items) == [("", "A greeting is due."), ("Grüß", ""), (" Gott 👋", "")]
    assert [item["type"] for item in items] == ["delta", "delta", "delta", "final"]


@pytest.fixture
def told(client):
    """A stream of the client, and everything that happened to it in the order of it."""

    async def run(**options):
        happened = []
        stream = client.chat_completion_stream(HELLO, "acme/large", **options)
        stream.on_generation = lambda generation_id: happened.append(generation_id)
        try:
            async for item in stream:
                happened.append(item["type"])  # noqa: PERF401  # a comprehension would lose what came before a failure
        except (StreamInterruptedError, OpenRouterAPIError) as error:
            happened.append(type(error))
        return happened

    return run


async def test_the_id_is_told_when_the_head_is_there(told, service):
    service.return_value = event_stream(chunk("a"), chunk("b"), "[DONE]", headers={"x-generation-id": "gen-head"})
    assert await told() == ["gen-head", "delta", "delta", "final"]
    service.return_value = event_stream(headers={"x-generation-id": "gen-head"})
    assert await told() == ["gen-head", StreamInterruptedError]


async def test_without_a_header_the_first_chunk_tells_it_before_its_own_text(told, service):
    service.return_value = event_stream({**chunk("a"), "id": None}, chunk("b"), {**chunk("c"), "id": "x"}, "[DONE]")
    assert await told() == ["gen-7", "delta", "delta", "delta", "final"]
    service.return_value = event_stream({**chunk("a"), "id": ""}, "[DONE]")
    assert await told() == ["delta", "final"]
    service.return_value = httpx.Response(200, json={**chunk(), "choices": [{"message": {"content": "a"}}]})
    assert await told(stream=False) == ["gen-7", "delta", "final"]


async def test_the_id_is_told_of_answers_that_fail_and_not_of_refusals(told, service):
    service.return_value = event_stream({**chunk("a"), "error": {"code": 502, "message": "x"}})
    assert await told() == ["gen-7", "delta", StreamInterruptedError]
    service.return_value = httpx.Response(402, json={"error": {"code": 402, "message": "x"}})
    assert await told() == [InsufficientCreditsError]


async def test_nobody_need_listen_for_the_id(client, service):
    service.return_value = event_stream(chunk("a"), "[DONE]")
    assert client.chat_completion_stream(HELLO, "m").on_generation is None
    assert len(await collect(client.chat_completion_stream(HELLO, "m"))) == 2


async def test_chat_completion_stream_yields_final_with_usage(client, service):
    service.return_value = httpx.Response(
        200,
        content=(FIXTURES / "answer.sse").read_bytes(),
        headers={"content-type": "text/event-stream", "x-generation-id": "gen-from-header"},
    )
    *_, final = await collect(client.chat_completion_stream(HELLO, "openai/gpt-4o-mini"))
    assert final.pop("latency_ms") >= final.pop("first_token_ms") >= 0
    assert final == {
        "type": "final",
        "content": "Grüß Gott 👋",
        "reasoning": "A greeting is due.",
        "refusal": None,
        "usage": TokenUsage(
            prompt_tokens=18,
            completion_tokens=9,
            total_tokens=27,
            reasoning_tokens=5,
            cached_tokens=4,
            cache_write_tokens=2,
            cost=Decimal("0.000041400000000000003"),
        ),
        "model": "openai/gpt-4o-mini-2024-07-18",
        "provider": "OpenAI",
        "generation_id": "gen-from-header",
        "finish_reason": "stop",
        "native_finish_reason": "completed",
        "tool_calls": None,
        "annotations": None,
    }


async def test_request_has_what_was_asked_for(client, service):
    service.return_value = event_stream(chunk("x"), "[DONE]")
    await collect(client.chat_completion_stream(HELLO, "m", None))
    await collect(
        client.chat_completion_stream(
            HELLO, "m", 0.2, 50, extra={"max_tokens": 9, "provider": {"max_price": {"prompt": Decimal("1.5")}}}
        )
    )
    first, second = (json.loads(call.request.content) for call in service.calls)
    assert first == {"model": "m", "messages": HELLO, "stream": True}
    assert second == {
        "model": "m",
        "messages": HELLO,
        "stream": True,
        "temperature": 0.2,
        "max_tokens": 9,
        "provider": {"max_price": {"prompt": 1.5}},
    }
    headers = service.calls[0].request.headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["user-agent"].startswith("neuralterm/")
    assert headers["x-openrouter-title"] == "neuralterm"
    assert headers["x-openrouter-categories"] == "cli-agent"
    assert "http-referer" in headers


async def test_without_a_key_no_authorization_is_sent(service):
    service.return_value = event_stream(chunk("x"), "[DONE]")
    async with OpenRouterClient("  ") as client:
        await collect(client.chat_completion_stream(HELLO, "m"))
    assert "authorization" not in service.calls[0].request.headers


async def test_nothing_is_sent_before_the_first_item_is_asked_for(client, service):
    stream = client.chat_completion_stream(HELLO, "m")
    assert stream.snapshot()["latency_ms"] == 0
    await stream.aclose()
    assert not service.called


@pytest.mark.parametrize("extra", [{"x": float("nan")}, {"x": object()}])
async def test_what_is_no_json_is_refused_before_any_request(client, service, extra):
    with pytest.raises(ValidationError):
        client.chat_completion_stream(HELLO, "m", extra=extra)


async def test_lone_surrogates_of_the_user_are_replaced(client, service):
    service.return_value = event_stream(chunk("x"), "[DONE]")
    await collect(client.chat_completion_stream([{"role": "user", "content": "a\udcffb"}], "m"))
    assert json.loads(service.calls[0].request.content)["messages"][0]["content"] == "a\ufffdb"


def test_json_import_available():
    completion = Completion("m", lambda: 0.0)
    reader = EventStreamReader(completion, lambda error: OpenRouterAPIError(str(error)))
    reader.feed(sse(chunk("a"), chunk("b"), "[DONE]"), deltas := Deltas())
    assert deltas.contents == ["a", "b"]
    assert reader.finished
    assert parse_json('{"cost": 7.5e-05, "nan": NaN}') == {"cost": Decimal("0.000075"), "nan": None}
    with pytest.raises(ValueError):
        parse_json("[" * 100_000)


async def test_odd_chunks_are_taken_as_they_come(client, service):
    service.return_value = event_stream(
        {"choices": []},
        {"id": "gen-7"},
        {"choices": None, "usage": None},
        {"choices": [None]},
        chunk(delta=None),
        chunk(delta={"content": None, "reasoning": None, "refusal": None}),
        chunk("a", unknown={"x": 1}),
        chunk(finish="stop", native="end_turn"),
        chunk("", finish="stop", usage={"prompt_tokens": 1, "completion_tokens": 2}),
        "[DONE]",
        chunk("too late"),
    )
    *deltas, final = await collect(client.chat_completion_stream(HELLO, "m"))
    assert texts(deltas) == [("a", "")]
    assert (final["finish_reason"], final["native_finish_reason"]) == ("stop", "end_turn")
    assert final["usage"].total_tokens == 3
    assert final["usage"].cost is None


async def test_done_without_a_finish_reason_is_complete(client, service):
    service.return_value = event_stream(chunk("a"), "[DONE]")
    *_, final = await collect(client.chat_completion_stream(HELLO, "asked/for"))
    assert final["finish_reason"] is None
    assert final["generation_id"] == "gen-7"


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ([("stop", None), ("tool_calls", None)], "stop"),
        ([("stop", None), ("length", None)], "length"),
        ([("length", None), ("stop", None)], "length"),
        ([("stop", None), ("content_filter", None)], "content_filter"),
        ([("content_filter", None), ("length", None)], "content_filter"),
        ([("tool_calls", "max_output_tokens")], "length"),
        ([("tool_calls", "MAX_TOKENS")], "length"),
        ([("tool_calls", "length")], "length"),
        ([("tool_calls", "tool_use")], "tool_calls"),
        ([("something new", "x")], "something new"),
    ],
)
async def test_finish_reason(client, service, reasons, expected):
    service.return_value = event_stream(*(chunk("a", finish=f, native=n) for f, n in reasons), "[DONE]")
    *_, final = await collect(client.chat_completion_stream(HELLO, "m"))
    assert final["finish_reason"] == expected


async def test_tool_calls_refusal_and_annotations_are_collected(client, service):
    def call(**fields):
        return chunk(delta={"content": None, "tool_calls": [fields]})

    service.return_value = event_stream(
        call(index=1, id="b", type="function", function={"name": "two", "arguments": ""}),
        call(index=0, id="a", type="function", function={"name": "one", "arguments": '{"x":'}),
        call(index=0, function={"arguments": "1}"}),
        chunk(delta={"content": "", "refusal": "I wo"}),
        chunk(delta={"content": "", "refusal": "n't."}),
        chunk(delta={"content": "", "annotations": [{"type": "url_citation"}]}),
        "[DONE]",
    )
    items = await collect(client.chat_completion_stream(HELLO, "m"))
    assert len(items) == 1
    assert items[0]["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "one", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "two", "arguments": ""}},
    ]
    assert items[0]["refusal"] == "I won't."
    assert items[0]["annotations"] == [{"type": "url_citation"}]


async def test_tool_calls_without_an_index(client, service):
    def call(**fields):
        return chunk(delta={"tool_calls": [fields]})

    service.return_value = event_stream(
        call(id="a", function={"name": "one", "arguments": "{"}),
        call(function={"arguments": "}"}),
        call(id="b", function={"name": "two", "arguments": "["}),
        call(id="b", function={"name": "", "arguments": "]"}),
        "[DONE]",
    )
    (final,) = await collect(client.chat_completion_stream(HELLO, "m"))
    assert [call["function"]["arguments"] for call in final["tool_calls"]] == ["{}", "[]"]


async def test_other_servers_may_send_parts_and_reasoning_content(client, service):
    service.return_value = event_stream(
        chunk(delta={"content": [{"type": "text", "text": "a"}, {"type": "x"}], "reasoning_content": "hm"}), "[DONE]"
    )
    items = await collect(client.chat_completion_stream(HELLO, "m"))
    assert texts(items) == [("a", "hm")]


@given(text=st.text(st.characters(min_codepoint=0xFFF0, max_codepoint=0x10FFFF), min_size=1), data=st.data())
def test_text_split_anywhere_in_utf_16_is_put_together_again(text, data):
    units = text.encode("utf-16-le", "surrogatepass")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(units) // 2))))
    borders = [0, *(2 * cut for cut in cuts), len(units)]
    pieces = [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(borders)]
    completion = Completion("m", lambda: 0.0)
    reader = EventStreamReader(completion, lambda error: OpenRouterAPIError(str(error)))
    reader.feed(sse(*map(chunk, pieces), "[DONE]"), deltas := Deltas())
    shown = "".join(deltas.contents)
    assert shown == completion.as_dict()["content"] == units.decode("utf-16-le", "replace")
    shown.encode()


@pytest.mark.parametrize("lone", [chr(0xD83D), chr(0xDE00)], ids=["first half", "second half"])
async def test_lone_surrogates_never_reach_the_caller(client, service, lone):
    service.return_value = event_stream(
        chunk("a" + lone, provider=lone, delta={"content": "a" + lone, "refusal": lone, "reasoning": "b" + lone}),
        chunk(delta={"tool_calls": [{"index": 0, "id": lone, "function": {"name": lone, "arguments": lone}}]}),
        chunk(delta={"annotations": [{lone: [lone]}]}),
        "[DONE]",
    )
    items = await collect(client.chat_completion_stream(HELLO, "m"))
    final = items[-1]
    assert final["content"] == "".join(content for content, _ in texts(items)) == "a\ufffd"
    assert final["reasoning"] == "".join(reasoning for _, reasoning in texts(items)) == "b\ufffd"
    json.dumps({**final, "usage": None}, ensure_ascii=False).encode()


async def test_error_before_any_text_is_the_error_itself(client, service):
    service.return_value = event_stream(
        chunk(""), {"error": {"code": 429, "message": "slow down"}, "choices": []}, headers={"retry-after": "7"}
    )
    items, error = await failure_of(client.chat_completion_stream(HELLO, "m"), RateLimitError)
    assert items == []
    assert (error.message, error.retry_after, error.status_code) == ("slow down", 7.0, 429)


@pytest.mark.parametrize(
    "begun",
    [{"content": "Be"}, {"content": "", "reasoning": "Be"}, {"tool_calls": [{"index": 0, "function": {"name": "x"}}]}],
)
async def test_error_after_text_interrupts_and_keeps_what_came(client, service, begun):
    failing = chunk("", error={"code": 503, "message": "over\x1b[31mloaded"}, usage={"prompt_tokens": 5, "cost": 0})
    service.return_value = event_stream(chunk(delta=begun), chunk(finish="length"), failing, "[DONE]")
    stream = client.chat_completion_stream(HELLO, "m")
    items, error = await failure_of(stream, StreamInterruptedError)
    assert "over[31mloaded" in error.message
    assert isinstance(error.__cause__, ModelUnavailableError)
    snapshot = stream.snapshot()
    assert snapshot["content"] == "".join(item["content"] for item in items)
    assert snapshot["usage"].cost == 0
    assert snapshot["usage"].prompt_tokens == 5


async def test_error_inside_a_choice(client, service):
    broken = chunk("and", finish="error")
    broken["choices"][0]["error"] = {"code": 502, "message": "lost"}
    service.return_value = event_stream(chunk("this "), broken, "[DONE]")
    items, error = await failure_of(client.chat_completion_stream(HELLO, "m"), StreamInterruptedError)
    assert texts(items) == [("this ", ""), ("and", "")]
    assert "lost" in error.message


async def test_finish_reason_error_without_an_error_object(client, service):
    usage = {"prompt_tokens": 5, "completion_tokens": 1}
    service.return_value = event_stream(chunk(finish="error"), chunk(usage=usage), "[DONE]")
    stream = client.chat_completion_stream(HELLO, "m")
    _, error = await failure_of(stream, ModelUnavailableError)
    assert error.retryable
    assert stream.snapshot()["usage"].prompt_tokens == 5
    service.return_value = event_stream(chunk("a", finish="error"), "[DONE]")
    await failure_of(client.chat_completion_stream(HELLO, "m"), StreamInterruptedError)


async def test_finish_reason_error_outweighs_any_other(client, service):
    service.return_value = event_stream(chunk("a", finish="length"), chunk(finish="error"), "[DONE]")
    await failure_of(client.chat_completion_stream(HELLO, "m"), StreamInterruptedError)


async def test_usage_stays_when_a_later_chunk_has_none(client, service):
    service.return_value = event_stream(chunk("a", usage={"prompt_tokens": 5}), chunk(usage=None), "[DONE]")
    *_, final = await collect(client.chat_completion_stream(HELLO, "m"))
    assert final["usage"].prompt_tokens == 5


async def test_error_as_an_event_of_its_own_type(client, service):
    body = b'event: error\ndata: {"code": 400, "message": "maximum context length is 10"}\n\n'
    service.return_value = httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})
    await failure_of(client.chat_completion_stream(HELLO, "m"), TokenLimitError)


@pytest.mark.parametrize(
    ("body", "shown", "words"),
    [
        pytest.param(b"", "", "closed the stream without an answer", id="nothing"),
        pytest.param(b": OPENROUTER PROCESSING\n\n", "", "closed the stream without an answer", id="only comments"),
        pytest.param(sse("[DONE]"), "", "without an answer", id="only the end"),
        pytest.param(sse(chunk("a")), "a", "before the answer was complete", id="no end"),
        pytest.param(sse(chunk("a", finish="stop")), "a", "before the answer", id="a finish reason is no end"),
        pytest.param(sse(chunk("a")) + b"data: [DO", "a", "before the answer", id="end cut off"),
        pytest.param(sse(chunk("a"), chunk("b"))[:-1], "ab", "before the answer", id="last blank line missing"),
        pytest.param(sse(chunk("a"), chunk("b"))[:-9], "a", "before the answer", id="last chunk cut off"),
        pytest.param(sse(chunk("a"), "{garbage"), "a", "not a chunk", id="garbage"),
        pytest.param(sse(chunk("a"), "[1]"), "a", "not a chunk", id="a list"),
        pytest.param(sse(chunk("a\ud83d")), "a\ufffd", "before the answer", id="half a character"),
    ],
)
async def test_incomplete_stream(client, service, body, shown, words):
    service.return_value = httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})
    stream = client.chat_completion_stream(HELLO, "m")
    items, error = await failure_of(stream, StreamInterruptedError)
    assert words in error.message
    assert stream.snapshot()["content"] == "".join(item["content"] for item in items) == shown


async def test_end_without_its_blank_line_counts(client, service):
    body = sse(chunk("a")) + b"data: [DONE]"
    service.return_value = httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})
    items = await collect(client.chat_completion_stream(HELLO, "m"))
    assert items[-1]["content"] == "a"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_whole_reply_is_one_delta(client, service, stream):
    body = b"\n         \n\n         \n" + (FIXTURES / "reply.json").read_bytes()
    service.return_value = httpx.Response(200, content=body, headers={"content-type": "application/json"})
    items = await collect(client.chat_completion_stream(HELLO, "m", stream=stream))
    assert json.loads(service.calls[0].request.content)["stream"] is stream
    assert texts(items) == [("Four.", "Two and two.")]
    final = items[-1]
    assert (final["model"], final["finish_reason"], final["generation_id"]) == (
        "acme/large-20260101",
        "stop",
        "gen-2-abc",
    )
    assert final["usage"] == TokenUsage(7, 3, 10, cost=Decimal(0), upstream_cost=Decimal("0.000019"), is_byok=True)
    assert final["annotations"][0]["type"] == "url_citation"


async def test_a_stream_that_was_not_asked_for_is_read_as_one(client, service):
    service.return_value = event_stream(chunk("a"), "[DONE]")
    items = await collect(client.chat_completion_stream(HELLO, "m", stream=False))
    assert items[-1]["content"] == "a"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'\n  \n{"error":{"message":"maximum context length is 5","code":400}}', TokenLimitError),
        (b'{"error":{"message":"flagged","code":502}}', ModelUnavailableError),
        (b'{"error":"just words"}', OpenRouterAPIError),
        (b"   \n  ", StreamInterruptedError),
        (b'{"choices":[{"message":{"content":"cut', StreamInterruptedError),
        (b'{"choices":[]}', StreamInterruptedError),
    ],
)
async def test_a_json_body_that_is_no_answer(client, service, body, kind, stream):
    service.return_value = httpx.Response(200, content=body, headers={"content-type": "application/json"})
    items, error = await failure_of(client.chat_completion_stream(HELLO, "m", stream=stream))
    assert items == []
    assert type(error) is kind


async def test_a_partial_answer_beside_an_error_in_json(client, service):
    reply = {
        "choices": [{"message": {"content": "half"}, "finish_reason": "error", "error": {"code": 502, "message": "x"}}]
    }
    service.return_value = httpx.Response(200, json=reply)
    items, error = await failure_of(client.chat_completion_stream(HELLO, "m"), StreamInterruptedError)
    assert texts(items) == [("half", "")]
    assert isinstance(error.__cause__, ModelUnavailableError)


async def test_a_web_page_is_no_answer(client, service):
    service.return_value = httpx.Response(200, html="<html>log in to the wireless network</html>")
    _, error = await failure_of(client.chat_completion_stream(HELLO, "m"), OpenRouterAPIError)
    assert "OPENROUTER_BASE_URL" in error.hint


@pytest.mark.parametrize("usage", [None, {}, [], {"prompt_tokens": None, "cost": "much"}, {"cost": -1}, {"cost": True}])
async def test_usage_without_numbers_is_unknown(client, service, usage):
    service.return_value = event_stream(chunk("a", usage=usage), "[DONE]")
    *_, final = await collect(client.chat_completion_stream(HELLO, "m"))
    assert final["usage"] is None


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 3, "total_tokens": 10}, TokenUsage(3, 7, 10)),
        ({"completion_tokens": 3, "total_tokens": 10}, TokenUsage(7, 3, 10)),
        ({"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": None}, TokenUsage(3, 4, 7)),
        ({"cost": 1}, TokenUsage(0, 0, 0, cost=Decimal(1))),
        (
            {"prompt_tokens": 1, "completion_tokens": 1, "cost_details": {"upstream_inference_cost": 2}},
            TokenUsage(1, 1, 2),
        ),
    ],
)
async def test_usage_with_parts_missing(client, service, usage, expected):
    service.return_value = event_stream(chunk("a", usage=usage), "[DONE]")
    *_, final = await collect(client.chat_completion_stream(HELLO, "m"))
    assert final["usage"] == expected


@pytest.mark.parametrize("digits", ["7.5e-05", "4.1400000000000003e-05", "0", "0.10", "12"])
async def test_cost_has_the_digits_that_were_sent(client, service, digits):
    text = json.dumps(chunk("a", usage={"cost": "COST"})).replace('"COST"', digits)
    service.return_value = event_stream(text, "[DONE]")
    *_, final = await collect(client.chat_completion_stream(HELLO, "m"))
    assert final["usage"].cost.as_tuple() == Decimal(digits).as_tuple()


async def test_an_absurd_cost_is_unknown(client, service):
    text = json.dumps(chunk("a", usage={"prompt_tokens": 1, "cost": 0})).replace('"cost": 0', '"cost": 1e999999')
    service.return_value = event_stream(text, "[DONE]")
    *_, final = await collect(client.chat_completion_stream(HELLO, "m"))
    assert final["usage"].cost is None


async def test_latencies_are_those_of_the_clock(service):
    # Asked at the beginning, before and after the one block, at the first piece, and at the end.
    ticks = iter([10.0, 10.0, 10.25, 10.25, 11.5])
    async with OpenRouterClient(KEY, clock=lambda: next(ticks)) as client:
        service.return_value = event_stream(chunk("a"), chunk("b"), "[DONE]")
        *_, final = await collect(client.chat_completion_stream(HELLO, "m"))
    assert (final["first_token_ms"], final["latency_ms"]) == (250, 1500)


async def test_the_key_is_in_no_text(client, service):
    service.return_value = httpx.Response(401, json={"error": {"message": f"wrong key {KEY}", "code": 401}})
    _, error = await failure_of(client.chat_completion_stream(HELLO, "m"))
    assert "wrong key [key]" in error.message
    texts = [repr(client), str(client), error.message, error.response_body, repr(error), repr(vars(error))]
    assert not [text for text in texts if KEY in text]


@pytest.mark.parametrize("key", ["two\nlines", "ключ", "with space"])
def test_a_key_that_is_none_is_refused_without_showing_it(key):
    with pytest.raises(ConfigurationError) as caught:
        OpenRouterClient(key)
    assert key not in caught.value.message


@pytest.mark.parametrize("url", ["openrouter.ai/api/v1", "ftp://host", "http://", "http://a\x00b", ""])
async def test_a_base_url_that_is_none(url):
    async with OpenRouterClient(KEY, url) as client:
        _, error = await failure_of(client.chat_completion_stream(HELLO, "m"))
    assert type(error) is ConfigurationError


async def test_batches_are_the_deltas_of_one_read_and_snapshot_has_the_rest(client, service):
    first, second = sse(chunk("a"), chunk("b"), chunk("", delta={"reasoning": "hm"})), sse(chunk("c"), "[DONE]")

    async def body():
        yield first[:-1]
        yield first[-1:] + second

    service.return_value = httpx.Response(200, content=body(), headers={"content-type": "text/event-stream"})
    stream = client.chat_completion_stream(HELLO, "m")
    batches = [list(deltas) async for deltas in stream.batches()]
    assert batches == [[("a", ""), ("b", "")], [("", "hm"), ("c", "")]]
    known = stream.snapshot()
    assert (known["content"], known["reasoning"], known["generation_id"]) == ("", None, "gen-7")


async def test_batches_end_with_what_went_wrong(client, service):
    service.return_value = event_stream(chunk("a"), chunk("b"), {"error": {"code": 502, "message": "x"}})
    batches = client.chat_completion_stream(HELLO, "m").batches()
    assert list(await anext(batches)) == [("a", ""), ("b", "")]
    with pytest.raises(StreamInterruptedError):
        await anext(batches)
