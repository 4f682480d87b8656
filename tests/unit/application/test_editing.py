from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.editing import (
    add_tags,
    fork_conversation,
    remove_tags,
    rename_conversation,
    set_tags,
    withdraw_last_exchange,
)
from neuralterm.domain.exceptions import NotFoundError, ValidationError
from neuralterm.domain.models import (
    COPIED_FROM,
    Conversation,
    CostSource,
    Message,
    MessageRole,
    MessageStatus,
    TokenUsage,
)
from tests.fakes.storage import InMemoryConversationRepository

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Talk:
    """A conversation of `exchanges` questions and paid answers after a system prompt."""

    def __init__(self, exchanges=2, **fields):
        self.repository = InMemoryConversationRepository()
        self.thread = Conversation(**{"title": "Sky", "model_id": "a/b", "tags": ("x",)} | fields)
        self.id = self.thread.id
        self.repository.save(self.thread)
        self.add("be brief", role=MessageRole.SYSTEM)
        for number in range(1, exchanges + 1):
            self.exchange(f"q{number}", f"a{number}")

    def add(self, content, **fields):
        message = Message(conversation_id=self.id, content=content, created_at=NOON, **fields)
        self.repository.add_message(message)
        return message

    def exchange(self, question, answer):
        self.add(question)
        message = self.add("", role=MessageRole.ASSISTANT, status=MessageStatus.PENDING)
        message.content, message.status = answer, MessageStatus.COMPLETE
        message.model_id, message.latency_ms = "a/b", 7
        message.cost, message.cost_source = Decimal("0.25"), CostSource.BILLED
        message.token_usage = TokenUsage(2, 3, 5, cost=Decimal("0.25"), upstream_cost=Decimal(1))
        self.repository.finish_message(message)

    def contents(self, conversation_id=None, **options):
        return [each.content for each in self.repository.get_messages(conversation_id or self.id, **options)]


@pytest.fixture
def talk():
    return Talk()


def test_a_fork_is_a_copy_that_cost_nothing(talk):
    fork = fork_conversation(talk.repository, talk.id, now=NOON)

    assert talk.repository.get_by_id(fork.id) == fork
    assert (fork.title, fork.model_id, fork.tags, fork.forked_from) == ("Sky (fork)", "a/b", ("x",), talk.id)
    assert (fork.total_cost, fork.total_tokens, fork.created_at) == (0, 0, NOON)
    assert talk.contents(fork.id) == ["be brief", "q1", "a1", "q2", "a2"]
    assert talk.repository.get_by_id(talk.id).total_cost == Decimal("0.5")


def test_a_copied_message_keeps_what_can_be_read_and_no_price(talk):
    fork = fork_conversation(talk.repository, talk.id)

    original, copy = talk.repository.get_messages(talk.id)[2], talk.repository.get_messages(fork.id)[2]
    assert copy.id != original.id
    assert (copy.role, copy.model_id, copy.latency_ms, copy.created_at) == (MessageRole.ASSISTANT, "a/b", 7, NOON)
    assert copy.token_usage == TokenUsage(2, 3, 5)
    assert (copy.cost, copy.cost_source) == (None, None)
    assert copy.metadata == {COPIED_FROM: str(original.id)}


def test_a_copy_of_a_copy_names_the_answer_that_was_paid_for(talk):
    first = fork_conversation(talk.repository, talk.id)
    second = fork_conversation(talk.repository, first.id)

    paid = [str(each.id) for each in talk.repository.get_messages(talk.id)]
    assert [each.metadata[COPIED_FROM] for each in talk.repository.get_messages(second.id)] == paid
    assert (second.title, second.forked_from) == ("Sky (fork)", first.id)


@pytest.mark.parametrize(("at", "copied"), [(2, 2), (3, 3), (5, 5)])
def test_a_fork_goes_up_to_the_message_with_that_number(talk, at, copied):
    fork = fork_conversation(talk.repository, talk.id, at, title="Mine")

    assert talk.contents(fork.id) == ["be brief", "q1", "a1", "q2", "a2"][:copied]
    assert fork.title == "Mine"


@pytest.mark.parametrize("at", [-1, 0, 1, 6])
def test_a_fork_needs_a_question_to_begin_with(talk, at):
    with pytest.raises(ValidationError):
        fork_conversation(talk.repository, talk.id, at)

    assert talk.repository.latest().id == talk.id


def test_a_fork_leaves_out_what_was_withdrawn(talk):
    withdraw_last_exchange(talk.repository, talk.id, now=NOON)
    talk.exchange("q3", "a3")

    assert talk.contents(fork_conversation(talk.repository, talk.id).id) == ["be brief", "q1", "a1", "q3", "a3"]
    assert talk.contents(fork_conversation(talk.repository, talk.id, 6).id) == ["be brief", "q1", "a1", "q3"]


