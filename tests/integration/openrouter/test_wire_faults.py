"""What can go wrong on the wire, from the socket to the stored record: error, exit code, status, text, id, money."""

import asyncio
import gzip
import json
from dataclasses import dataclass
from decimal import Decimal

import anyio
import pytest

from neuralterm.application.deltas import Deltas
from neuralterm.domain.exceptions import (
    InsufficientCreditsError,
    ModelUnavailableError,
    ModerationError,
    OpenRouterAPIError,
    RateLimitError,
    ServiceUnreachableError,
    StreamInterruptedError,
    StreamStalledError,
    TokenLimitError,
)
from neuralterm.domain.models import CostSource, MessageStatus
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.ledger import SQLiteLedger
from neuralterm.infrastructure.openrouter.completion import Completion
from neuralterm.infrastructure.openrouter.inflating import Inflater
from neuralterm.infrastructure.openrouter.limits import LARGEST_EVENT
from neuralterm.infrastructure.openrouter.readers import EventStreamReader
from neuralterm.infrastructure.repositories import SQLiteConversationRepository

from .wire_doubles import HEAD, HELLO, a_client, chunk, failure_of, raw_server, sse
from .wire_house import WireHouse

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("every_way")]

OPEN = HEAD + b"Connection: close\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BE = sse(chunk("Be"))
DONE = sse("[DONE]")
PAID = {"prompt_tokens": 5, "completion_tokens": 2, "cost": 0.25}
USAGE = sse(chunk("", finish="stop", usage=PAID))
CUT, FAILED, COMPLETE = MessageStatus.CUT, MessageStatus.FAILED, MessageStatus.COMPLETE


