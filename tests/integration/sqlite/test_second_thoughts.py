"""What every repository does with what users take back: withdrawn messages, the trash, where a fork came from."""

from decimal import Decimal
from uuid import uuid4

import pytest

from neuralterm.application.records import HistoryFilter
from neuralterm.domain.models import Cost, CostSource, MessageRole, MessageStatus
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from tests.integration.sqlite.samples import NOON, USAGE, conversation, finished, minutes_after_noon, pending, question


@pytest.fixture
def thread(repository):
    thread = conversation(title="Capitals")
    repository.save(thread)
    return thread


def said(repository, thread, *contents):
    messages = [question(thread, content) for content in contents]
    for message in messages:
        repository.add_message(message)
    return messages


def test_withdrawn_messages_are_kept_apart(repository, thread):
    first, second, third = said(repository, thread, "one", "two", "three")

    repository.withdraw([second.id, third.id, uuid4()], minutes_after_noon(1))
    repository.withdraw([third.id], minutes_after_noon(2))

    assert repository.get_messages(thread.id) == [first]
    everything = repository.get_messages(thread.id, withdrawn=True)
    assert [each.content for each in everything] == ["one", "two", "three"]
    assert [each.withdrawn_at for each in everything] == [None, minutes_after_noon(1), minutes_after_noon(1)]
    assert len(repository.search("two", 5)) == 1


def test_what_is_said_next_comes_behind_what_was_withdrawn(repository, thread):
    (first,) = said(repository, thread, "one")
    repository.withdraw([first.id], NOON)
    said(repository, thread, "two")

    assert [each.content for each in repository.get_messages(thread.id)] == ["two"]
    assert [each.content for each in repository.get_messages(thread.id, withdrawn=True)] == ["one", "two"]


def test_a_withdrawn_answer_may_still_end_and_be_priced(repository, thread):
    answer = pending(thread)
    repository.add_message(answer)
    repository.withdraw([answer.id], NOON)

    repository.finish_message(finished(answer, cost=Decimal("0.5"), token_usage=USAGE))
    assert repository.price_message(answer.id, Cost(Decimal("0.75"), CostSource.RECONCILED), None)

    assert repository.get_messages(thread.id) == []
    (kept,) = repository.get_messages(thread.id, withdrawn=True)
    assert (kept.content, kept.cost, kept.withdrawn_at) == ("Paris.", Decimal("0.75"), NOON)
    assert repository.get_by_id(thread.id).total_cost == Decimal("0.75")


def test_a_withdrawn_end_says_nothing_of_how_a_conversation_stands(repository, thread):
    said(repository, thread, "one")
    cut = finished(pending(thread), status=MessageStatus.CUT)
    repository.add_message(cut)
    assert repository.summaries(HistoryFilter())[0].status is MessageStatus.CUT

    repository.withdraw([cut.id], NOON)
    (summary,) = repository.summaries(HistoryFilter())
    assert (summary.status, summary.message_count, summary.preview) == (MessageStatus.COMPLETE, 2, "one")

    repository.withdraw([each.id for each in repository.get_messages(thread.id)], NOON)
    assert repository.summaries(HistoryFilter())[0].status is MessageStatus.COMPLETE


def test_the_trash_hides_a_conversation_and_gives_it_back(repository, thread):
    said(repository, thread, "red apples")
    repository.add_message(question(thread, "今天天气", role=MessageRole.SYSTEM))
    other = conversation(title="Other", updated_at=NOON)
    repository.save(other)
    before = repository.get_by_id(thread.id)
    prefix = str(thread.id)[:20]

    assert repository.trash(thread.id, minutes_after_noon(3))
    assert not repository.trash(thread.id, minutes_after_noon(4))
    assert not repository.trash(uuid4(), NOON)

    assert repository.get_by_id(thread.id) is None
    assert repository.latest().id == other.id
    assert repository.find_by_prefix(prefix) == repository.summaries(HistoryFilter()) == []
    assert repository.search("apples", 5) == repository.search("天气", 5) == []
    (deleted,) = repository.find_by_prefix(prefix, deleted=True)
    assert deleted.deleted_at == minutes_after_noon(3)
    assert [each.conversation for each in repository.summaries(HistoryFilter(deleted=True))] == [deleted]
    assert repository.find_by_prefix(str(other.id), deleted=True) == []

    assert repository.restore(thread.id)
    assert not repository.restore(thread.id)
    assert not repository.restore(uuid4())

    assert repository.get_by_id(thread.id) == before
    assert len(repository.search("apples", 5)) == len(repository.search("天气", 5)) == 1
    assert repository.summaries(HistoryFilter(deleted=True)) == []


def test_an_answer_that_ends_in_the_trash_is_kept_there(repository, thread):
    answer = pending(thread)
    repository.add_message(answer)
    repository.trash(thread.id, NOON)

    repository.save(thread)
    repository.finish_message(finished(answer, cost=Decimal("0.5"), token_usage=USAGE))
    assert repository.get_by_id(thread.id) is None

    repository.restore(thread.id)
    assert repository.get_by_id(thread.id).total_cost == Decimal("0.5")


def test_purging_deletes_what_was_put_into_the_trash_before(repository, thread):
    others = [conversation(), conversation()]
    for number, each in enumerate(others):
        repository.save(each)
        said(repository, each, "hello")
        repository.trash(each.id, minutes_after_noon(number))

    assert repository.purge(NOON) == 0
    assert repository.purge(minutes_after_noon(1)) == 1

    assert repository.find_by_prefix(str(others[0].id), deleted=True) == []
    assert repository.get_messages(others[0].id) == []
    assert len(repository.find_by_prefix(str(others[1].id), deleted=True)) == 1
    assert repository.get_by_id(thread.id) is not None


def test_what_is_in_the_trash_can_be_deleted_at_once(repository, thread):
    repository.trash(thread.id, NOON)

    assert repository.delete(thread.id)
    assert not repository.restore(thread.id)


def test_where_a_fork_came_from_stays(repository, thread):
    fork = conversation(forked_from=thread.id)
    repository.save(fork)
    fork.title = "other"
    repository.save(fork)

    assert repository.get_by_id(fork.id) == fork
    assert repository.get_by_id(thread.id).forked_from is None


# As processes write that were started before there was any of this, and go on after the file was brought up to date.
EARLIER = (
    """
    INSERT INTO conversations (id, title, model_id, created_at, updated_at, total_cost, total_tokens)
    VALUES (:thread, 'Earlier', 'a/b', 5, 5, 0, 0)
    """,
    """
    INSERT INTO messages (id, conversation_id, position, role, content, status, created_at, metadata)
    VALUES (:message, :thread, 1, 'user', 'hello', 'complete', 6, '{}')
    """,
    "UPDATE conversations SET updated_at = max(updated_at, 6) WHERE id = :thread",
)


def test_processes_that_know_nothing_of_it_go_on(database):
    repository = SQLiteConversationRepository(database)
    identity = uuid4()
    for statement in EARLIER:
        database.change(statement, {"thread": str(identity), "message": str(uuid4())})

    (summary,) = repository.summaries(HistoryFilter())

    assert (summary.conversation.id, summary.conversation.deleted_at, summary.conversation.forked_from) == (
        identity,
        None,
        None,
    )
    assert [message.withdrawn_at for message in repository.get_messages(identity)] == [None]
