import dataclasses
import logging
import threading
from uuid import uuid4

import pytest

from neuralterm.application.events import DomainEvent, EventBus, EventObserver, Events
from tests.fakes.events import Recorder


class Failing(EventObserver):
    def on_event(self, event):
        raise RuntimeError("this observer is broken")


def test_subscribe_and_emit():
    bus, recorder = EventBus(), Recorder()
    bus.subscribe(Events.TOKEN_GENERATED, recorder)
    event = DomainEvent(Events.TOKEN_GENERATED, uuid4(), {"delta": "x"})
    bus.emit(DomainEvent(Events.MESSAGE_STARTED))
    bus.emit(event)
    assert recorder.events == [event]


def test_subscribe_all_receives_all_events():
    bus, recorder = EventBus(), Recorder()
    bus.subscribe_all(recorder)
    for event_type in (Events.MESSAGE_STARTED, Events.BUDGET_EXCEEDED, "of.another.kind"):
        bus.emit(DomainEvent(event_type))
    assert recorder.types == ["message.started", "budget.exceeded", "of.another.kind"]


def test_error_isolation(caplog, capsys):
    """A failing observer is logged with its traceback, never printed, and the next one still hears."""
    bus, recorder = EventBus(), Recorder()
    bus.subscribe("x", Failing())
    bus.subscribe("x", recorder)
    with caplog.at_level(logging.ERROR):
        bus.emit(DomainEvent("x"))
    assert recorder.types == ["x"]
    (record,) = caplog.records
    assert record.name == "neuralterm.application.events"
    assert "Failing failed on x" in record.getMessage()
    assert "this observer is broken" in str(record.exc_info[1])
    assert capsys.readouterr().out == ""


def test_failures_can_be_made_loud():
    def reraise(observer, event, error):
        raise error

    bus = EventBus(on_error=reraise)
    bus.subscribe_all(Failing())
    with pytest.raises(RuntimeError):
        bus.emit(DomainEvent("x"))


def test_an_interrupt_is_not_isolated():
    class Interrupting(EventObserver):
        def on_event(self, event):
            raise KeyboardInterrupt

    bus = EventBus()
    bus.subscribe_all(Interrupting())
    with pytest.raises(KeyboardInterrupt):
        bus.emit(DomainEvent("x"))


def test_event_immutability():
    event = DomainEvent("x", payload={"a": 1})
    for name, value in (("event_type", "y"), ("conversation_id", uuid4()), ("payload", None)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(event, name, value)
    assert event == DomainEvent("x", None, {"a": 1})


def test_observers_of_the_type_hear_first_in_the_order_of_subscription():
    heard = []

    class Named(EventObserver):
        def __init__(self, name):
            self.name = name

        def on_event(self, event):
            heard.append(self.name)

    bus = EventBus()
    bus.subscribe_all(Named("all"))
    for name in ("first", "second"):
        bus.subscribe("x", Named(name))
    bus.emit(DomainEvent("x"))
    assert heard == ["first", "second", "all"]


def test_an_observer_may_emit_and_subscribe():
    recorder = Recorder()

    class Answering(EventObserver):
        def on_event(self, event):
            if event.event_type == "question":
                bus.subscribe("answer", recorder)
                bus.emit(DomainEvent("answer"))

    bus = EventBus()
    bus.subscribe_all(Answering())
    bus.emit(DomainEvent("question"))
    assert recorder.types == ["answer"]


def test_subscribing_while_another_thread_emits():
    bus, counted = EventBus(), Recorder()
    bus.subscribe("x", counted)
    begin = threading.Barrier(4)
    failures = []

    def emit():
        begin.wait()
        try:
            for _ in range(500):
                bus.emit(DomainEvent("x"))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=emit) for _ in range(3)]
    for thread in threads:
        thread.start()
    begin.wait()
    late = [Recorder() for _ in range(200)]
    for recorder in late:
        bus.subscribe("x", recorder)
        bus.subscribe_all(recorder)
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(counted.events) == 1500
    bus.emit(DomainEvent("x"))
    assert all(len(recorder.events) >= 2 for recorder in late)


def test_names_are_those_of_the_contract():
    assert (
        Events.MESSAGE_STARTED,
        Events.TOKEN_GENERATED,
        Events.MESSAGE_COMPLETED,
        Events.BUDGET_THRESHOLD,
        Events.BUDGET_EXCEEDED,
        Events.CONTEXT_TRUNCATED,
    ) == (
        "message.started",
        "token.generated",
        "message.completed",
        "budget.threshold",
        "budget.exceeded",
        "context.truncated",
    )
