"""What every conversation repository does, in memory and on disk."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from neuralterm.application.records import HistoryFilter
from neuralterm.domain.exceptions import MissingRecordError, StorageError
from neuralterm.domain.models import Cost, CostSource, Message, MessageRole, MessageStatus, TokenUsage
from tests.integration.sqlite.samples import (
    NOON,
    USAGE,
    conversation,
    finished,
    minutes_after_noon,
    pending,
    question,
    write_journal,
)


@pytest.fixture
def thread(repository):
    thread = conversation(title="Capitals")
    repository.save(thread)
    return thread


def test_a_saved_conversation_is_found_again_with_all_its_fields(repository):
    saved = conversation(
        title="Süße Träume",
        model_id="x/y",
        total_cost=Decimal("0.000000000001"),
        total_tokens=12,
        tags=("work", "a b", "work"),
        updated_at=minutes_after_noon(1),
    )

    repository.save(saved)

    saved.tags = ("work", "a b")
    assert repository.get_by_id(saved.id) == saved


def test_what_was_never_saved_is_not_found(repository):
    assert repository.get_by_id(uuid4()) is None
    assert repository.get_messages(uuid4()) == []
    assert repository.latest() is None


def test_saving_again_changes_the_fields_and_keeps_the_messages(repository, thread):
    repository.add_message(question(thread))
    thread.title, thread.model_id, thread.tags = None, "other/model", ("b", "a")

    repository.save(thread)

    assert repository.get_by_id(thread.id) == thread
    assert len(repository.get_messages(thread.id)) == 1


def test_saving_a_conversation_read_earlier_takes_back_no_cost(repository, thread):
    read_earlier = repository.get_by_id(thread.id)
    answer = pending(thread)
    repository.add_message(answer)
    repository.finish_message(finished(answer, cost=Decimal("0.25"), token_usage=USAGE, latency_ms=5000))

    read_earlier.title = "Renamed"
    repository.save(read_earlier)

    kept = repository.get_by_id(thread.id)
    assert (kept.title, kept.total_cost, kept.total_tokens) == ("Renamed", Decimal("0.25"), 154)
    assert (kept.updated_at - NOON).total_seconds() == 5


def test_messages_come_back_in_order_with_all_their_fields(repository, thread):
    messages = [
        question(thread, "Be brief.", role=MessageRole.SYSTEM, created_at=minutes_after_noon(9)),
        question(thread, "line\nbreak\0 and 🙂"),
        Message(
            conversation_id=thread.id,
            role=MessageRole.ASSISTANT,
            content="Paris",
            token_usage=USAGE,
            cost=Decimal("0.000123456789"),
            latency_ms=840,
            model_id="openai/gpt-4o-mini",
            status=MessageStatus.TRUNCATED,
            cost_source=CostSource.BILLED,
            finish_reason="length",
            reasoning="France, so...",
            created_at=NOON,
            metadata={"provider": "X", "seed": 3, "share": Decimal("0.1"), "nested": {"list": [1, None, True]}},
        ),
        question(thread, "free", token_usage=TokenUsage(0, 0, 0), cost=Decimal(0)),
    ]

    for message in messages:
        repository.add_message(message)

    assert repository.get_messages(thread.id) == messages


def test_an_unknown_cost_stays_unknown(repository, thread):
    repository.add_message(question(thread))

    message = repository.get_messages(thread.id)[0]

    assert message.cost is None
    assert message.token_usage is None


@pytest.mark.parametrize("conversation_id", [None, UUID(int=7)])
def test_a_message_needs_its_conversation(repository, conversation_id):
    with pytest.raises(StorageError):
        repository.add_message(Message(conversation_id=conversation_id))


def test_a_message_is_not_added_twice(repository, thread):
    message = question(thread)
    repository.add_message(message)

    with pytest.raises(StorageError):
        repository.add_message(message)


def test_a_pending_answer_is_read_from_its_journal(repository, thread):
    answer, other = pending(thread), pending(thread)
    repository.add_message(answer)
    repository.add_message(other)

    write_journal(repository, answer, "Pa", "", "ris", " 🙂\n")
    write_journal(repository, other, "Rome", reasoning="hm")

    read = repository.get_messages(thread.id)
    assert [message.content for message in read] == ["Paris 🙂\n", "Rome"]
    assert [message.reasoning for message in read] == [None, "hm"]
    assert {message.status for message in read} == {MessageStatus.PENDING}


def test_finishing_replaces_what_was_journalled_and_adds_to_the_conversation(repository, thread):
    answer = pending(thread)
    repository.add_message(answer)
    write_journal(repository, answer, "Par")

    finished(
        answer, "Paris.", cost=Decimal("0.5"), token_usage=USAGE, cost_source=CostSource.COMPUTED, latency_ms=60_000
    )
    repository.finish_message(answer)

    assert repository.get_messages(thread.id) == [answer]
    kept = repository.get_by_id(thread.id)
    assert (kept.total_cost, kept.total_tokens, kept.updated_at) == (Decimal("0.5"), 154, minutes_after_noon(1))


def test_finishing_with_an_unknown_cost_adds_nothing(repository, thread):
    answer = pending(thread)
    repository.add_message(answer)

    repository.finish_message(finished(answer))

    assert repository.get_by_id(thread.id).total_cost == 0


def test_finishing_again_counts_the_cost_once(repository, thread):
    answer = pending(thread)
    repository.add_message(answer)
    repository.finish_message(finished(answer, cost=Decimal("0.5"), token_usage=USAGE))

    repository.finish_message(finished(answer, cost=Decimal("0.3"), token_usage=USAGE))

    kept = repository.get_by_id(thread.id)
    assert (kept.total_cost, kept.total_tokens) == (Decimal("0.3"), 154)


def test_a_message_that_is_gone_is_not_finished(repository, thread):
    with pytest.raises(MissingRecordError):
        repository.finish_message(pending(thread))


def test_deleting_takes_the_messages_along_and_nothing_else(repository, thread):
    kept = conversation()
    repository.save(kept)
    answer = pending(thread)
    for message in (question(thread), answer, question(kept)):
        repository.add_message(message)

    assert repository.delete(thread.id) is True
    assert repository.delete(thread.id) is False

    assert repository.get_by_id(thread.id) is None
    assert repository.get_messages(thread.id) == []
    assert len(repository.get_messages(kept.id)) == 1
    assert [hit.conversation_id for hit in repository.search("capital", 5)] == [kept.id]


def test_the_latest_conversation_is_the_one_changed_last(repository):
    first, second = conversation(), conversation()
    repository.save(first)
    repository.save(second)
    assert repository.latest().id == second.id

    repository.add_message(question(first, created_at=minutes_after_noon(1)))

    assert repository.latest().id == first.id


def test_conversations_are_found_by_the_beginning_of_their_id(repository):
    ids = [UUID(f"abcdef01-2345-6789-abcd-00000000000{digit}") for digit in range(5)]
    other = UUID("bbcdef01-2345-6789-abcd-000000000000")
    for identity in (*reversed(ids), other):
        repository.save(conversation(id=identity))

    def found(prefix):
        return [each.id for each in repository.find_by_prefix(prefix)]

    assert found("abc") == ids[:3]
    assert found("BBCDEF01-2") == [other]
    assert found("bbcdef012345") == [other]
    assert found(str(ids[4]).upper()) == [ids[4]]
    assert found(ids[4].hex + "0") == found("zz") == found("ab%") == found("") == found("-") == []


def test_summaries_tell_the_list_of_conversations(repository, thread):
    repository.save(conversation(title="nothing asked"))
    repository.add_message(question(thread, "You are terse.", role=MessageRole.SYSTEM))
    repository.add_message(question(thread, "  What is\nthe capital   of France? "))
    repository.add_message(question(thread, "And of Spain?"))
    repository.add_message(pending(thread))

    (summary,) = repository.summaries(HistoryFilter())

    assert summary.conversation == repository.get_by_id(thread.id)
    assert summary.message_count == 4
    assert summary.preview == "What is the capital of France?"
    assert summary.status is MessageStatus.PENDING


def test_summaries_are_filtered_and_ordered(repository):
    threads = [conversation(title=str(number), tags=("even",) if number % 2 == 0 else ()) for number in range(4)]
    for number, thread in enumerate(threads):
        repository.save(thread)
        repository.add_message(question(thread, created_at=minutes_after_noon(number)))

    def titles(**fields):
        return [summary.conversation.title for summary in repository.summaries(HistoryFilter(**fields))]

    assert titles() == ["3", "2", "1", "0"]
    assert titles(limit=2) == ["3", "2"]
    assert titles(limit=None, tag="even") == ["2", "0"]
    assert titles(since=minutes_after_noon(2)) == ["3", "2"]
    assert titles(tag="even", since=minutes_after_noon(1), limit=5) == ["2"]
    assert titles(until=minutes_after_noon(2)) == ["1", "0"]
    assert titles(since=minutes_after_noon(1), until=minutes_after_noon(2)) == ["1"]
    assert titles(tag="EVEN") == titles(partial_only=True) == titles(limit=0) == []


def test_summaries_are_filtered_by_model_and_known_cost(repository):
    for model_id, answered_by, cost in (
        ("a/x", "b/y", "0.5"),
        ("a/z:nitro", None, "0.000000000001"),
        ("c/x", None, "0"),
    ):
        thread = conversation(model_id=model_id, title=model_id, total_cost=Decimal(cost))
        repository.save(thread)
        repository.add_message(question(thread))
        repository.add_message(question(thread, role=MessageRole.ASSISTANT, model_id=answered_by))

    def titles(**fields):
        return sorted(summary.conversation.title for summary in repository.summaries(HistoryFilter(**fields)))

    assert titles(model="A/*") == ["a/x", "a/z:nitro"]
    assert titles(model="a/z") == ["a/z:nitro"]
    assert titles(model="b/y") == ["a/x"]
    assert titles(model="b") == titles(model="") == []
    assert titles(min_cost=Decimal("0.5")) == ["a/x"]
    assert titles(min_cost=Decimal("0.0000000000005")) == ["a/x", "a/z:nitro"]
    assert len(titles(min_cost=Decimal(0))) == 3


@pytest.mark.parametrize(
    ("status", "is_partial"),
    [
        (MessageStatus.PENDING, True),
        (MessageStatus.TRUNCATED, True),
        (MessageStatus.CUT, True),
        (MessageStatus.INTERRUPTED, True),
        (MessageStatus.STOPPED, True),
        (MessageStatus.COMPLETE, False),
        (MessageStatus.FAILED, False),
    ],
)
def test_partial_conversations_have_an_answer_that_was_not_all_delivered(repository, thread, status, is_partial):
    answer = pending(thread)
    answer.status = status
    for message in (question(thread), answer, question(thread)):
        repository.add_message(message)

    assert len(repository.summaries(HistoryFilter(partial_only=True))) == is_partial


@pytest.mark.parametrize(
    ("statuses", "withdrawn", "is_partial"),
    [
        ((MessageStatus.CUT, MessageStatus.COMPLETE), (), False),  # the rest has come
        ((MessageStatus.CUT, MessageStatus.FAILED), (), True),  # it was asked for in vain
        ((MessageStatus.CUT, MessageStatus.COMPLETE), (1,), True),
        ((MessageStatus.COMPLETE, MessageStatus.CUT), (1,), False),
        ((MessageStatus.CUT,), (0,), False),
    ],
)
def test_a_conversation_is_partial_as_long_as_its_last_answer_is(repository, thread, statuses, withdrawn, is_partial):
    answers = []
    for status in statuses:
        repository.add_message(question(thread))
        answers.append(answer := pending(thread))
        answer.status = status
        repository.add_message(answer)
    repository.withdraw([answers[number].id for number in withdrawn], NOON)

    assert len(repository.summaries(HistoryFilter(partial_only=True))) == is_partial


def test_the_summary_counts_answers_of_unknown_cost(repository, thread):
    for message in (
        question(thread),
        Message(conversation_id=thread.id, role=MessageRole.ASSISTANT, cost_source=CostSource.UNSETTLED),
        Message(conversation_id=thread.id, role=MessageRole.ASSISTANT, cost=Decimal(1), cost_source=CostSource.BILLED),
        pending(thread),
    ):
        repository.add_message(message)
    (summary,) = repository.summaries(HistoryFilter())
    assert summary.unsettled == 2


@pytest.mark.parametrize("usage", [None, TokenUsage(1000, 34, 1034, cost=Decimal("0.7"), upstream_cost=Decimal(1))])
def test_a_price_that_comes_late_is_the_answers_and_its_conversations(repository, thread, usage):
    answer = pending(thread)
    repository.add_message(answer)
    repository.finish_message(finished(answer, cost=Decimal("0.5"), token_usage=USAGE, latency_ms=10))
    before = repository.get_by_id(thread.id)

    assert repository.price_message(answer.id, Cost(Decimal("0.75"), CostSource.RECONCILED, Decimal(9)), usage)

    (priced,) = repository.get_messages(thread.id)
    after = repository.get_by_id(thread.id)
    assert (priced.cost, priced.cost_source, priced.content) == (Decimal("0.75"), CostSource.RECONCILED, "Paris.")
    assert priced.token_usage == (usage or USAGE)
    assert (after.total_cost, after.total_tokens) == (Decimal("0.75"), 1034 if usage else 154)
    assert after.updated_at == before.updated_at


def test_an_answer_that_was_unknown_may_get_its_first_price_and_lose_it_again(repository, thread):
    answer = pending(thread)
    repository.add_message(answer)
    repository.finish_message(finished(answer, cost=None, cost_source=CostSource.UNSETTLED))

    assert repository.price_message(answer.id, Cost(Decimal("0.75"), CostSource.RECONCILED), USAGE)
    assert repository.get_by_id(thread.id).total_cost == Decimal("0.75")
    assert repository.price_message(answer.id, Cost.unsettled(Decimal(2)), None)

    (message,) = repository.get_messages(thread.id)
    assert (message.cost, message.cost_source, message.token_usage) == (None, CostSource.UNSETTLED, USAGE)
    assert repository.get_by_id(thread.id).total_cost == 0


def test_only_finished_answers_have_a_price(repository, thread):
    answer = pending(thread)
    repository.add_message(answer)

    assert not repository.price_message(answer.id, Cost(Decimal(1), CostSource.BILLED), None)
    assert not repository.price_message(uuid4(), Cost(Decimal(1), CostSource.BILLED), None)
    assert repository.get_by_id(thread.id).total_cost == 0


def test_an_abandoned_answer_keeps_what_came_of_it(repository, thread):
    answer = pending(thread)
    repository.add_message(question(thread))
    repository.add_message(answer)

    assert repository.abandon_message(answer.id, "Paris", "hm")

    _, kept = repository.get_messages(thread.id)
    assert (kept.content, kept.reasoning, kept.status, kept.cost) == ("Paris", "hm", MessageStatus.INTERRUPTED, None)
    assert kept.cost_source is CostSource.UNSETTLED
    assert [hit.message_id for hit in repository.search("Paris", 5)] == [answer.id]
    assert not repository.abandon_message(answer.id, "Rome")
    assert repository.get_messages(thread.id)[1].content == "Paris"


def test_only_a_pending_answer_can_be_abandoned(repository, thread):
    answer = pending(thread)
    repository.add_message(answer)
    repository.finish_message(finished(answer, cost=Decimal(1), cost_source=CostSource.BILLED))

    assert not repository.abandon_message(answer.id)
    assert not repository.abandon_message(uuid4())
    (message,) = repository.get_messages(thread.id)
    assert (message.status, message.cost_source) == (MessageStatus.COMPLETE, CostSource.BILLED)