def test_a_fork_at_a_withdrawn_message_is_what_there_was_before(talk):
    withdraw_last_exchange(talk.repository, talk.id, now=NOON)
    talk.exchange("q3", "a3")
    for minutes in (1, 2):
        withdraw_last_exchange(talk.repository, talk.id, now=NOON + timedelta(minutes=minutes))
    assert talk.contents() == ["be brief"]

    assert talk.contents(fork_conversation(talk.repository, talk.id, 5).id) == ["be brief", "q1", "a1", "q2", "a2"]
    assert talk.contents(fork_conversation(talk.repository, talk.id, 7).id) == ["be brief", "q1", "a1", "q3", "a3"]
    assert talk.contents(fork_conversation(talk.repository, talk.id, 3).id) == ["be brief", "q1", "a1"]


def test_the_copy_of_an_answer_that_is_being_written_is_one_that_ended():
    talk = Talk(exchanges=0)
    talk.add("q")
    talk.add("half", role=MessageRole.ASSISTANT, status=MessageStatus.PENDING)

    fork = fork_conversation(talk.repository, talk.id)

    copy = talk.repository.get_messages(fork.id)[-1]
    assert (copy.status, copy.cost_source) == (MessageStatus.INTERRUPTED, None)


def test_an_untitled_fork_has_no_title():
    talk = Talk(title=None)
    assert fork_conversation(talk.repository, talk.id).title is None


def test_renaming(talk):
    changed_at = talk.repository.get_by_id(talk.id).updated_at

    assert rename_conversation(talk.repository, talk.id, " Why\nblue? ").title == "Why blue?"

    kept = talk.repository.get_by_id(talk.id)
    assert (kept.title, kept.updated_at, kept.total_cost) == ("Why blue?", changed_at, Decimal("0.5"))
    with pytest.raises(ValidationError, match="empty"):
        rename_conversation(talk.repository, talk.id, " \n")


def test_tags(talk):
    assert add_tags(talk.repository, talk.id, ["b", "x", " a "]) == ("x", "b", "a")
    assert remove_tags(talk.repository, talk.id, ["b", "never"]) == ("x", "a")
    assert talk.repository.get_by_id(talk.id).tags == ("x", "a")
    assert set_tags(talk.repository, talk.id, []) == talk.repository.get_by_id(talk.id).tags == ()
    for change in (set_tags, add_tags, remove_tags):
        with pytest.raises(ValidationError, match="empty"):
            change(talk.repository, talk.id, ["a", " "])


@pytest.mark.parametrize(
    "change",
    [
        fork_conversation,
        lambda repository, identity: rename_conversation(repository, identity, "x"),
        lambda repository, identity: set_tags(repository, identity, ["x"]),
        lambda repository, identity: add_tags(repository, identity, ["x"]),
        lambda repository, identity: remove_tags(repository, identity, ["x"]),
    ],
)
def test_what_is_not_there_or_in_the_trash_can_not_be_changed(talk, change):
    talk.repository.trash(talk.id, NOON)

    for identity in (talk.id, uuid4()):
        with pytest.raises(NotFoundError):
            change(talk.repository, identity)


def test_withdrawing_takes_exchange_after_exchange(talk):
    assert withdraw_last_exchange(talk.repository, talk.id) == "q2"
    assert talk.contents() == ["be brief", "q1", "a1"]
    assert withdraw_last_exchange(talk.repository, talk.id) == "q1"
    assert withdraw_last_exchange(talk.repository, talk.id) is None

    assert talk.contents() == ["be brief"]
    assert talk.contents(withdrawn=True) == ["be brief", "q1", "a1", "q2", "a2"]
    assert talk.repository.get_by_id(talk.id).total_cost == Decimal("0.5")


@pytest.mark.no_cover
@given(st.lists(st.booleans(), max_size=12), st.data())
def test_whatever_is_withdrawn_a_fork_is_what_was_said_up_to_there_at_some_time(steps, data):
    talk = Talk(exchanges=1)
    states = [talk.contents()]
    for number, asks in enumerate(steps):
        if asks:
            talk.exchange(f"Q{number}", f"A{number}")
        else:
            withdraw_last_exchange(talk.repository, talk.id, now=NOON + timedelta(seconds=number))
        states.append(talk.contents())
    everything = talk.contents(withdrawn=True)
    at = data.draw(st.integers(2, len(everything)))

    fork = talk.contents(fork_conversation(talk.repository, talk.id, at).id) if asked(talk, at) else None

    assert fork is None or any(fork == state[: len(fork)] for state in states)
    assert fork is None or everything[at - 1] == fork[-1]


def asked(talk, at):
    return at >= 2 and talk.repository.get_messages(talk.id, withdrawn=True)[at - 1].content != "be brief"
