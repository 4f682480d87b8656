"""Async streams for synchronous callers."""

import asyncio
import contextlib
import subprocess
import sys
import threading
import traceback

import pytest

from neuralterm.components.stream_bridge import READ_AHEAD, StreamBridge
from neuralterm.domain.exceptions import RateLimitError, StreamInterruptedError

METADATA = {"usage": None, "message_id": "m1"}


@pytest.fixture(autouse=True)
def no_thread_is_left_behind():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


class Source:
    """A stream that remembers what became of it."""

    def __init__(self, *deltas, error=None, hang=False):
        self.deltas = deltas
        self.error = error
        self.hang = hang
        self.produced = 0
        self.threads = set()
        self.ended_by = None
        self.cleaned_up = False
        self.hanging = threading.Event()

    async def stream(self):
        try:
            for delta in self.deltas:
                await asyncio.sleep(0)
                self.threads.add(threading.get_ident())
                self.produced += 1
                yield delta, None
            if self.error is not None:
                raise self.error
            if self.hang:
                self.hanging.set()
                await asyncio.Event().wait()
            yield "", METADATA
        except BaseException as error:
            self.ended_by = type(error)
            raise
        finally:
            await asyncio.sleep(0)
            self.threads.add(threading.get_ident())
            self.cleaned_up = True


def test_plain_synchronous_code():
    bridge, source = StreamBridge(), Source("Hel", "lo", "!")
    assert list(bridge.stream(source.stream())) == ["Hel", "lo", "!"]
    assert bridge.content == "Hello!"
    assert bridge.metadata is METADATA
    assert source.cleaned_up


def test_nothing_is_known_before_the_first_stream():
    bridge = StreamBridge()
    assert bridge.content == ""
    assert bridge.metadata is None


def test_deltas_come_as_they_arrive():
    bridge, source = StreamBridge(), Source("one", hang=True)
    deltas = bridge.stream(source.stream())
    assert next(deltas) == "one"
    assert bridge.content == "one"
    assert bridge.metadata is None
    deltas.close()


@pytest.mark.anyio
async def test_inside_a_running_loop():
    bridge, source = StreamBridge(), Source("a", "b")
    assert list(bridge.stream(source.stream())) == ["a", "b"]
    assert bridge.metadata is METADATA
    assert threading.get_ident() not in source.threads


def test_one_thread_runs_the_stream_from_first_step_to_cleanup():
    source = Source(*"abc")
    list(StreamBridge().stream(source.stream()))
    assert len(source.threads) == 1


def test_a_bridge_takes_one_stream_after_the_other():
    bridge = StreamBridge()
    list(bridge.stream(Source("first", "one").stream()))
    with pytest.raises(StreamInterruptedError):
        list(bridge.stream(Source("second", error=StreamInterruptedError("cut")).stream()))
    assert bridge.content == "second"
    assert bridge.metadata is None
    assert list(bridge.stream(Source("third").stream())) == ["third"]
    assert bridge.content == "third"


def test_a_second_stream_at_the_same_time_is_refused():
    bridge, source = StreamBridge(), Source("a", "b")
    deltas = bridge.stream(source.stream())
    next(deltas)
    with pytest.raises(RuntimeError, match="busy"):
        next(bridge.stream(Source("x").stream()))
    assert list(deltas) == ["b"]
    assert bridge.content == "ab"


class TestErrors:
    def test_they_keep_type_attributes_and_traceback(self):
        bridge, error = StreamBridge(), RateLimitError(retry_after=7.0)
        with pytest.raises(RateLimitError) as raised:
            list(bridge.stream(Source("par", "tial", error=error).stream()))
        assert raised.value is error
        assert "raise self.error" in "".join(traceback.format_tb(error.__traceback__))
        assert bridge.content == "partial"

    @pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(3)], ids=repr)
    def test_those_that_are_no_exceptions_come_through_too(self, error):
        with pytest.raises(type(error)):
            list(StreamBridge().stream(Source("a", error=error).stream()))

    def test_before_the_first_delta(self):
        source = Source(error=ValueError("at once"))
        with pytest.raises(ValueError, match="at once"):
            list(StreamBridge().stream(source.stream()))
        assert source.cleaned_up


