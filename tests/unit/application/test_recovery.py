from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from neuralterm.application.journal import Unsaved
from neuralterm.application.records import Call
from neuralterm.application.recovery import Recovered, recover
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

    def open(self, owner, minutes=0, bound="0.5", text="half an ans"):
        answer = Message(
            conversation_id=self.thread.id, role=MessageRole.ASSISTANT, status=MessageStatus.PENDING, content=""
        )
        self.repository.add_message(answer)
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
        self.repository.journal.open(answer.id, call, self.thread)
        self.repository.journal.append(answer.id, text)
        return call

    def abandon(self):
        return self.recover().abandoned

    def recover(self):
        return recover(self.ledger, self.repository, self.processes, self.clock)


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


class TestJournal:
    """What the journal has besides the calls that run."""

    def ended(self, house, owner="dead", text="the whole ans"):
        """A call whose end the database did not take."""
        call = house.open(owner)
        answer = house.repository.get_messages(house.thread.id)[-1]
        answer.content, answer.status, answer.cost = text, MessageStatus.COMPLETE, Decimal("0.25")
        settled = replace(
            call, cost=Cost(Decimal("0.25"), CostSource.BILLED), status=MessageStatus.COMPLETE, owner=None
        )
        question = Message(conversation_id=house.thread.id, content="why?")
        house.repository.journal.keep(answer.id, Unsaved(settled, [question, answer]))
        return call

    def test_an_answer_is_stored_as_it_ended(self, house):
        self.ended(house)
        house.processes.ended.add("dead")

        assert house.recover() == Recovered(merged=1)
        assert house.recover() == Recovered()

        (call,) = house.ledger.calls
        assert (call.status, call.owner, call.cost) == (
            MessageStatus.COMPLETE,
            None,
            Cost(Decimal("0.25"), CostSource.BILLED),
        )
        (answer,) = house.repository.get_messages(house.thread.id)
        assert (answer.content, answer.status) == ("the whole ans", MessageStatus.COMPLETE)
        assert house.repository.get_by_id(house.thread.id).total_cost == Decimal("0.25")
        assert house.repository.journal.left() == []

    def test_what_belongs_to_a_living_process_is_left_to_it(self, house):
        self.ended(house, "alive")

        assert house.recover() == Recovered()
        assert len(house.repository.journal.left()) == 1

    def test_of_a_deleted_conversation_only_the_cost_is_kept(self, house):
        self.ended(house)
        house.processes.ended.add("dead")
        house.repository.delete(house.thread.id)

        assert house.recover() == Recovered(merged=1)
        assert house.ledger.calls[0].cost.usd == Decimal("0.25")
        assert house.repository.get_by_id(house.thread.id) is None
        assert house.repository.journal.left() == []

    def test_an_entry_that_was_not_removed_tells_nothing_new(self, house):
        call = self.ended(house)
        house.ledger.settle_call(
            replace(call, cost=Cost(Decimal("0.5"), CostSource.RECONCILED), owner=None, status=MessageStatus.COMPLETE)
        )

        assert house.recover() == Recovered()
        assert house.ledger.calls[0].cost == Cost(Decimal("0.5"), CostSource.RECONCILED)
        assert house.repository.journal.left() == []

    def test_an_answer_between_two_tries_is_ended_too(self, house):
        """Its process died when one request had failed for free and the next was not made yet."""
        call = house.open("dead", text="")
        house.ledger.settle_call(replace(call, status=MessageStatus.FAILED, cost=Cost(Decimal(0), CostSource.COMPUTED)))
        house.processes.ended.add("dead")

        assert house.recover() == Recovered(abandoned=1)
        assert house.recover() == Recovered()
        (answer,) = house.repository.get_messages(house.thread.id)
        assert (answer.status, answer.cost) == (MessageStatus.INTERRUPTED, Decimal(0))
        assert house.ledger.calls[0].status is MessageStatus.FAILED

    def test_the_generation_that_had_begun_is_known(self, house):
        call = house.open("dead")
        house.repository.journal.note_generation(call.message_id, "gen-9")
        house.processes.ended.add("dead")

        house.recover()
        assert house.ledger.calls[0].generation_id == "gen-9"

    def test_a_try_before_the_last_one_is_not_taken_for_it(self, house):
        call = house.open("dead")
        house.repository.journal.note_generation(call.message_id, "gen-9")
        house.repository.journal.open(call.message_id, replace(call, id=uuid4()), house.thread)
        house.processes.ended.add("dead")

        house.recover()
        assert house.ledger.calls[0].generation_id == "gen-1"


class TestAnotherDatabase:
    """The database was replaced while the answer came: by a backup, or by nothing."""

    @pytest.fixture
    def replaced(self, house):
        def replace_by_an_empty_one():
            store, journal = MemoryStore(), house.repository.journal
            house.repository, house.ledger = InMemoryConversationRepository(store), InMemoryLedger(store)
            house.repository.journal = journal

        return replace_by_an_empty_one

    def test_an_answer_that_ended_is_stored_with_its_question(self, house, replaced):
        TestJournal().ended(house, "alive, and done with it")
        replaced()

        assert house.recover() == Recovered(merged=1)
        assert house.recover() == Recovered()

        (call,) = house.ledger.calls
        assert (call.cost.usd, call.owner, call.tags) == (Decimal("0.25"), None, ("ci",))
        question, answer = house.repository.get_messages(house.thread.id)
        assert (question.content, answer.content, answer.cost) == ("why?", "the whole ans", Decimal("0.25"))
        assert house.repository.get_by_id(house.thread.id).total_cost == Decimal("0.25")

    def test_one_that_did_not_is_interrupted(self, house, replaced):
        house.open("dead")
        house.processes.ended.add("dead")
        replaced()

        assert house.recover() == Recovered(abandoned=1)

        assert house.ledger.calls[0].cost == Cost.unsettled(Decimal("0.5"))
        (answer,) = house.repository.get_messages(house.thread.id)
        assert (answer.content, answer.status) == ("half an ans", MessageStatus.INTERRUPTED)

    def test_one_of_a_living_process_is_left_to_it(self, house, replaced):
        house.open("alive")
        replaced()

        assert house.recover() == Recovered()
        assert len(house.repository.journal.left()) == 1

    def test_a_request_that_was_never_made_leaves_nothing(self, house, replaced):
        """Its process died before the database had it."""
        house.open("dead", text="")
        house.processes.ended.add("dead")
        replaced()

        assert house.recover() == Recovered()
        assert house.ledger.calls == []
        assert house.repository.journal.left() == []
