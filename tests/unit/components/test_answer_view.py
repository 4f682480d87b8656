"""How many times an answer is written, however many deltas it comes in."""

import io
import json
from uuid import UUID

import pytest

from neuralterm.application.events import DomainEvent, Events
from neuralterm.components.answer_view import NdjsonView, TextView
from neuralterm.components.console import Console
from neuralterm.domain.exceptions import StreamInterruptedError

CONVERSATION = UUID("018f0000-0000-7000-8000-000000000002")


class Stdout(io.StringIO):
    """Keeps what was written apart; fails with `failure` when it has one."""

    def __init__(self):
        super().__init__()
        self.written = []
        self.failure = None

    def write(self, text):
        if self.failure is not None:
            raise self.failure
        self.written.append(text)
        return len(text)


@pytest.fixture
def stdout():
    return Stdout()


@pytest.fixture
def view(stdout):
    return NdjsonView(Console(stdout=stdout, stderr=io.StringIO()))


def token(delta):
    return DomainEvent(Events.TOKEN_GENERATED, CONVERSATION, {"delta": delta})


def test_the_text_of_a_read_is_written_once(stdout):
    view = TextView(Console(stdout=stdout, stderr=io.StringIO()))
    view.delta("Hello\n")
    view.delta(" you\n\n")
    view.close(None)
    assert stdout.written == ["Hello", "\n you", "\n"]


def test_the_lines_of_a_read_are_written_once(view, stdout):
    for number in range(100):
        view.on_event(token(f"word {number}"))
    assert stdout.written == []
    view.delta("all of it")
    view.delta("nothing more")
    (written,) = stdout.written
    assert [json.loads(line)["delta"] for line in written.splitlines()] == [f"word {number}" for number in range(100)]


def test_lines_keep_their_order_and_other_events_do_not_wait(view, stdout):
    view.on_event(token("a"))
    view.on_event(DomainEvent(Events.CONTEXT_TRUNCATED, CONVERSATION, {"dropped": 1}))
    assert [json.loads(line)["type"] for line in stdout.written[0].splitlines()] == [
        "token.generated",
        "context.truncated",
    ]
    view.on_event(token("b"))
    view.close(None)
    assert [json.loads(line)["delta"] for line in stdout.written[1:]] == ["b"]


def test_what_went_wrong_with_printing_is_raised_with_the_next_delta(view, stdout):
    stdout.failure = OSError(28, "No space left on device")
    view.on_event(DomainEvent(Events.MESSAGE_STARTED, CONVERSATION, {}))
    view.on_event(token("a"))
    stdout.failure = None
    for _ in range(2):
        with pytest.raises(StreamInterruptedError):
            view.delta("a")
    assert stdout.written == []