class TestLeavingEarly:
    def test_break_cancels_and_waits_for_the_cleanup(self):
        bridge, source = StreamBridge(), Source(*"abcdef", hang=True)
        deltas = bridge.stream(source.stream())
        for delta in deltas:
            if delta == "c":
                break
        deltas.close()
        assert source.ended_by in (GeneratorExit, asyncio.CancelledError)
        assert source.cleaned_up
        assert bridge.content == "abc"
        assert bridge.metadata is None

    def test_while_the_stream_waits_for_the_service(self):
        source = Source("a", hang=True)
        deltas = StreamBridge().stream(source.stream())
        next(deltas)
        assert source.hanging.wait(5)
        deltas.close()
        assert source.ended_by is asyncio.CancelledError
        assert source.cleaned_up

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
    def test_an_error_in_the_loop_body_is_the_one_that_is_seen(self, error):
        source = Source(*"abc", hang=True)
        deltas = StreamBridge().stream(source.stream())

        def consume():
            for _ in deltas:
                raise error

        with pytest.raises(error):
            consume()
        deltas.close()
        assert source.cleaned_up

    def test_an_error_thrown_in_is_the_one_that_comes_out(self):
        source = Source(*"abc", hang=True)
        deltas = StreamBridge().stream(source.stream())
        next(deltas)
        with pytest.raises(KeyboardInterrupt):
            deltas.throw(KeyboardInterrupt())
        assert source.cleaned_up

    def test_a_stream_at_its_end_may_finish(self):
        finishing, done = threading.Event(), []

        async def stream():
            yield "a", None
            yield "b", None
            yield "", METADATA
            finishing.set()
            for _ in range(100):
                await asyncio.sleep(0)
            done.append(True)

        deltas = StreamBridge().stream(stream())
        next(deltas)
        assert finishing.wait(5)
        deltas.close()
        assert done

    def test_an_error_of_the_cleanup_is_not_lost(self):
        async def stream():
            try:
                yield "a", None
                yield "b", None
            finally:
                raise StreamInterruptedError("could not close")

        deltas = StreamBridge().stream(stream())
        next(deltas)
        with pytest.raises(StreamInterruptedError, match="could not close"):
            deltas.close()

    def test_a_stream_that_ignores_its_cancellation_is_ended_at_its_next_item(self):
        waiting = threading.Event()

        async def stubborn():
            while True:
                try:
                    yield "a", None
                    waiting.set()
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    continue

        deltas = StreamBridge().stream(stubborn())
        next(deltas)
        assert waiting.wait(5)
        deltas.close()

    def test_the_bridge_can_be_used_again(self):
        bridge = StreamBridge()
        deltas = bridge.stream(Source("a", hang=True).stream())
        next(deltas)
        deltas.close()
        assert list(bridge.stream(Source("b").stream())) == ["b"]

    def test_a_stream_that_was_never_stepped_is_never_started(self):
        source = Source("a")
        StreamBridge().stream(source.stream()).close()
        assert source.produced == 0


class TestCleanup:
    @pytest.mark.parametrize("error", [None, StreamInterruptedError("cut")], ids=repr)
    def test_it_runs_after_the_stream_in_its_loop(self, error):
        source, seen = Source("a", error=error), []

        async def close():
            await asyncio.sleep(0)
            seen.append((source.cleaned_up, threading.get_ident()))

        with pytest.raises(StreamInterruptedError) if error else contextlib.nullcontext():
            list(StreamBridge().stream(source.stream(), close))
        assert seen == [(True, *source.threads)]

    def test_it_runs_when_the_stream_is_left(self):
        closed = []

        async def close():
            await asyncio.sleep(0)
            closed.append(True)

        deltas = StreamBridge().stream(Source("a", hang=True).stream(), close)
        next(deltas)
        deltas.close()
        assert closed


def test_a_slow_consumer_holds_the_stream_back():
    source = Source(*["x"] * 1000)
    deltas = StreamBridge().stream(source.stream())
    for seen in range(1, 200):
        next(deltas)
        assert source.produced <= seen + READ_AHEAD
    deltas.close()
    assert source.produced < 300


def test_an_iterator_without_aclose_will_do():
    class Countdown:
        def __init__(self):
            self.items = [("", METADATA), ("1", None), ("2", None)]

        def __aiter__(self):
            return self

        async def __anext__(self):
            if not self.items:
                raise StopAsyncIteration
            return self.items.pop()

    bridge = StreamBridge()
    assert list(bridge.stream(Countdown())) == ["2", "1"]
    assert bridge.metadata is METADATA


def test_importing_it_imports_nothing_heavy():
    code = "import sys, neuralterm.components.stream_bridge; print({'asyncio', 'anyio', 'httpx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
