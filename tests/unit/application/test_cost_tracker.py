import sys
import threading
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.bounds import BudgetStatus
from neuralterm.application.cost_tracker import CostTracker
from neuralterm.application.events import DomainEvent, Events
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.models import MessageStatus, TokenUsage
from tests.fakes.events import Recorder, loud_bus

# $1 per thousand output tokens, a tenth of it per thousand prompt tokens.
MODEL = OpenRouterModel(id="test/model", pricing={"prompt": "0.0001", "completion": "0.001"})
UNPRICED = OpenRouterModel(id="openrouter/auto", pricing={"prompt": "-1", "completion": "-1"})


class Scene:
    """A tracker that counts words, on a bus of its own."""

    def __init__(self, limit=None, model=MODEL, **arguments):
        self.bus, self.events = loud_bus(), Recorder()
        arguments.setdefault("count_tokens", lambda text, model_id: len(text.split()))
        self.tracker = CostTracker(self.bus, None if limit is None else Decimal(limit), **arguments)
        if model is not None:
            self.tracker.set_model(model)
        self.bus.subscribe_all(self.tracker)
        self.bus.subscribe_all(self.events)
        self.conversation_id = uuid4()

    def start(self, prompt_tokens=None, **more):
        self._emit(Events.MESSAGE_STARTED, {"prompt_tokens": prompt_tokens, **more})

    def token(self, text):
        self._emit(Events.TOKEN_GENERATED, {"delta": text})

    def complete(self, cost=None, usage=None, **more):
        self._emit(Events.MESSAGE_COMPLETED, {"cost": cost, "usage": usage, **more})

    def warnings(self):
        return [type_ for type_ in self.events.types if type_.startswith("budget.")]

    def _emit(self, event_type, payload):
        self.bus.emit(DomainEvent(event_type, self.conversation_id, payload))


def test_cost_tracker_requires_event_bus():
    with pytest.raises(TypeError, match="event_bus"):
        CostTracker()


def test_no_orphan_event_bus():
    """What it says is heard on the injected bus, so it has no other."""
    scene = Scene("0.001")
    scene.start()
    scene.token("one two three")
    assert scene.warnings() == [Events.BUDGET_THRESHOLD, Events.BUDGET_EXCEEDED]
    assert scene.events.events[-1].conversation_id == scene.conversation_id


def test_message_started_resets_tracking():
    scene = Scene()
    scene.start()
    scene.token("text of an answer that never completed")
    assert scene.tracker.accumulated_cost > 0
    scene.start()
    assert scene.tracker.accumulated_cost == 0


def test_token_generated_estimates_cost():
    scene = Scene()
    scene.start(prompt_tokens=20)
    assert scene.tracker.accumulated_cost == Decimal("0.002")
    scene.token("one two ")
    scene.token("three")
    assert scene.tracker.accumulated_cost == Decimal("0.005")


def test_an_answer_in_one_piece_is_not_estimated_before_its_price_comes():
    scene = Scene("0.004")
    scene.start(streamed=False)
    scene.token("one two three four five six")
    assert (scene.tracker.accumulated_cost, scene.warnings()) == (0, [])
    scene.complete(cost=Decimal("0.0035"))
    assert scene.warnings() == [Events.BUDGET_THRESHOLD]
    scene.start()
    scene.token("one two")
    assert scene.warnings() == [Events.BUDGET_THRESHOLD, Events.BUDGET_EXCEEDED]


def test_without_a_counter_a_token_is_four_bytes():
    scene = Scene(count_tokens=None)
    scene.start()
    scene.token("ä" * 5)
    assert scene.tracker.accumulated_cost == Decimal("0.003")


def test_long_answers_are_counted_whole():
    scene = Scene()
    scene.start()
    for _ in range(1000):
        scene.token("word ")
    assert scene.tracker.accumulated_cost == 1


def test_reasoning_is_output():
    scene = Scene()
    scene.start()
    scene.bus.emit(DomainEvent(Events.REASONING_GENERATED, None, {"delta": "let me think"}))
    assert scene.tracker.accumulated_cost == Decimal("0.003")


