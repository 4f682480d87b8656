"""What signals do, without any signal."""

import signal

import pytest

from neuralterm.application.interruption import ONE_PRESS_S, InterruptedBySignal, Interruption

SIGHUP, SIGINT, SIGPIPE, SIGTERM = signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM


class World:
    """A process that ends only in words, and a clock."""

    def __init__(self):
        self.ended_with, self.stopped, self.now = [], [], 0.0
        self.interruption = Interruption(self.ended_with.append, lambda: self.now)

    def stop(self):
        self.stopped.append("all")

    def stop_piece(self):
        self.stopped.append("piece")


@pytest.fixture
def world():
    return World()


@pytest.fixture
def interruption(world):
    return world.interruption


@pytest.mark.parametrize(("signum", "code"), [(SIGHUP, 129), (SIGINT, 130), (SIGTERM, 143)])
def test_a_signal_raises_where_nothing_can_be_stopped(interruption, signum, code):
    assert not interruption.has_come
    with pytest.raises(InterruptedBySignal):
        interruption.arrive(signum)
    assert (interruption.has_come, interruption.exit_code) == (True, code)


def test_a_signal_stops_what_runs(world, interruption):
    with interruption.stopping(world.stop):
        interruption.arrive(SIGTERM)
        interruption.arrive(SIGTERM)
        interruption.arrive(SIGHUP)
    assert (world.stopped, interruption.exit_code, world.ended_with) == (["all"], 143, [])
    with pytest.raises(InterruptedBySignal):
        interruption.check()


def test_a_reader_that_is_gone_stops_it_as_a_closed_pipe_does(world, interruption):
    with interruption.stopping(world.stop):
        interruption.arrive(SIGPIPE)
    assert (world.stopped, interruption.reader_is_gone, interruption.exit_code) == (["all"], True, 141)
    with pytest.raises(BrokenPipeError):
        interruption.check()


@pytest.mark.parametrize(("first", "code"), [(SIGINT, 130), (SIGTERM, 143)])
def test_a_second_control_c_ends_the_process_after_all_is_restored(world, interruption, first, code):
    def fails():
        raise OSError("no terminal")

    interruption.before_end += [fails, lambda: world.stopped.append("restored")]
    with interruption.stopping(world.stop):
        interruption.arrive(first)
        world.now += ONE_PRESS_S * 2
        interruption.arrive(SIGINT)
    assert (world.ended_with, world.stopped) == ([code], ["all", "restored"])


def test_one_press_that_arrives_twice_is_one(world, interruption):
    with interruption.stopping(world.stop):
        interruption.arrive(SIGINT)
        world.now += ONE_PRESS_S / 2
        interruption.arrive(SIGINT)
    assert (world.ended_with, world.stopped) == ([], ["all"])


def test_control_c_in_a_piece_stops_only_the_piece(world, interruption):
    with interruption.stopping(world.stop):
        for _ in range(2):
            with interruption.stopping_piece(world.stop_piece):
                interruption.arrive(SIGINT)
                assert interruption.is_stopping
            assert not interruption.is_stopping
            interruption.check()
        assert world.stopped == ["piece", "piece"]
        interruption.arrive(SIGINT)
    assert (world.stopped[2:], interruption.exit_code) == (["all"], 130)


def test_a_second_control_c_in_a_piece_ends_the_process(world, interruption):
    with interruption.stopping(world.stop), interruption.stopping_piece(world.stop_piece):
        interruption.arrive(SIGINT)
        world.now += ONE_PRESS_S * 2
        interruption.arrive(SIGINT)
    assert (world.ended_with, world.stopped) == ([130], ["piece"])


@pytest.mark.parametrize("stopped_before", [False, True])
def test_other_signals_in_a_piece_stop_all(world, interruption, stopped_before):
    with interruption.stopping(world.stop), interruption.stopping_piece(world.stop_piece):
        if stopped_before:
            interruption.arrive(SIGINT)
        interruption.arrive(SIGHUP)
    assert (world.stopped[-1], interruption.exit_code, world.ended_with) == ("all", 129, [])


@pytest.mark.parametrize(("decided", "code"), [(None, 143), (0, 0), (9, 9)])
def test_at_the_very_end_a_signal_ends_the_process_with_what_was_decided(world, interruption, decided, code):
    interruption.close(decided)
    interruption.arrive(SIGTERM)
    assert world.ended_with == [code]
