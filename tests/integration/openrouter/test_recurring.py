"""Chunks that differ in their text alone are not parsed each; what comes out is what parsing gives."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neuralterm.application.deltas import Deltas
from neuralterm.domain.exceptions import NeuralTermError, OpenRouterAPIError
from neuralterm.infrastructure.openrouter import readers
from neuralterm.infrastructure.openrouter.completion import Completion, first_choice
from neuralterm.infrastructure.openrouter.decoding import parse_json
from neuralterm.infrastructure.openrouter.readers import EventStreamReader
from neuralterm.infrastructure.openrouter.recurring import learn
from neuralterm.infrastructure.openrouter.sse import ServerSentEvent

from .wire_doubles import chunk, sse


class _Parsing(EventStreamReader):
    """Reads every chunk on its own."""

    def feed(self, block, deltas):
        for event in self._decoder.feed(block):
            self._lessons = readers._MOST_LESSONS
            if not self.finished:
                self._take(event, deltas)


def read(kind, blocks, largest):
    """Everything that a reader makes of a stream: deltas, counts, what is known, the error."""
    generations, error = [], None
    completion = Completion("m", lambda: 0.0, generations.append, largest=largest)
    reader = kind(completion, lambda error: OpenRouterAPIError(str(error)))
    deltas = Deltas()
    try:
        for block in blocks:
            if not reader.finished:
                reader.feed(block, deltas)
        if not reader.finished:
            reader.close(deltas)
    except NeuralTermError as exc:
        error = type(exc), str(exc)
    return list(deltas), completion.choices, completion.pieces, completion.as_dict(), generations, error


def learnt(data):
    value = parse_json(data)
    return learn(data, value, first_choice(value))


def plain(text, name="content", **fields):
    return json.dumps({"id": "g", "choices": [{"index": 0, "delta": {name: text}, **fields}]})


TEXTS = st.one_of(
    st.text(max_size=8),
    st.text('\ud83d\ude00"\\\n\x7f\u2028é{}:,', max_size=4),
    st.sampled_from(["", '"}}]}', '","content":"x', "\\u0022", "\ud83d", "\ude00"]),
)
LITERALS = st.one_of(
    st.builds(json.dumps, TEXTS),
    st.builds(lambda text: json.dumps(text, ensure_ascii=False), st.text(st.characters(exclude_categories=["Cs"]))),
    st.sampled_from(
        ['"a" ', '"a"b"', '"\\x"', '"\\ud83d"', "null", "1", '"a", "content": "b"', '"a', '"\x01"', '"\\"', "[]"]
    ),
)
FRAMES = st.sampled_from(
    [
        '{"id":"g","model":"a","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}',
        '{"id":"g","model":"b","choices":[{"index":0,"delta":{"content":%s,"role":"assistant"}}],"usage":null}',
        '{"choices":[{"delta":{"role":"assistant","content":"","reasoning":%s}}]}',
        '{"choices":[{"delta":{"reasoning_content": %s, "tool_calls":[]}}]}',
        '{"choices":[{"delta":{"content":%s,"reasoning":"r"}}]}',
        '{"choices":[{"delta":{"content":%s,"content":"twice"}}]}',
        '{"choices":[{"delta":{"content":"twice","c\\u006fntent":%s}}]}',
        '{"content":"x","choices":[{"delta":{"content":%s}}]}',
        '{"choices":[{"delta":{"content":%s}},{"delta":{"content":"x"}}]}',
        '{"choices":[{"delta":{"content":%s},"finish_reason":"stop"}]}',
        '{"choices":[{"delta":{"content":%s}}],"usage":{"prompt_tokens":1}}',
        '{"choices":[{"delta":{"content":%s}}],"error":{"code":502,"message":"broke"}}',
        '{"choices":[{"message":{"content":%s}}]}',
        "%s",
    ]
)
NOISE = st.sampled_from([": ping\n\n", "event: error\n", "event: error\n", "\n", "data: {}\n\n", "data: [DONE]\n\n"])


@st.composite
def streams(draw):
    """A few kinds of chunks, each several times with another text, mixed with each other and with noise."""
    frames = draw(st.lists(FRAMES, min_size=1, max_size=3))
    literals = st.one_of(st.sampled_from(['"a"', '"b"', '"word "']), LITERALS)
    event = st.builds(lambda frame, literal: f"data: {frame % literal}\n\n", st.sampled_from(frames), literals)
    events = draw(st.lists(st.one_of(event, event, event, event, NOISE), max_size=12))
    return "".join(events).encode("utf-8", "replace")


@given(
    stream=streams(), cuts=st.lists(st.integers(0, 2000), max_size=4), largest=st.sampled_from([4, 30, 10_000, 10_000])
)
@example(stream="".join(f"data: {plain(text)}\n\nevent: error\n" for text in "abc").encode(), cuts=[], largest=9)
@example(
    stream="".join(f"data: {plain(text)}\n\n" for text in ("a", "\ud83d", "b", "\ud83d", "\ude00")).encode(),
    cuts=[],
    largest=9,
)
@example(stream="".join(f"data: {plain(text)}\n\n" for text in ("a", "bcd", "efghi", "j")).encode(), cuts=[], largest=7)
@example(
    stream="".join(
        f'data: {{"content":"{text}","choices":[{{"delta":{{"content":"a"}}}}]}}\n\n' for text in "abc"
    ).encode(),
    cuts=[],
    largest=9,
)
@example(
    stream="".join(
        f"data: {plain(text, finish_reason=reason)}\n\n"
        for text, reason in zip("abcd", ("length", "stop", "length", "length"), strict=True)
    ).encode(),
    cuts=[],
    largest=9,
)
def test_any_stream_is_read_as_if_each_chunk_were_parsed(stream, cuts, largest):
    borders = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    blocks = [stream[start:end] for start, end in pairwise(borders)]
    assert read(EventStreamReader, blocks, largest) == read(_Parsing, blocks, largest)


@pytest.mark.parametrize("name", ["content", "reasoning", "reasoning_content"])
def test_a_chunk_with_one_piece_of_text_recurs(name):
    recurring = learnt(plain("a", name))
    events = [ServerSentEvent(plain(text, name)) for text in ("", 'say "hi"\n', "é\ud83d", "\u2028")]
    assert recurring.texts(events, 0) == ["", 'say "hi"\n', "é\ud83d", "\u2028"]
    assert recurring.texts(events, 3) == ["\u2028"]
    assert recurring.is_reasoning == (name != "content")


@pytest.mark.parametrize(
    "other",
    [
        plain("b").replace('"g"', '"h"'),
        plain("b") + " ",
        plain("b")[:-1],
        plain("b").replace('"b"', '"b", "reasoning": "c"'),
        plain("b").replace('"b"', "null"),
        plain("b").replace('"b"', '"\n"'),
        plain("b", finish_reason="stop"),
    ],
)
def test_a_chunk_that_differs_in_more_does_not(other):
    assert learnt(plain("a")).texts([ServerSentEvent(other), ServerSentEvent(plain("c"))], 0) == []


@pytest.mark.parametrize(
    "data",
    [
        plain(""),
        plain("a", finish_reason="stop"),
        plain("a", native_finish_reason="stop"),
        plain("a", error={"code": 1}),
        plain(["a"]),
        plain("a", "refusal"),
        plain("a").replace("delta", "message"),
        '{"choices":[{"delta":{"content":"a"}}],"usage":{"cost":1}}',
        '{"choices":[{"delta":{"content":"a"}}],"error":"x"}',
        '{"choices":[{"delta":{"content":"a","tool_calls":[{}]}}]}',
        '{"choices":[{"delta":{"content":"a","content":"a"}}]}',
        '{"content":"a","choices":[{"delta":{"content":"a"}}]}',
    ],
)
def test_a_chunk_that_tells_more_than_a_text_is_parsed_each_time(data):
    assert learnt(data) is None


def test_chunks_that_recur_are_not_parsed(monkeypatch):
    parsed = []
    monkeypatch.setattr(json.JSONDecoder, "decode", lambda self, text: parsed.append(text) or self.raw_decode(text)[0])
    stream = sse(*(chunk(f"word {i}") for i in range(500)), "[DONE]")
    pairs, *_ = read(EventStreamReader, [stream[:5000], stream[5000:]], 10_000)
    assert [text for text, _ in pairs] == [f"word {i}" for i in range(500)]
    assert len(parsed) == 3  # the first two of them, and a trial


def test_chunks_that_never_recur_are_not_looked_at_for_ever(monkeypatch):
    parsed = []
    monkeypatch.setattr(json.JSONDecoder, "decode", lambda self, text: parsed.append(text) or self.raw_decode(text)[0])
    read(EventStreamReader, [sse(*(chunk("x", id=f"gen-{i}") for i in range(500)), "[DONE]")], 10_000)
    assert len(parsed) <= 500 + 16
