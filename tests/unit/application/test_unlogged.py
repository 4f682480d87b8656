from decimal import Decimal
from uuid import uuid4

import pytest

from neuralterm.application.editing import withdraw_last_exchange
from neuralterm.application.journal import Unsaved
from neuralterm.application.records import Call, HistoryFilter
from neuralterm.application.unlogged import UnloggedAttachments, UnloggedConversations
from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.models import (
    Conversation,
    Cost,
    CostSource,
    Message,
    MessageRole,
    MessageStatus,
    TokenUsage,
)
from tests.fakes.attachments import InMemoryAttachmentStore
from tests.fakes.client import final
from tests.fakes.storage import InMemoryConversationRepository
from tests.fakes.world import MODEL, make_world


@pytest.fixture
def kept():
    return InMemoryConversationRepository()


@pytest.fixture
def unlogged(kept):
    return UnloggedConversations(kept)


def said(conversation, text="secret", role=MessageRole.USER, **fields):
    return Message(conversation_id=conversation.id, role=role, content=text, **fields)


def pending(conversation):
    return said(conversation, "", MessageRole.ASSISTANT, status=MessageStatus.PENDING)


def begun(repository, **fields):
    conversation = Conversation(**fields)
    repository.save(conversation)
    return conversation


def test_what_is_said_is_read_back_and_nothing_of_it_is_kept(unlogged, kept):
    thread = begun(unlogged, title="secret title")
    question, answer = said(thread), pending(thread)
    for message in (question, answer):
        unlogged.add_message(message)
    unlogged.journal.open(answer.id, Call("m", Cost.unsettled()), thread)
    unlogged.journal.append(answer.id, "so far", "thoughts")
    unlogged.journal.note_generation(answer.id, "gen-1")
    unlogged.journal.keep(answer.id, Unsaved(Call("m", Cost.unsettled()), (question, answer)))
    entry = unlogged.journal.read(answer.id)

    assert (entry.text, entry.reasoning, entry.generation_id) == ("", None, "gen-1")
    assert (entry.conversation.id, entry.conversation.title, entry.unsaved.messages) == (thread.id, None, ())
    assert unlogged.get_by_id(thread.id).title == "secret title"
    assert [message.content for message in unlogged.get_messages(thread.id)] == ["secret", ""]
    assert kept.store.tables.conversations == kept.store.tables.messages == {}
    assert unlogged.latest() is None
    assert unlogged.summaries(HistoryFilter()) == unlogged.search("secret", 9) == unlogged.find_by_prefix("0") == []


def test_a_finished_answer_adds_to_the_totals_in_memory(unlogged):
    thread = begun(unlogged)
    answer = pending(thread)
    unlogged.add_message(answer)
    answer.content, answer.status, answer.cost = "all", MessageStatus.COMPLETE, Decimal("0.02")
    answer.token_usage = TokenUsage(1, 2, 3)
    unlogged.finish_message(answer)

    assert unlogged.price_message(answer.id, Cost(Decimal("0.05"), CostSource.RECONCILED), None)
    found = unlogged.get_by_id(thread.id)
    assert (found.total_cost, found.total_tokens) == (Decimal("0.05"), 3)
    assert unlogged.get_messages(thread.id)[0].cost_source is CostSource.RECONCILED


def test_a_stored_conversation_goes_on_in_memory_and_stays_as_it_was(unlogged, kept):
    thread = begun(kept, title="before")
    kept.add_message(said(thread, "stored"))
    stored = kept.get_by_id(thread.id)
    found = unlogged.latest()
    found.title = "secret title"
    unlogged.save(found)
    unlogged.add_message(said(thread))

    assert [message.content for message in unlogged.get_messages(thread.id)] == ["stored", "secret"]
    assert unlogged.get_by_id(thread.id).title == "secret title"
    assert kept.get_by_id(thread.id) == stored
    assert [message.content for message in kept.get_messages(thread.id)] == ["stored"]


def test_late_news_of_stored_answers_and_deletions_go_to_the_store(unlogged, kept):
    thread = begun(kept)
    answers = [pending(thread), said(thread, "done", MessageRole.ASSISTANT)]
    for answer in answers:
        kept.add_message(answer)

    assert unlogged.abandon_message(answers[0].id)
    assert unlogged.price_message(answers[1].id, Cost(Decimal(1), CostSource.BILLED), None)
    assert [message.cost for message in kept.get_messages(thread.id)] == [None, 1]
    assert unlogged.delete(thread.id)
    assert kept.get_by_id(thread.id) is None
    assert not unlogged.delete(thread.id)


def test_an_answer_in_memory_is_never_abandoned_nor_priced_while_it_runs(unlogged):
    thread = begun(unlogged)
    answer = pending(thread)
    unlogged.add_message(answer)
    assert not unlogged.abandon_message(answer.id)
    assert not unlogged.price_message(answer.id, Cost(Decimal(1), CostSource.BILLED), None)
    assert unlogged.delete(thread.id)
    assert unlogged.get_messages(thread.id) == []


def test_a_step_that_fails_leaves_no_trace_in_memory(unlogged):
    thread = begun(unlogged)

    def fail():
        with unlogged.transaction():
            unlogged.add_message(said(thread))
            with unlogged.transaction():
                unlogged.add_message(said(thread))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert unlogged.get_messages(thread.id) == []


@pytest.mark.parametrize(
    "write",
    [
        lambda repository, message: repository.add_message(message),
        lambda repository, message: repository.finish_message(message),
    ],
)
def test_what_belongs_nowhere_is_refused(unlogged, write):
    with pytest.raises(StorageError):
        write(unlogged, Message(conversation_id=uuid4()))


def test_attachments_are_remembered_and_stored_ones_found():
    kept = InMemoryAttachmentStore()
    kept.add("a", b"stored")
    unlogged = UnloggedAttachments(kept)
    unlogged.add("b", b"here")
    assert (unlogged.content("a"), unlogged.content("b")) == (b"stored", b"here")
    assert list(kept.contents) == ["a"]


@pytest.mark.anyio
async def test_the_books_are_kept_without_the_text():
    kept = InMemoryConversationRepository()
    world = make_world(["an", "swer", final()], ["more", final()], repository=UnloggedConversations(kept))
    conversation = await world.orchestrator.create_conversation("title", MODEL.id)
    await world.ask("question", conversation)
    await world.ask("again", conversation)
    assert [each["content"] for each in world.client.requests[1]["messages"]] == ["question", "answer", "again"]
    assert kept.store.tables.messages == {}
    assert len(world.ledger.calls) == 2
    assert {call.conversation_id for call in world.ledger.calls} == {conversation.id}


def test_what_is_withdrawn_here_is_forgotten_here_and_kept_where_it_is_stored(kept):
    thread = Conversation()
    kept.save(thread)
    for content in ("one", "two"):
        kept.add_message(Message(conversation_id=thread.id, content=content))
    unlogged = UnloggedConversations(kept)
    unlogged.add_message(Message(conversation_id=thread.id, content="secret"))

    assert [withdraw_last_exchange(unlogged, thread.id) for _ in range(2)] == ["secret", "two"]
    assert [each.content for each in unlogged.get_messages(thread.id)] == ["one"]
    assert [each.content for each in unlogged.get_messages(thread.id, withdrawn=True)] == ["one", "two", "secret"]
    assert [each.content for each in kept.get_messages(thread.id)] == ["one", "two"]
