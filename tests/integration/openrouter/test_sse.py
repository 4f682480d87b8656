import tracemalloc
from itertools import pairwise

import httpx_sse
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neuralterm.domain.exceptions import StreamInterruptedError
from neuralterm.infrastructure.openrouter.sse import ServerSentEvent, SSEDecoder


def decode(*blocks, **options):
    decoder = SSEDecoder(**options)
    return [event for block in blocks for event in decoder.feed(block)]


def data_of(*blocks):
    return [event.data for event in decode(*blocks)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", ["a", "b"], id="LF"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"], id="CRLF"),
        pytest.param(b"data: a\r\rdata: b\r\r", ["a", "b"], id="CR"),
        pytest.param(b"data: a\r\n\ndata: b\n\r\n", ["a", "b"], id="mixed"),
        pytest.param(b"data: a\ndata: b\n\n", ["a\nb"], id="several data lines"),
        pytest.param(b"data:a\n\n", ["a"], id="no space"),
        pytest.param(b"data:  a\n\n", [" a"], id="only one space is dropped"),
        pytest.param(b"data\n\n", [""], id="data without a colon"),
        pytest.param(b"data:\n\n", [""], id="empty data"),
        pytest.param(b"data:\ndata:\n\n", ["\n"], id="two empty data lines"),
        pytest.param(b": comment\n\n:\n\ndata: a\n\n", ["a"], id="comments"),
        pytest.param(b"id: 1\nretry: 5\nother: x\ndata: a\n\n", ["a"], id="other fields"),
        pytest.param(b" data: a\n\n", [], id="a field name is exact"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", ["a"], id="byte order mark"),
        pytest.param(b"data: a\n\n\xef\xbb\xbfdata: b\n\n", ["a"], id="byte order mark later on is no mark"),
        pytest.param(
            "data: a\u2028b\u2029c\u0085d\x0ce\n\n".encode(), ["a\u2028b\u2029c\u0085d\x0ce"], id="separators"
        ),
        pytest.param(b"data: \xff\xc3\n\n", ["\ufffd\ufffd"], id="invalid UTF-8"),
        pytest.param(b"data: a\n", [], id="not ended"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_standard(stream, expected):
    assert data_of(stream) == expected
    assert data_of(*(bytes([byte]) for byte in stream)) == expected


def test_event_type_belongs_to_one_event():
    assert decode(b"event: error\ndata: a\n\ndata: b\n\nevent: lost\n\ndata: c\n\n") == [
        ServerSentEvent("a", "error"),
        ServerSentEvent("b", "message"),
        ServerSentEvent("c", "message"),
    ]


def test_crlf_split_between_reads_is_one_line_end():
    assert data_of(b"data: a\r", b"\ndata: b\r", b"", b"\n\r", b"\n") == ["a\nb"]


@pytest.mark.parametrize("tail", [b"data: [DONE]", b"data: [DONE]\n", b"data: [DONE]\r"])
def test_close_returns_the_event_that_was_cut_off(tail):
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\n\n" + tail) == [ServerSentEvent("a")]
    assert decoder.close() == ServerSentEvent("[DONE]")
    assert decoder.close() is None


@pytest.mark.parametrize("stream", [b"", b"data: a\n\n", b": comment", b"event: x\n"])
def test_close_returns_nothing_when_nothing_was_cut_off(stream):
    decoder = SSEDecoder()
    decoder.feed(stream)
    assert decoder.close() is None


LINES = st.lists(
    st.one_of(
        st.builds("data: {}".format, st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))),
        st.sampled_from(
            ["", "", "data:x", "data", ": ping", "event: error", "id: 1", "retry: 3", "x", "\u2028", "\ufeff"]
        ),
    )
)

# What decides between one reading and another, and what some readers take for it.
PIECES = st.one_of(
    st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"data:", b"data: ", b"data", b":", b" ", b"event:", b"id: 1"]),
    st.sampled_from(
        [b"\xef\xbb\xbf", b"\xef", b"\xbb\xbf", b"\x00", b"\xe2\x80\xa8", b"\xc2\x85", b"\x0b", b"\xff", b"a"]
    ),
    st.sampled_from(["\U0001f600".encode(), b"[DONE]", b": ping\n\n", b"data: a\n\n", b"event: error"]),
    st.binary(max_size=3),
)
STREAMS = st.lists(PIECES, max_size=30).map(b"".join)