def test_message_completed_calculates_actual_cost():
    scene = Scene()
    scene.start(prompt_tokens=1000)
    scene.token("an estimate of four")
    scene.complete(cost=Decimal("0.0123"), usage=TokenUsage(1, 1, 2))
    assert scene.tracker.accumulated_cost == Decimal("0.0123")
    scene.start()
    scene.complete(usage=TokenUsage(10, 20, 30))
    assert scene.tracker.accumulated_cost == Decimal("0.0333")


def test_a_cost_that_never_arrived_counts_as_estimated():
    scene = Scene()
    scene.start(prompt_tokens=10)
    scene.token("one two")
    scene.complete()
    assert scene.tracker.accumulated_cost == Decimal("0.003")


def test_budget_threshold_emits_event_at_80_percent():
    scene = Scene("0.010")
    scene.start()
    scene.token("1 2 3 4 5 6 7 ")
    assert scene.warnings() == []
    scene.token("8")
    assert scene.warnings() == [Events.BUDGET_THRESHOLD]
    assert scene.events.of(Events.BUDGET_THRESHOLD) == [
        {"name": "budget", "limit_usd": Decimal("0.010"), "spent_usd": Decimal("0.008"), "percent": 80}
    ]
    scene.token(" 9")
    scene.complete(cost=Decimal("0.008"))
    scene.start()
    scene.token("1")
    assert scene.warnings() == [Events.BUDGET_THRESHOLD]


def test_budget_exceeded_emits_event():
    scene = Scene("0.010")
    scene.start()
    scene.token("1 2 3 4 5 6 7 8 9 ")
    assert not scene.tracker.exceeded, "there is room for one more token"
    scene.token("10 11")
    assert scene.tracker.exceeded
    scene.token(" 12")
    scene.complete(cost=Decimal("0.012"))
    assert scene.warnings() == [Events.BUDGET_THRESHOLD, Events.BUDGET_EXCEEDED]
    (payload,) = scene.events.of(Events.BUDGET_EXCEEDED)
    assert (payload["spent_usd"], payload["percent"], payload["stopped"]) == (Decimal("0.011"), 110, True)


def test_an_answer_that_ended_by_itself_was_not_stopped():
    scene = Scene("0.010")
    scene.start()
    scene.token("1 2 3")
    scene.complete(cost=Decimal("0.012"))
    assert [payload["stopped"] for payload in scene.events.of(Events.BUDGET_EXCEEDED)] == [False]


def test_an_answer_is_to_stop_before_its_next_token_crosses_the_limit():
    scene = Scene("0.010")
    scene.start()
    scene.token("1 2 3 4 5 6 7 8 9 10")
    assert scene.tracker.exceeded
    assert not scene.tracker.overspent
    scene.complete(cost=Decimal("0.010"))
    assert not scene.tracker.exceeded, "all of it is not more than all of it"
    assert scene.warnings() == [Events.BUDGET_THRESHOLD]


def test_one_that_was_stopped_there_is_told():
    scene = Scene("0.010")
    scene.start()
    scene.token("1 2 3 4 5 6 7 8 9 10")
    scene.complete(cost=Decimal("0.010"), status=MessageStatus.STOPPED)
    (payload,) = scene.events.of(Events.BUDGET_EXCEEDED)
    assert (payload["spent_usd"], payload["percent"], payload["stopped"]) == (Decimal("0.010"), 100, True)


def test_more_than_the_limit_is_overspent():
    scene = Scene("0.010")
    scene.start()
    scene.token("1 2 3 4 5 6 7 8 9 10 11")
    assert scene.tracker.overspent
    assert len(scene.events.of(Events.BUDGET_EXCEEDED)) == 1


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ("0.0079", []),
        ("0.008", [Events.BUDGET_THRESHOLD]),
        ("0.01", [Events.BUDGET_THRESHOLD]),
        ("0.0101", [Events.BUDGET_THRESHOLD, Events.BUDGET_EXCEEDED]),
    ],
)
def test_answers_of_a_single_delta_are_watched_too(cost, expected):
    scene = Scene("0.010", model=None)
    scene.start()
    scene.token("ok")
    scene.complete(cost=Decimal(cost))
    assert scene.warnings() == expected


