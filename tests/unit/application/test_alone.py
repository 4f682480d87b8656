import os
import signal
import socket
import threading

import pytest

from neuralterm.application import waiting
from neuralterm.application.alone import Alone, Cancelled


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_returns_what_the_function_returns():
    async def work():
        await waiting.sleep(0)
        return "done"

    assert Alone().run(work) == "done"


def test_an_error_comes_out_as_it_is():
    async def work():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Alone().run(work)


def test_waits_for_what_another_thread_sends(pair):
    ours, theirs = pair
    timer = threading.Timer(0.05, theirs.sendall, [b"x"])

    async def work():
        timer.start()
        assert await waiting.readable(ours.fileno(), 10)
        return ours.recv(9)

    assert Alone().run(work) == b"x"
    timer.join()


def test_there_may_be_nothing_to_read_and_no_room_to_write(pair):
    ours, _ = pair
    ours.setblocking(False)

    async def work():
        assert not await waiting.readable(ours.fileno(), 0.01)
        assert await waiting.writable(ours.fileno(), 0.01)
        try:
            while True:
                ours.send(bytes(65536))
        except BlockingIOError:
            return await waiting.writable(ours.fileno(), 0.01)

    assert Alone().run(work) is False


def test_a_block_is_left_when_its_time_is_over(pair):
    reached = []

    async def work():
        with waiting.move_on_after(0.01):
            await waiting.sleep(60)
            reached.append("inside")
        with waiting.move_on_after(None), waiting.move_on_after(60):
            await waiting.sleep(0)
            reached.append("in time")
        return "after"

    assert Alone().run(work) == "after"
    assert reached == ["in time"]


def test_of_nested_blocks_the_outer_one_is_left():
    reached = []

    async def work():
        with waiting.move_on_after(0.01):
            with waiting.move_on_after(0.01):
                await waiting.sleep(60)
            reached.append("between")

    Alone().run(work)
    assert reached == []


def test_stopped_before_it_waits():
    alone = Alone()

    async def work():
        alone.stop()
        await waiting.sleep(60)

    with pytest.raises(Cancelled):
        alone.run(work)


def test_stopped_although_it_never_has_to_wait(pair):
    alone, rounds = Alone(), []

    async def work():
        while True:
            rounds.append(None)
            if len(rounds) == 3:
                alone.stop()
            await waiting.checkpoint()

    with pytest.raises(Cancelled):
        alone.run(work)
    assert len(rounds) == 3


def test_what_is_left_to_do_after_it_was_stopped_may_wait_again():
    alone, ended = Alone(), []

    async def work():
        try:
            alone.stop()
            await waiting.sleep(60)
        finally:
            await waiting.sleep(0.01)
            ended.append(True)

    with pytest.raises(Cancelled):
        alone.run(work)
    assert ended == [True]


def test_a_signal_wakes_a_wait():
    alone = Alone()
    previous = signal.signal(signal.SIGUSR1, lambda *_: alone.stop())
    timer = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGUSR1])

    async def work():
        timer.start()
        await waiting.sleep(60)

    try:
        with pytest.raises(Cancelled):
            alone.run(work)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, previous)
    # Nobody else's signals are written into a descriptor that may be somebody else's by now.
    assert signal.set_wakeup_fd(-1) == -1


def test_a_watched_reader_that_goes_is_noticed():
    reading, writing = os.pipe()
    alone, seen = Alone(), []

    def look():
        seen.append(True)
        alone.stop()

    async def work():
        waiting.watch(writing, look)
        threading.Timer(0.05, os.close, [reading]).start()
        await waiting.sleep(60)

    with pytest.raises(Cancelled):
        alone.run(work)
    os.close(writing)
    assert seen == [True]


def test_who_was_stopped_does_not_get_what_came_at_the_same_time(pair):
    ours, theirs = pair
    reading, writing = os.pipe()
    alone, got = Alone(), []

    async def work():
        theirs.sendall(b"x")
        os.close(reading)
        waiting.watch(writing, alone.stop)
        await waiting.readable(ours.fileno(), 60)
        got.append(True)

    with pytest.raises(Cancelled):
        alone.run(work)
    os.close(writing)
    assert got == []


def test_a_watch_that_has_ended_sees_nothing():
    reading, writing = os.pipe()
    seen = []

    async def work():
        end = waiting.watch(writing, lambda: seen.append(True))
        end()
        os.close(reading)
        await waiting.sleep(0.01)

    Alone().run(work)
    os.close(writing)
    assert seen == []


def test_what_needs_an_event_loop_is_told_that_there_is_none():
    class Forever:
        def __await__(self):
            yield

    async def work():
        await Forever()

    with pytest.raises(RuntimeError, match="event loop"):
        Alone().run(work)


def test_runs_in_any_thread():
    outcome = []

    async def work():
        await waiting.sleep(0.001)
        return 1

    thread = threading.Thread(target=lambda: outcome.append(Alone().run(work)))
    thread.start()
    thread.join()
    assert outcome == [1]


@pytest.mark.anyio
async def test_under_an_event_loop_it_is_the_loop_that_waits(pair):
    ours, theirs = pair
    assert not await waiting.readable(ours.fileno(), 0.01)
    theirs.sendall(b"x")
    assert await waiting.readable(ours.fileno(), 10)
    assert await waiting.writable(ours.fileno(), 10)
    with waiting.move_on_after(0.01):
        await waiting.sleep(60)
    await waiting.checkpoint()
    assert waiting.watch(ours.fileno(), list) is None
