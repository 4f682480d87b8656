from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from neuralterm.application.history import resolve_all, resolve_conversation
from neuralterm.application.trash import KEPT_FOR, empty_expired, move_to_trash, take_out
from neuralterm.domain.exceptions import NotFoundError, StorageError
from neuralterm.domain.models import Conversation
from tests.fakes.storage import InMemoryConversationRepository

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def repository():
    return InMemoryConversationRepository()


@pytest.fixture
def thread(repository):
    thread = Conversation()
    repository.save(thread)
    return thread


def test_there_and_back(repository, thread):
    assert move_to_trash(repository, [thread.id, uuid4(), thread.id], NOON) == 1
    with pytest.raises(NotFoundError):
        resolve_conversation(repository, str(thread.id))
    assert [each.id for each in resolve_all(repository, [str(thread.id)[:30]], deleted=True)] == [thread.id]

    assert take_out(repository, [thread.id, thread.id]) == 1
    assert resolve_conversation(repository, str(thread.id)).id == thread.id


def test_what_is_not_in_the_trash_is_said_so(repository, thread):
    with pytest.raises(NotFoundError, match="in the trash") as caught:
        resolve_conversation(repository, str(thread.id), deleted=True)

    assert "--deleted" in caught.value.hint


def test_only_what_has_been_there_for_long_goes_for_good(repository, thread):
    move_to_trash(repository, [thread.id], NOON)

    assert empty_expired(repository, NOON + KEPT_FOR) == 0
    assert empty_expired(repository, NOON + KEPT_FOR + timedelta(seconds=1)) == 1
    assert take_out(repository, [thread.id]) == 0


class Busy(InMemoryConversationRepository):
    @contextmanager
    def patience(self, seconds):
        assert seconds <= 1
        yield

    def purge(self, before):
        raise StorageError("the database is locked")


def test_a_busy_database_keeps_what_expired_for_later():
    assert empty_expired(Busy(), NOON) == 0
