import threading

import pytest

from neuralterm.components.busy_line import BusyLine
from tests.fakes.clock import FakeClock

ERASE = "\r\x1b[K"


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def written():
    return []


@pytest.fixture
def line(written, clock):
    return BusyLine(written.append, lambda: 30, clock.monotonic)


def test_it_tells_how_long_it_has_been(line, written, clock):
    line.begin("waiting for a model")
    clock.advance(7.2)
    line.draw()
    assert written == [ERASE + "waiting for a model: 7 s"]


def test_it_goes_when_the_wait_is_over(line, written):
    line.begin("waiting")
    line.draw()
    line.end()
    line.end()
    line.draw()
    assert written == [ERASE + "waiting: 0 s", ERASE]


def test_what_was_never_drawn_is_not_erased(line, written):
    with line.shown("waiting"):
        line.put("text")
    assert written == ["text"]


def test_others_write_where_the_line_was(line, written):
    line.begin("waiting")
    line.draw()
    line.put("a note\n")
    line.draw()
    assert written == [ERASE + "waiting: 0 s", ERASE, "a note\n", ERASE + "waiting: 0 s"]


def test_it_leaves_an_open_line_of_others_alone(line, written):
    line.begin("waiting")
    line.put("a thought")
    line.draw()
    assert written == ["a thought"]
    line.put(" of two words\n")
    line.draw()
    assert written[2:] == [ERASE + "waiting: 0 s"]


def test_it_is_not_drawn_while_it_is_hidden(line, written):
    line.begin("waiting")
    line.draw()
    with line.hidden():
        line.draw()
    line.draw()
    assert written == [ERASE + "waiting: 0 s", ERASE, ERASE + "waiting: 0 s"]


def test_a_terminal_that_cannot_erase_is_told_once(written, clock):
    line = BusyLine(written.append, lambda: 30, clock.monotonic, erases=False)
    line.begin("waiting for a model")
    line.draw()
    line.draw()
    line.put("text\n")
    line.end()
    assert written == ["waiting for a model\n", "text\n"]


def test_it_never_fills_the_last_column(line, written):
    line.begin("waiting for " + "x" * 40)
    line.draw()
    assert len(written[0].removeprefix(ERASE)) == 29


def test_it_draws_until_the_wait_is_over(clock):
    drawn = threading.Event()
    line = BusyLine(lambda text: drawn.set(), lambda: 30, clock.monotonic, interval=0.001)
    with line.shown("waiting"):
        assert drawn.wait(10)
        (thread,) = [each for each in threading.enumerate() if each.name == "busy-line"]
    thread.join(10)
    assert not thread.is_alive()
