"""A conversation that was made for a prompt that was refused goes again, unless another process has gone on with it."""

import pytest

from neuralterm.application.records import SendOptions
from neuralterm.application.sending import SendRequest, send
from neuralterm.domain import exceptions as exc
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from tests.integration.sqlite.samples import question

pytestmark = pytest.mark.anyio


class Refusing:
    """An orchestrator that makes a conversation and refuses the prompt."""

    def __init__(self, repository):
        self._repository = repository

    async def create_conversation(self, title, model_id, tags=()):
        from neuralterm.domain.models import Conversation

        conversation = Conversation(title=title, model_id=model_id)
        self._repository.save(conversation)
        return conversation

    async def send_message(self, *args):
        raise exc.BudgetExceededError("no money is left")
        yield


class Overtaken(SQLiteConversationRepository):
    """Another process goes on with the conversation as soon as this one has seen that it is empty."""

    refused = None

    def get_messages(self, conversation_id, **options):
        messages = super().get_messages(conversation_id, **options)
        other = SQLiteConversationRepository(Database(self.database.path))
        try:
            with other.patience(0.0):
                other.add_message(question(other.get_by_id(conversation_id)))
        except exc.StorageError as error:
            self.refused = error
        finally:
            other.database.close()
        return messages


async def test_nothing_of_another_process_is_deleted_with_it(tmp_path):
    repository = Overtaken(tmp_path / "neuralterm.db")
    with pytest.raises(exc.BudgetExceededError):
        await send(SendRequest("hi", SendOptions()), Refusing(repository), repository, print)
    assert "locked" in str(repository.refused)
    assert repository.list_active() == []
    repository.database.close()