def by_the_standard(stream):
    """Read a whole stream as the standard words it, one step after the other; return its events and the one cut off."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    events, data, kind = [], "", ""
    for position, line in enumerate(lines):
        is_last = position == len(lines) - 1
        if line == "" and not is_last:
            if data:
                events.append(ServerSentEvent(data.removesuffix("\n"), kind or "message"))
            data = kind = ""
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data += value + "\n"
        elif name == "event":
            kind = value
    return events, ServerSentEvent(data.removesuffix("\n"), kind or "message") if data else None


def split(stream, cuts):
    borders = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(borders)]


@given(stream=STREAMS, cuts=st.lists(st.integers(0, 100)))
@example(stream=b"\xef\xbb\xbfdata: a\r\n\r\ndata: \xe2\x80\xa8\r\rdata: \x00", cuts=[0, 0, 1, 2, 11, 11, 12, 13, 14])
def test_any_split_of_any_stream_is_read_by_the_standard(stream, cuts):
    decoder = SSEDecoder()
    events = [event for block in split(stream, cuts) for event in decoder.feed(block)]
    assert (events, decoder.close()) == by_the_standard(stream)


@given(stream=st.binary(), cuts=st.lists(st.integers(0, 60)))
def test_any_bytes_are_survived_and_any_split_is_the_same(stream, cuts):
    assert decode(*split(stream, cuts)) == decode(stream)


@given(lines=LINES)
def test_agrees_with_httpx_sse_where_that_follows_the_standard(lines):
    # It keeps the byte order mark, and gives out events without data.
    lines = [line for line in lines if not line.startswith("\ufeff")]
    oracle = httpx_sse._decoders.SSEDecoder()
    events = [event for line in lines if (event := oracle.decode(line)) is not None]
    ours = decode("".join(f"{line}\n" for line in lines).encode())
    assert [event for event in ours if event.data] == [ServerSentEvent(e.data, e.event) for e in events if e.data]


def test_a_large_event_takes_linear_memory_and_arrives_whole():
    block = b"x" * 8192
    decoder = SSEDecoder()
    tracemalloc.start()
    decoder.feed(b"data: ")
    for _ in range(1024):
        assert decoder.feed(block) == []
    (event,) = decoder.feed(b"\n\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert event.data == "x" * (8192 * 1024)
    assert peak < 6 * 8192 * 1024


@pytest.mark.parametrize("stream", [b"data: 1234567890\n\n", b"data: 1234\ndata: 5678\n\n", b": 1234567890"])
@pytest.mark.parametrize("width", [1, 3, 100])
def test_an_event_beyond_the_limit_ends_the_stream(stream, width):
    blocks = [stream[start : start + width] for start in range(0, len(stream), width)]
    with pytest.raises(StreamInterruptedError, match="more than 10 bytes"):
        decode(*blocks, largest_event=10)


def test_the_limit_is_for_one_event_and_keep_alives_do_not_count():
    assert [event.data for event in decode(b": ping\ndata: abc\n\n" * 50, largest_event=10)] == ["abc"] * 50


def test_events_before_one_beyond_the_limit_are_delivered():
    decoder = SSEDecoder(largest_event=10)
    assert decoder.feed(b"data: a\n\ndata: 1234567890\n\n") == [ServerSentEvent("a")]
    with pytest.raises(StreamInterruptedError):
        decoder.feed(b"")
    with pytest.raises(StreamInterruptedError):
        decoder.close()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_only_data_may_make_a_long_line(mark):
    (event,) = decode(mark + b"data:" + b"x" * 99, b"y\n\n", longest_other_line=9)
    assert event.data == "x" * 99 + "y"
    for line in (b": " + b"x" * 99, b"datax: " + b"x" * 99, b"x" * 99):
        with pytest.raises(StreamInterruptedError, match="more than 9 bytes"):
            decode(mark + line, b"y\n\n", longest_other_line=9)
