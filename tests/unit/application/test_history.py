from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.history import (
    delete_conversations,
    known_conversation,
    resolve_all,
    resolve_conversation,
    transcripts,
)
from neuralterm.application.records import Call
from neuralterm.application.search import search
from neuralterm.domain.exceptions import NotFoundError, StorageError, ValidationError
from neuralterm.domain.models import Conversation, Cost, Message
from tests.fakes.storage import InMemoryConversationRepository, InMemoryLedger

FIRST = UUID("018f1111-aaaa-7000-8000-000000000001")
SECOND = UUID("018f1111-bbbb-7000-8000-000000000002")
THIRD = UUID("99990000-cccc-4000-8000-000000000003")


@pytest.fixture
def repository():
    repository = InMemoryConversationRepository()
    for number, each in enumerate((FIRST, SECOND, THIRD)):
        repository.save(Conversation(id=each, title=f"talk {number}"))
        repository.add_message(Message(conversation_id=each, content=f"question {number}"))
    return repository


@pytest.mark.parametrize(
    "written", [str(FIRST), FIRST.hex, str(FIRST).upper(), "018f1111-a", "018f1111a", " 018f1111-a\n"]
)
def test_a_conversation_is_found_by_id_or_unique_beginning(repository, written):
    assert resolve_conversation(repository, written).id == FIRST


@pytest.mark.parametrize("written", ["", "  ", "-", "---"])
def test_an_empty_id_fits_nothing(repository, written):
    with pytest.raises(NotFoundError, match="empty"):
        resolve_conversation(repository, written)


@pytest.mark.parametrize("written", ["018f2", "fc8e66a9-c26b-4945-9376-bd25eb8a66ae", "talk 1", "%", "018f____"])
def test_an_unknown_id_is_named_in_the_error(repository, written):
    with pytest.raises(NotFoundError) as caught:
        resolve_conversation(repository, written)

    assert repr(written) in caught.value.message
    assert caught.value.code == "NOT_FOUND"


def test_an_ambiguous_id_lists_what_it_fits(repository):
    with pytest.raises(NotFoundError) as caught:
        resolve_conversation(repository, "018f1111")

    assert caught.value.code == "AMBIGUOUS_ID"
    assert str(FIRST) in caught.value.hint
    assert str(SECOND) in caught.value.hint
    assert str(THIRD) not in caught.value.hint
    assert not caught.value.hint.endswith("...")


def test_an_id_that_fits_many_says_that_there_may_be_more(repository):
    repository.save(Conversation(id=UUID("018f1111-ffff-4fff-8fff-ffffffffffff")))
    with pytest.raises(NotFoundError) as caught:
        resolve_conversation(repository, "018f1111")

    assert caught.value.hint.endswith(", ...")


@given(st.integers(min_value=1, max_value=36))
def test_every_beginning_of_a_lone_id_finds_it(length):
    repository = InMemoryConversationRepository()
    repository.save(Conversation(id=FIRST))

    assert resolve_conversation(repository, str(FIRST)[:length]).id == FIRST


def test_several_are_found_in_the_order_asked_each_once(repository):
    found = resolve_all(repository, ["9999", "018f1111-a", str(THIRD)])

    assert [conversation.id for conversation in found] == [THIRD, FIRST]


def test_transcripts_hold_the_messages(repository):
    (transcript,) = transcripts(repository, ["9999"])

    assert transcript.conversation.title == "talk 2"
    assert [message.content for message in transcript.messages] == ["question 2"]


def test_search_hands_on_query_and_limit(repository):
    assert len(search(repository, "question", 2)) == 2
    assert [hit.conversation_id for hit in search(repository, "question 1", 5)] == [SECOND]


@pytest.mark.parametrize("query", ["", " \n "])
def test_an_empty_search_is_an_error(repository, query):
    with pytest.raises(ValidationError, match="empty"):
        search(repository, query, 5)


def test_deleting_counts_what_was_there(repository):
    assert delete_conversations(repository, [FIRST, uuid4(), THIRD]) == 2
    assert [summary.id for summary in resolve_all(repository, ["018f"])] == [SECOND]


class RefusesTheSecond(InMemoryConversationRepository):
    def delete(self, conversation_id):
        if conversation_id == SECOND:
            raise StorageError("the disk is full")
        return super().delete(conversation_id)


def test_deleting_is_all_or_nothing():
    repository = RefusesTheSecond()
    for each in (FIRST, SECOND):
        repository.save(Conversation(id=each))

    with pytest.raises(StorageError):
        delete_conversations(repository, [FIRST, SECOND])

    assert repository.get_by_id(FIRST) is not None


def test_a_deleted_conversation_is_known_by_its_whole_id_while_the_ledger_knows_it(repository):
    ledger = InMemoryLedger()
    ledger.open_call(Call("m", Cost.unsettled(), conversation_id=FIRST))
    assert known_conversation(repository, ledger, "018f1111-a") == FIRST

    delete_conversations(repository, [FIRST, SECOND])

    assert known_conversation(repository, ledger, f" {FIRST.hex} ") == FIRST
    for unknown in ("018f1111-a", str(SECOND), "", "no id"):
        with pytest.raises(NotFoundError):
            known_conversation(repository, ledger, unknown)
