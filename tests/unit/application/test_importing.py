from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from neuralterm.application.importing import Exchange, ForeignConversation, import_history
from neuralterm.application.records import HistoryFilter
from neuralterm.domain.models import CostSource, MessageRole, MessageStatus, TokenUsage
from neuralterm.domain.record import replace
from tests.fakes.storage import InMemoryConversationRepository

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
USER, ASSISTANT = MessageRole.USER, MessageRole.ASSISTANT


class Kept:
    """Another program's history."""

    name = "other"

    def __init__(self, *conversations):
        self._conversations = conversations
        self.size = sum(len(each.exchanges) for each in conversations)

    def conversations(self):
        yield from self._conversations


def exchange(number, **fields):
    given = {
        "id": f"e{number}",
        "model": "a/b",
        "inputs": [(USER, f"q{number}")],
        "answer": f"a{number}",
        "system": "s",
        "usage": TokenUsage(1, 2, 3),
        "duration_ms": 7,
        "at": NOON - timedelta(days=9 - number),
    }
    return Exchange(**given | fields)


def a_talk(*numbers, identity="c", name="Talk"):
    return ForeignConversation(identity, name, [exchange(number) for number in numbers])


@pytest.fixture
def repository():
    return InMemoryConversationRepository()


def run(repository, *conversations, **options):
    report = import_history(repository, Kept(*conversations), now=NOON, **options)
    return report.conversations, report.messages, report.already


def contents(repository, conversation_id):
    return [message.content for message in repository.get_messages(conversation_id, withdrawn=True)]


def test_a_conversation_is_taken_in_with_its_times_and_counts(repository):
    assert run(repository, a_talk(1, 2)) == (1, 5, 0)

    (summary,) = repository.summaries(HistoryFilter())
    kept = summary.conversation
    assert (kept.title, kept.model_id, kept.tags) == ("Talk", "a/b", ("imported:other",))
    assert (kept.total_cost, kept.total_tokens, summary.unsettled) == (0, 6, 2)
    assert (kept.created_at, kept.updated_at) == (NOON - timedelta(days=8), NOON - timedelta(days=7))
    system, question, answer, *rest = repository.get_messages(kept.id)
    assert (system.role, system.content, question.content) == (MessageRole.SYSTEM, "s", "q1")
    assert (answer.role, answer.status, answer.latency_ms) == (ASSISTANT, MessageStatus.COMPLETE, 7)
    assert (answer.token_usage, answer.cost, answer.cost_source) == (TokenUsage(1, 2, 3), None, CostSource.UNSETTLED)
    assert [message.content for message in rest] == ["q2", "a2"]


def test_twice_is_once(repository):
    run(repository, a_talk(1, 2), a_talk(3, identity="d"))

    assert run(repository, a_talk(1, 2), a_talk(3, identity="d")) == (0, 0, 8)
    assert len(repository.summaries(HistoryFilter())) == 2


def test_what_went_on_since_is_added_to_what_was_changed_here(repository):
    run(repository, a_talk(1))
    (kept,) = (summary.conversation for summary in repository.summaries(HistoryFilter()))
    repository.save(replace(kept, title="Mine", tags=("x",)))
    repository.withdraw([repository.get_messages(kept.id)[-1].id], NOON)

    assert run(repository, a_talk(1, 2)) == (1, 2, 3)

    changed = repository.get_by_id(kept.id)
    assert (changed.title, changed.tags, changed.total_tokens) == ("Mine", ("x",), 6)
    assert contents(repository, kept.id) == ["s", "q1", "a1", "q2", "a2"]


def test_what_is_in_the_trash_stays_there(repository):
    run(repository, a_talk(1))
    (kept,) = (summary.conversation for summary in repository.summaries(HistoryFilter()))
    repository.trash(kept.id, NOON)

    assert run(repository, a_talk(1, 2)) == (0, 0, 5)
    assert repository.summaries(HistoryFilter()) == []
    repository.delete(kept.id)
    assert run(repository, a_talk(1, 2)) == (1, 5, 0)


def test_a_dry_run_writes_nothing(repository):
    assert run(repository, a_talk(1, 2), dry_run=True) == (1, 5, 0)
    assert repository.latest() is None


def test_the_same_exchange_in_two_conversations_is_in_both(repository):
    assert run(repository, a_talk(1), a_talk(1, identity="d")) == (2, 6, 0)


def test_an_exchange_that_is_told_twice_is_taken_once(repository):
    assert run(repository, a_talk(1, 1)) == (1, 3, 0)


def test_the_same_input_is_known_whether_more_is_told_before_it_or_not(repository):
    earlier = [(USER, "q0"), (ASSISTANT, "a0")]
    longer = ForeignConversation("c", "", [exchange(1, inputs=[*earlier, (USER, "q1")])])
    run(repository, longer)

    assert run(repository, a_talk(1)) == (0, 0, 3)


def test_what_is_missing_is_made_up_for(repository):
    bare = exchange(1, inputs=[], answer="", system="", model="", usage=None, at=None, duration_ms=None)
    assert run(repository, ForeignConversation("c", "", [bare]), ForeignConversation("d", "", [])) == (1, 2, 0)

    (summary,) = repository.summaries(HistoryFilter())
    assert (summary.conversation.title, summary.conversation.updated_at) == (None, NOON)


def test_nothing_is_said_in_the_future(repository):
    run(repository, ForeignConversation("c", "", [exchange(1, at=NOON + timedelta(days=400)), exchange(2, at=None)]))

    assert repository.latest().updated_at == NOON


def test_an_untitled_conversation_is_called_after_its_first_question(repository):
    talk = ForeignConversation("c", "  ", [exchange(1, inputs=[(USER, "```\nx\n```\n\nWhat is this?")])])
    run(repository, talk)

    assert repository.latest().title == "What is this?"


def test_progress_is_told_in_exchanges(repository):
    told = []
    talks = [a_talk(*range(1, 9), identity=str(number)) for number in range(70)]

    run(repository, *talks, on_progress=lambda done, total: told.append((done, total)))

    assert told == [(240, 560), (480, 560), (560, 560)]
    assert repository.latest().total_cost == Decimal(0)