def framed(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def head(status=200, media_type="text/event-stream", *lines):
    first = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {media_type}", "X-Generation-Id: gen-head", *lines]
    return "\r\n".join([*first, "Connection: close", "", ""]).encode()


def erring(message="lost", code=502, **fields):
    return {"error": {"code": code, "message": message, **fields}}


@dataclass
class Fault:
    """A way in which an exchange goes wrong, and what must come of it. `text` is delivered and stored."""

    writes: tuple
    error: type | None = StreamInterruptedError
    exit_code: int = 9
    status: MessageStatus = CUT
    text: str = "Be"
    words: str = ""
    then: str = "close"
    paid: bool = False
    generation: str | None = "gen-head"


def fault(name, *writes, **expected):
    return pytest.param(Fault(writes, **expected), id=name)


def good(name, *writes, **expected):
    return fault(name, *writes, error=None, exit_code=0, status=COMPLETE, **expected)


def broken(name, *writes, **expected):
    """The service says so, and need not close the connection: we do."""
    return fault(name, *writes, **{"then": "hold", **expected})


def refused(name, *writes, error=OpenRouterAPIError, exit_code=6, **expected):
    """The service says no. Only what came under 200 began a generation."""
    status_line = writes[0].split(b"\r\n")[0] if writes else b""
    expected.setdefault("generation", "gen-head" if status_line.startswith(b"HTTP/1.1 200") else None)
    return fault(name, *writes, error=error, exit_code=exit_code, status=FAILED, text="", **expected)


CUTS = [
    fault("cut without [DONE]", OPEN, BE),
    fault("cut after the usage", OPEN, BE + USAGE, paid=True),
    fault("cut inside [DONE]", OPEN, BE + DONE[:8]),
    good("[DONE] without its blank line", OPEN, BE + USAGE + DONE[:-2], paid=True),
    fault("chunked and cut", CHUNKED, framed(BE)),
    fault("chunked and properly ended without [DONE]", CHUNKED, framed(BE), b"0\r\n\r\n"),
    good("chunked, [DONE], then cut", CHUNKED, framed(BE + USAGE + DONE), paid=True),
    good("it goes on after [DONE]", OPEN, BE + USAGE + DONE + sse(chunk("more"), erring()), paid=True),
    fault("broken framing", CHUNKED, framed(BE), b"xyz\r\n"),
    fault("a length that is negative", CHUNKED, framed(BE), b"-5\r\nabc\r\n"),
    good("a length too large, after [DONE]", head(200, "text/event-stream", "Content-Length: 9999"), BE + DONE),
    fault("a length too large", head(200, "text/event-stream", "Content-Length: 9999"), BE),
    fault("a length too small", head(200, "text/event-stream", f"Content-Length: {len(BE)}"), BE + DONE),
    good("HTTP/1.0 without a length", b"HTTP/1.0 200 OK\r\nX-Generation-Id: gen-head\r\n\r\n", BE + DONE),
    fault("HTTP/1.0 cut", b"HTTP/1.0 200 OK\r\nX-Generation-Id: gen-head\r\n\r\n", BE),
    fault("nothing after the head", OPEN, status=FAILED, text="", words="without an answer"),
    fault("only comments", OPEN, b": OPENROUTER PROCESSING\n\n" * 9, status=FAILED, text="", words="without an answer"),
    fault("only [DONE]", OPEN, DONE, status=FAILED, text="", words="without an answer"),
    fault("chunks without a choice", OPEN, sse({"x": 1}, {"choices": []}) + DONE, status=FAILED, text=""),
    fault("garbage in the place of a chunk", OPEN, BE + b"data: {garbage\n\n" + DONE, words="not a chunk"),
    good("garbage lines", OPEN, b"garbage\n\x00\xff\n:\n" + BE + b"gar: bage\nretry: x\n" + DONE),
    good("NUL and a byte order mark", OPEN, b"\xef\xbb\xbf" + BE + b"id: a\x00b\n" + DONE),
]

# `usage` comes with the error where the service sends it.
MID_STREAM = [
    broken("error, choices with a finish", OPEN, BE + sse(chunk("", finish="error", **erring()))),
    broken("error, no choices", OPEN, BE + sse({**erring(), "choices": []}) + DONE),
    broken("error alone", OPEN, BE + sse(erring()), words="broke off: lost"),
    broken("error in the usage chunk", OPEN, BE + sse(chunk("", usage=PAID, **erring())) + DONE, paid=True),
    broken("error, code in words", OPEN, BE + sse(chunk("", finish="error", **erring(code="server_error")))),
    broken("error, no code", OPEN, BE + sse({"error": {"message": "lost"}}), words="lost"),
    broken("error as text", OPEN, BE + sse({"error": "lost"}), words="lost"),
    broken("error, availability", OPEN, BE + sse({"error": {"message": "lost", "http_status": 503}}), words="lost"),
    broken(
        "error of an empty phrase",
        OPEN,
        BE + sse(erring("Provider returned error", metadata={"raw": "deep"})),
        words="deep",
    ),
    broken("error in the choice", OPEN, BE + sse({"choices": [{"delta": {"content": ""}, **erring()}]}), words="lost"),
    broken("error event with an object", OPEN, BE + b'event: error\ndata: {"message":"lost"}\n\n', words="lost"),
    broken("error event with words", OPEN, BE + b"event: error\ndata: lost\n\n", words="broke off: lost"),
    broken("an end that says error", OPEN, BE + sse(chunk("", finish="error")) + DONE),
    broken("error with text beside it", OPEN, sse(chunk("Be", **erring())), words="lost"),
    broken("error with the tail of a character", OPEN, sse(chunk("Be\ud83d"), erring()), text="Be\ufffd"),
]

INSTEAD = [
    refused("an error first", OPEN, sse(erring("slow", 429)), error=RateLimitError, exit_code=8),
    refused(
        "an error in JSON",
        head(200, "application/json"),
        json.dumps(erring("slow", 429)).encode(),
        error=RateLimitError,
        exit_code=8,
    ),
    refused(
        "an error in JSON called a stream",
        OPEN,
        json.dumps(erring("no", 402)).encode(),
        error=InsufficientCreditsError,
        exit_code=7,
    ),
    refused("an error in JSON called text", head(200, "text/plain"), b' \n{"error":"no"}', words="no"),
    refused(
        "the context window", OPEN, sse(erring("maximum context length is 9", 400)), error=TokenLimitError, exit_code=11
    ),
    refused("a web page", head(200, "text/html"), b"<html>log in", words="web page"),
    refused("a web page called a stream", OPEN, b"\n<!DOCTYPE html>", words="web page"),
    refused("a web page called JSON", head(200, "application/json"), b"<html>", words="web page"),
    refused(
        "a web page with 502",
        head(502, "text/html"),
        b"<title>Bad\x1b]0;x\x07</title>",
        error=ModelUnavailableError,
        exit_code=8,
    ),
    refused(
        "moderation",
        head(403, "application/json"),
        json.dumps(erring("no", 403, metadata={"reasons": ["x"]})).encode(),
        error=ModerationError,
    ),
    refused("a redirect", head(307, "text/plain", "Location: http://elsewhere.example/"), words="not followed"),
    refused("a redirect to nowhere", head(302, "text/plain"), words="nowhere"),
    refused("no content", head(204), words="HTTP 204"),
    refused("a status beyond all", b"HTTP/1.1 999 Whatever\r\n\r\n", exit_code=8),
]

BEFORE = [
    refused(
        "switching protocols",
        b"HTTP/1.1 101 Whatever\r\nUpgrade: x\r\n\r\n",
        error=ServiceUnreachableError,
        exit_code=8,
    ),
    refused("closed before the head", error=ServiceUnreachableError, exit_code=8),
    refused("reset before the head", then="reset", error=ServiceUnreachableError, exit_code=8),
    refused(
        "closed in the head", b"HTTP/1.1 200 OK\r\nContent-", error=ServiceUnreachableError, exit_code=8, generation=""
    ),
    refused("no HTTP", b"SSH-2.0-x\r\n", error=ServiceUnreachableError, exit_code=8),
    refused(
        "a head without end",
        b"HTTP/1.1 200 OK\r\n",
        *[b"X-Long: " + b"x" * 1000 + b"\r\n"] * 200,
        error=ServiceUnreachableError,
        exit_code=8,
        generation="",
    ),
    refused(
        "two lengths",
        head(200, "text/plain", "Content-Length: 1", "Content-Length: 2"),
        error=ServiceUnreachableError,
        exit_code=8,
        generation="",
    ),
]

PACKED = b"Content-Encoding: gzip\r\n"
COMPRESSED = [
    good("gzip", HEAD + PACKED + b"\r\n", gzip.compress(BE + USAGE + DONE), paid=True),
    good("gzip in bytes", HEAD + PACKED + b"\r\n", *[bytes([b]) for b in gzip.compress(BE + USAGE + DONE)], paid=True),
    fault("gzip, cut", HEAD + PACKED + b"\r\n", gzip.compress(BE), text="Be"),
    fault("gzip that is none", HEAD + PACKED + b"\r\n", BE + DONE, status=FAILED, text="", words="can't be read"),
    fault(
        "gzip twice", HEAD + b"Content-Encoding: gzip, gzip\r\n\r\n", BE, status=FAILED, text="", words="compression"
    ),
    fault("br", HEAD + b"Content-Encoding: br\r\n\r\n", BE, status=FAILED, text="", words="compression"),
    fault("a bomb", HEAD + PACKED + b"\r\n", gzip.compress(BE + b": " + bytes(300_000)), words="more than 65536 bytes"),
    refused("a bomb with 500", b"HTTP/1.1 500 No\r\n" + PACKED + b"\r\n", gzip.compress(bytes(10**7)), exit_code=8),
]

LARGE = [
    fault("an endless comment", OPEN, BE, b": " + b"x" * 99_999, words="more than 65536 bytes", then="hold"),
    fault("an endless line of something", OPEN, BE, b"x" * 99_999, words="more than 65536 bytes", then="hold"),
    fault(
        "a data line beyond the limit",
        OPEN,
        BE,
        b"data: " + b"x" * LARGEST_EVENT,
        then="hold",
        words="more than 33554432",
    ),
    good("a large event", OPEN, sse(chunk("é" * 3_000_000)) + DONE, text="é" * 3_000_000),
]


@pytest.fixture
def storage(tmp_path):
    database = Database(tmp_path / "neuralterm.db")
    yield SQLiteConversationRepository(database), SQLiteLedger(database)
    database.close()


@pytest.mark.parametrize("expected", [*CUTS, *MID_STREAM, *INSTEAD, *BEFORE, *COMPRESSED, *LARGE])
async def test_fault(expected, storage):
    async with raw_server(*expected.writes, then=expected.then) as server:
        outcome = await WireHouse(*storage, server.url, idle_timeout=20).ask()
        if expected.then == "hold":
            with anyio.fail_after(5):
                await server.gone.wait()
    assert [request[:4] for request in server.requests][:2] in ([b"POST"], [b"POST", b"GET "])
    assert type(outcome.error) is (expected.error or type(None))
    assert expected.words in str(outcome.error)
    assert "\n" not in str(outcome.error)
    assert outcome.exit_code == expected.exit_code
    assert len(outcome.finals) == (expected.error is None)
    message = outcome.message
    assert (message.status, message.content) == (expected.status, expected.text)
    assert outcome.delivered == expected.text
    assert outcome.answer.generation_id == (expected.generation or None)
    assert storage[1].running() == []
    assert not expected.paid or outcome.answer.cost.usd == Decimal("0.25")
    if not expected.paid and expected.text:
        assert outcome.answer.cost.source is CostSource.ESTIMATED


async def test_a_reset_keeps_what_was_read_before_it(storage):
    async with raw_server(OPEN, BE, then="reset") as server:
        outcome = await WireHouse(*storage, server.url).ask()
    assert type(outcome.error) is StreamInterruptedError
    assert outcome.delivered == outcome.message.content
    assert outcome.delivered in ("", "Be")  # a reset may overtake what was sent before it
    assert outcome.message.status in (FAILED, CUT)


def jumping(step):
    """A clock that moves on by `step` seconds whenever it is asked."""
    moments = iter(range(0, 10**9, step))
    return lambda: next(moments)


@pytest.mark.parametrize(
    ("headers", "padding"),
    [
        pytest.param(OPEN, b": OPENROUTER PROCESSING\n\n", id="comments"),
        pytest.param(OPEN, b"\n", id="blank lines"),
        pytest.param(OPEN, b"x", id="a line that does not end"),
        pytest.param(OPEN, b"id: 7\n", id="fields without data"),
        pytest.param(OPEN, sse({"choices": []}), id="chunks without a choice"),
        pytest.param(OPEN, sse(chunk(delta={"role": "assistant", "content": ""})), id="chunks without text"),
        pytest.param(OPEN, sse(chunk("", finish="stop", usage=PAID)), id="the same end again and again"),
        pytest.param(head(200, "application/json"), b"         \n", id="blank padding"),
        pytest.param(head(200, "application/json"), b'{"x":[' + b"1,", id="a document that does not end"),
    ],
)
async def test_signs_of_life_are_not_enough(headers, padding):
    async with (
        raw_server(headers, then=padding) as server,
        a_client(None, server.url, clock=jumping(25)) as client,
    ):
        _, error = await failure_of(client.chat_completion_stream(HELLO, "m"), StreamStalledError)
        with anyio.fail_after(5):
            await server.gone.wait()
    assert error.message == "the service sent no piece of the answer for 600 seconds, only signs of life"
    assert "--idle-timeout" in error.hint


async def test_each_piece_of_the_answer_begins_the_waiting_anew():
    pieces = [
        chunk("a"),
        chunk(delta={"reasoning": "b"}),
        chunk(delta={"refusal": "no"}),
        chunk(delta={"tool_calls": [{"index": 0}]}),
        chunk(delta={"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}),
    ]
    padded = [sse(piece) for piece in pieces for _ in range(8)]
    async with (
        raw_server(OPEN, *padded, DONE) as server,
        a_client(None, server.url, clock=jumping(400)) as client,
    ):
        items = [item async for item in client.chat_completion_stream(HELLO, "m")]
    assert items[-1]["content"] == "a" * 8


async def test_time_that_the_reader_of_the_answer_takes_does_not_count():
    now = 0.0
    async with (
        raw_server(OPEN, BE, b": ping\n\n", sse(chunk("!")) + DONE) as server,
        a_client(None, server.url, clock=lambda: now) as client,
    ):
        texts = []
        async for item in client.chat_completion_stream(HELLO, "m"):
            texts.append(item["content"])
            now += 10_000
    assert texts == ["Be", "!", "Be!"]


async def test_bytes_without_an_answer_are_not_read_for_ever():
    async with (
        raw_server(OPEN, BE, then=(b": " + b"x" * 60_000 + b"\n") * 16) as server,
        a_client(None, server.url) as client,
    ):
        items, error = await failure_of(client.chat_completion_stream(HELLO, "m"), StreamInterruptedError)
    assert [item["content"] for item in items] == ["Be"]
    assert "bytes without a piece of an answer" in error.message


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (sse(chunk("x" * 50)), {"content": "x" * 50}),
        (sse(chunk(delta={"refusal": "x" * 50})), {"refusal": "x" * 50}),
        (sse(chunk(delta={"tool_calls": [{"index": 0, "function": {"arguments": "x" * 50}}]})), {}),
        (sse(chunk(delta={"annotations": ["x" * 50]})), {"annotations": ["x" * 50]}),
    ],
)
def test_an_answer_without_end_ends(body, kind):
    completion = Completion("m", lambda: 0.0, largest=40)
    reader = EventStreamReader(completion, lambda error: OpenRouterAPIError(str(error)))
    with pytest.raises(StreamInterruptedError, match="longer than 40 characters"):
        reader.feed(body, Deltas())
    assert completion.as_dict().items() >= kind.items()


TRICKLES = {
    "a status line": ([b"HTTP/1.1 2"], b"0", ServiceUnreachableError),
    "a head": ([b"HTTP/1.1 200 OK\r\nX: "], b"x", ServiceUnreachableError),
    "early hints": ([], b"HTTP/1.1 103 Early Hints\r\n\r\n", ServiceUnreachableError),
    "the length of a block": ([CHUNKED, b"5;"], b"x", StreamStalledError),
    "empty compressed blocks": (
        [HEAD + PACKED + b"\r\n", gzip.compress(b"")[:10]],
        b"\x00\x00\x00\xff\xff",
        StreamStalledError,
    ),
    "comments": ([OPEN], b":\n", StreamStalledError),
    "padding": ([head(200, "application/json")], b" ", StreamStalledError),
    "an error body": ([b"HTTP/1.1 500 No\r\n\r\n"], b"x", OpenRouterAPIError),
}


async def test_trickles_end():
    """All at once, as each takes as long as its limit."""

    async def ends(name, writes, drops, kind):
        async with (
            raw_server(*writes, then=drops, pause=0.02) as server,
            a_client(None, server.url, idle_timeout=0.3) as client,
        ):
            with anyio.fail_after(20):
                _, error = await failure_of(client.chat_completion_stream(HELLO, "m"))
                await server.gone.wait()
        assert type(error) is kind, (name, error)
        return error

    errors = await asyncio.gather(*(ends(name, *what) for name, what in TRICKLES.items()))
    assert "within 1.5 seconds" in errors[0].message
    assert "for 1.5 seconds" in errors[3].message


@pytest.mark.parametrize("size", [1, 300])
def test_compressed_bytes_unfold_in_pieces(size):
    text = bytes(1_000_000) + b"end"
    inflater, pieces = Inflater("gzip"), []
    packed = gzip.compress(text)
    for start in range(0, len(packed), size):
        inflater.feed(packed[start : start + size])
        while piece := inflater.piece():
            pieces.append(piece)
    assert b"".join(pieces) == text
    assert max(map(len, pieces)) <= 65536


async def test_a_list_of_models_that_trickles_ends_too():
    async with (
        raw_server(b"HTTP/1.1 200 OK\r\n\r\n", then=b" ", pause=0.02) as server,
        a_client(None, server.url, idle_timeout=0.1) as client,
    ):
        with anyio.fail_after(20), pytest.raises(ServiceUnreachableError):
            await client.get_available_models()
