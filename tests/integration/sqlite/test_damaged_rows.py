"""A row that can't be understood does not make the others unreadable."""

import pytest

from neuralterm.application.history import transcripts
from neuralterm.application.records import CallFilter, HistoryFilter
from neuralterm.components.history_view import transcript_text
from neuralterm.domain.models import DAMAGED, CostSource, MessageStatus
from neuralterm.infrastructure.ledger import SQLiteLedger
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from tests.integration.sqlite.samples import call, conversation, finished, pending, question


@pytest.fixture
def thread(database):
    repository = SQLiteConversationRepository(database)
    thread = conversation()
    answer = pending(thread)
    repository.save(thread)
    repository.add_message(question(thread))
    repository.add_message(answer)
    repository.finish_message(finished(answer, cost_source=CostSource.BILLED))
    return thread


@pytest.mark.parametrize(
    "damage",
    [
        "metadata = 'half of {'",
        "metadata = ''",
        "metadata = '[1, 2]'",
        "status = 'teleported'",
        "cost_source = 'rumour'",
        "role = 'oracle'",
    ],
)
def test_a_conversation_with_a_damaged_answer_is_shown(database, thread, damage):
    database.change(f"UPDATE messages SET {damage} WHERE role = 'assistant'")
    repository = SQLiteConversationRepository(database)

    asked, answered = repository.get_messages(thread.id)
    shown = transcript_text(transcripts(repository, [str(thread.id)])[0])

    assert (asked.metadata, answered.content) == ({}, "Paris.")
    assert answered.metadata == {DAMAGED: True}
    assert len(repository.summaries(HistoryFilter())) == 1
    assert "Paris." in shown
    assert shown.count("[damaged in the database") == 1


def test_an_unknown_status_counts_as_an_answer_without_its_end(database, thread):
    database.change("UPDATE messages SET status = 'teleported' WHERE role = 'assistant'")
    repository = SQLiteConversationRepository(database)

    assert repository.get_messages(thread.id)[1].status is MessageStatus.INTERRUPTED
    assert repository.summaries(HistoryFilter(partial_only=True))[0].status is MessageStatus.INTERRUPTED


def test_a_text_that_is_no_utf_8_is_shown_with_marks(database, thread):
    database.change("UPDATE messages SET content = CAST(x'50c3617269732e' AS TEXT) WHERE role = 'assistant'")
    repository = SQLiteConversationRepository(database)

    assert [message.content for message in repository.get_messages(thread.id)][1] == "P\ufffdaris."
    assert repository.latest().id == thread.id


def test_calls_of_unknown_status_and_source_are_read(database):
    ledger = SQLiteLedger(database)
    ledger.open_call(call(at_most="0.5", generation_id="gen-1"))
    database.change("UPDATE calls SET status = 'teleported', source = 'rumour', tags = 'half of ['")

    (found,) = ledger.calls_of("gen-1")

    assert (found.status, found.cost.source, found.tags) == (MessageStatus.INTERRUPTED, CostSource.UNSETTLED, ())
    assert ledger.totals(CallFilter())[0].unsettled_calls == 1
