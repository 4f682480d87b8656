"""Whether there is anything to take in, told without looking at the calls themselves."""

from datetime import timedelta
from decimal import Decimal
from itertools import product

import pytest

from neuralterm.application.owners import has_ended
from neuralterm.application.records import Call
from neuralterm.application.recovery import Recovered, recover
from neuralterm.domain.models import Conversation, Cost, Message, MessageRole, MessageStatus
from neuralterm.infrastructure.ledger import SQLiteLedger
from neuralterm.infrastructure.leftovers import may_be_left
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from tests.fakes.clock import MONDAY_NOON, FakeClock
from tests.fakes.processes import FakeProcesses


class House:
    def __init__(self, database):
        self.database = database
        self.repository, self.ledger = SQLiteConversationRepository(database), SQLiteLedger(database)
        self.processes, self.clock = FakeProcesses(), FakeClock()
        self.processes.ended.add("dead")
        self.thread = Conversation()
        self.repository.save(self.thread)

    def open(self, owner, *, minutes_ago=0, journals=True, stores=True):
        answer = Message(
            conversation_id=self.thread.id, role=MessageRole.ASSISTANT, status=MessageStatus.PENDING, content=""
        )
        call = Call(
            "m",
            Cost.unsettled(Decimal("0.5")),
            conversation_id=self.thread.id,
            message_id=answer.id,
            owner=owner,
            started_at=MONDAY_NOON - timedelta(minutes=minutes_ago),
        )
        if stores:
            self.repository.add_message(answer)
            self.ledger.open_call(call)
        if journals:
            self.repository.journal.open(answer.id, call, self.thread)
            self.repository.journal.append(answer.id, "half an answer")

    def may_be_left(self):
        return may_be_left(
            self.database, lambda owner, begun: has_ended(owner, begun, self.processes, self.clock.now())
        )

    def recover(self):
        return recover(self.ledger, self.repository, self.processes, self.clock)


@pytest.fixture
def house(database):
    return House(database)


def test_nothing_is_left_where_nothing_runs(house):
    assert not house.may_be_left()


def test_nothing_is_left_of_calls_that_run_elsewhere(house):
    house.open("alive")
    house.open("alive too", journals=False)
    assert not house.may_be_left()


def test_one_dead_call_among_many_is_seen(house):
    for number in range(5):
        house.open(f"alive {number}")
    house.open("dead")
    assert house.may_be_left()


def test_an_answer_that_the_database_does_not_know_is_seen(house):
    house.open("alive")
    house.open("dead", stores=False)
    assert house.may_be_left()


OWNERS, AGES, JOURNALS, STORED = ("alive", "dead", None), (0, 59, 61, 24 * 60 + 1), (True, False), (True, False)


@pytest.mark.parametrize(
    ("owner", "minutes_ago", "journals", "stores"), [*product(OWNERS, AGES, JOURNALS, STORED)], ids=str
)
def test_whatever_can_be_recovered_is_seen_before_and_not_after(house, owner, minutes_ago, journals, stores):
    house.open("alive")
    house.open(owner, minutes_ago=minutes_ago, journals=journals, stores=stores)
    is_seen = house.may_be_left()
    recovered = house.recover()
    assert is_seen or recovered == Recovered()
    if recovered != Recovered():
        assert not house.may_be_left()