def test_an_answer_that_its_budget_stopped_is_told_of():
    scene = Scene("0.010")
    scene.start()
    scene.complete(cost=Decimal("0.005"), status=MessageStatus.TRUNCATED)
    assert scene.warnings() == []
    scene.start()
    scene.complete(cost=Decimal("0.001"), status=MessageStatus.STOPPED)
    assert scene.warnings() == [Events.BUDGET_EXCEEDED]
    assert not scene.tracker.exceeded


def test_exceeded_is_taken_back_when_the_estimate_was_too_high():
    scene = Scene("0.002")
    scene.start()
    scene.token("1 2 3")
    assert scene.tracker.exceeded
    scene.complete(cost=Decimal("0.001"))
    assert not scene.tracker.exceeded


def test_reset_begins_afresh():
    scene = Scene("0.001")
    for _ in range(2):
        scene.start()
        scene.complete(cost=Decimal("0.002"))
        assert scene.tracker.accumulated_cost == Decimal("0.002")
        scene.tracker.reset()
        assert scene.tracker.accumulated_cost == 0
    assert scene.warnings() == [Events.BUDGET_THRESHOLD, Events.BUDGET_EXCEEDED] * 2


def test_what_was_spent_before_counts_against_the_limit_only():
    scene = Scene("0.010", already_spent=Decimal("0.007"), name="day budget")
    scene.start()
    scene.token("one")
    assert scene.tracker.accumulated_cost == Decimal("0.001")
    (payload,) = scene.events.of(Events.BUDGET_THRESHOLD)
    assert (payload["name"], payload["spent_usd"], payload["percent"]) == ("day budget", Decimal("0.008"), 80)


def test_the_warning_level_can_be_set():
    scene = Scene("0.010", warning_level=Decimal("0.5"))
    scene.start()
    scene.token("1 2 3 4 5")
    assert scene.warnings() == [Events.BUDGET_THRESHOLD]


def test_a_budget_of_nothing_is_exceeded_by_anything():
    scene = Scene("0")
    scene.start()
    scene.complete(cost=Decimal(0))
    assert scene.warnings() == []
    scene.start()
    scene.complete(cost=Decimal("0.0000001"))
    assert scene.warnings() == [Events.BUDGET_THRESHOLD, Events.BUDGET_EXCEEDED]


def test_without_a_limit_nothing_is_said():
    scene = Scene()
    scene.start()
    scene.complete(cost=Decimal(1000))
    assert scene.warnings() == []
    assert not scene.tracker.exceeded


def test_a_price_of_minus_one_makes_no_negative_estimate():
    scene = Scene(model=UNPRICED)
    scene.start(prompt_tokens=1000)
    scene.token("some text")
    assert scene.tracker.accumulated_cost == 0


@given(st.lists(st.decimals("0.0001", 1, places=6), min_size=1, max_size=12), st.decimals("0.01", 3, places=4))
def test_each_warning_comes_once_and_when_it_is_due(costs, limit):
    scene = Scene(limit)
    for cost in costs:
        scene.start()
        scene.complete(cost=cost)
    spent = sum(costs)
    assert scene.tracker.accumulated_cost == spent
    due = [Events.BUDGET_THRESHOLD] * (spent >= limit * Decimal("0.8")) + [Events.BUDGET_EXCEEDED] * (spent > limit)
    assert scene.warnings() == due


