from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from neuralterm.application.abandoned import abandon_dead_calls
from neuralterm.application.records import Call
from neuralterm.domain.models import Conversation, Cost, CostSource, Message, MessageRole, MessageStatus
from tests.fakes.clock import MONDAY_NOON, FakeClock
from tests.fakes.processes import FakeProcesses
from tests.fakes.storage import InMemoryConversationRepository, InMemoryLedger, MemoryStore


class House:
    def __init__(self):
        store = MemoryStore()
        self.repository, self.ledger = InMemoryConversationRepository(store), InMemoryLedger(store)
        self.processes, self.clock = FakeProcesses(), FakeClock()
        self.thread = Conversation()
        self.repository.save(self.thread)

    def open(self, owner, minutes=0, bound="0.5"):
        answer = Message(
            conversation_id=self.thread.id, role=MessageRole.ASSISTANT, status=MessageStatus.PENDING, content=""
        )
        self.repository.add_message(answer)
        self.repository.append_text(answer.id, "half an ans")
        call = Call(
            "m",
            Cost.unsettled(Decimal(bound)),
            conversation_id=self.thread.id,
            message_id=answer.id,
            owner=owner,
            started_at=MONDAY_NOON + timedelta(minutes=minutes),
            generation_id="gen-1",
            tags=("ci",),
        )
        self.ledger.open_call(call)
        return call

    def abandon(self):
        return abandon_dead_calls(self.ledger, self.repository, self.processes, self.clock)


@pytest.fixture
def house():
    return House()


def test_a_dead_call_is_interrupted_and_keeps_its_bound(house):
    call = house.open("dead")
    house.processes.ended.add("dead")

    assert house.abandon() == 1

    (kept,) = house.ledger.calls
    assert (kept.status, kept.owner, kept.generation_id, kept.tags) == (
        MessageStatus.INTERRUPTED,
        None,
        "gen-1",
        ("ci",),
    )
    assert kept.cost == Cost.unsettled(Decimal("0.5"))
    (answer,) = house.repository.get_messages(house.thread.id)
    assert (answer.id, answer.content, answer.status) == (call.message_id, "half an ans", MessageStatus.INTERRUPTED)
    assert answer.cost_source is CostSource.UNSETTLED


def test_a_call_that_may_live_is_left_alone(house):
    house.open("alive")

    assert house.abandon() == 0
    assert [call.status for call in house.ledger.running()] == [MessageStatus.PENDING]


@pytest.mark.parametrize(("minutes", "dead"), [(-60, 0), (-61, 1)])
def test_a_call_that_nobody_owns_lives_for_an_hour(house, minutes, dead):
    house.open(None, minutes)

    assert house.abandon() == dead


@pytest.mark.parametrize(("minutes", "dead"), [(-24 * 60, 0), (-24 * 60 - 1, 1)])
def test_no_call_lives_longer_than_a_day(house, minutes, dead):
    house.open("alive, it seems", minutes)

    assert house.abandon() == dead


def test_only_the_dead_are_counted(house):
    house.open("dead")
    house.open("alive")
    house.open("dead too")
    house.processes.ended |= {"dead", "dead too"}

    assert house.abandon() == 2
    assert [call.owner for call in house.ledger.running()] == ["alive"]


def test_a_call_whose_conversation_is_gone_is_abandoned_all_the_same(house):
    house.open("dead")
    house.processes.ended.add("dead")
    house.repository.delete(house.thread.id)

    assert house.abandon() == 1


def test_a_call_that_is_settled_in_between_keeps_its_cost(house):
    call = house.open("dead")
    house.processes.ended.add("dead")
    plain = house.ledger.transaction

    @contextmanager
    def settled_by_another_process():
        call.cost, call.status = Cost(Decimal("0.1"), CostSource.BILLED), MessageStatus.COMPLETE
        house.ledger.settle_call(call)
        with plain():
            yield

    house.ledger.transaction = settled_by_another_process

    assert house.abandon() == 0
    assert house.ledger.calls[0].cost == Cost(Decimal("0.1"), CostSource.BILLED)