@pytest.fixture
def hasty_threads():
    """Let threads take turns after every few instructions, so that they meet in the middle of things."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_a_budget_whose_limit_has_changed_is_warned_of_again():
    scene = Scene()
    told = []
    for limit in ("0.010", "0.010", "0.011"):
        scene.tracker.watch([_status("ceiling", limit)])
        scene.start()
        scene.complete(cost=Decimal("0.009"))
        told.append(len(scene.warnings()))
    assert told == [1, 1, 2]


def test_answers_that_complete_in_many_threads_are_all_counted_and_warned_of_once():
    scene = Scene("1.000", model=None)
    begin = threading.Barrier(8)

    def spend():
        begin.wait()
        for _ in range(200):
            scene.complete(cost=Decimal("0.001"))

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scene.tracker.accumulated_cost == Decimal("1.6")
    assert sorted(scene.warnings()) == [Events.BUDGET_EXCEEDED, Events.BUDGET_THRESHOLD]


def test_where_no_budget_counts_an_answer_nothing_is_counted():
    counts = []

    def count(text, model_id):
        counts.append(text)
        return 1

    bus = loud_bus()
    tracker = CostTracker(bus, count_tokens=count)
    bus.subscribe_all(tracker)
    tracker.set_model(OpenRouterModel("a", pricing={"prompt": "1", "completion": "1"}))
    tracker.watch([])
    bus.emit(DomainEvent(Events.MESSAGE_STARTED, None, {"prompt_tokens": 3}))
    for _ in range(10):
        bus.emit(DomainEvent(Events.TOKEN_GENERATED, None, {"delta": "word " * 50}))
        assert not tracker.exceeded
        assert not tracker.overspent
    assert counts == []
    assert tracker.accumulated_cost == 4
    assert counts == ["word " * 500]


def test_far_from_every_level_nothing_is_counted():
    counts = []
    scene = Scene(limit="1", count_tokens=lambda text, model_id: counts.append(text) or len(text.split()))
    scene.start()
    for _ in range(10):
        scene.token("word ")  # one of 800 that reach the level
        assert not scene.tracker.exceeded
        assert not scene.tracker.overspent
    assert not scene.tracker.has_more_tokens_than(100)
    assert counts == []
    for _ in range(790):
        scene.token("word ")
    assert scene.warnings() == ["budget.threshold"]
    assert counts


def _status(name, limit):
    return BudgetStatus(Budget(name, Decimal(limit), Window.DAY), Decimal("0.0005"), Decimal(0), Decimal(limit), None)


class _Counting(CostTracker):
    """Compares with every level each time, however far it is."""

    def _is_quiet(self, more=0):
        return False


@given(
    limits=st.lists(st.sampled_from(["0", "0.002", "0.005", "0.01", "0.1"]), min_size=1, max_size=3),
    already=st.sampled_from(["0", "0.001", "0.05"]),
    prompt_tokens=st.sampled_from([0, 3, 40]),
    answers=st.lists(st.lists(st.text("ab é", max_size=9), max_size=12), min_size=1, max_size=3),
    model=st.sampled_from([MODEL, UNPRICED, None]),
)
def test_what_is_far_away_is_left_out_and_nothing_else(limits, already, prompt_tokens, answers, model):
    def follow(kind):
        bus, events = loud_bus(), Recorder()
        tracker = kind(
            bus, Decimal(limits[0]), count_tokens=lambda text, _: len(text.encode()), already_spent=Decimal(already)
        )
        bus.subscribe_all(tracker)
        bus.subscribe_all(events)
        if model is not None:
            tracker.set_model(model)
        seen = []
        for answer in answers:
            tracker.watch(_status(f"budget {at}", limit) for at, limit in enumerate(limits[1:]))
            bus.emit(DomainEvent(Events.MESSAGE_STARTED, None, {"prompt_tokens": prompt_tokens}))
            for delta in answer:
                seen.append((tracker.exceeded, tracker.has_more_tokens_than(20)))
                bus.emit(DomainEvent(Events.TOKEN_GENERATED, None, {"delta": delta}))
                seen.append(tracker.overspent)
            bus.emit(DomainEvent(Events.MESSAGE_COMPLETED, None, {"cost": None, "usage": None}))
        return seen, [
            (event.event_type, event.payload) for event in events.events if event.event_type.startswith("budget")
        ]

    assert follow(CostTracker) == follow(_Counting)
