"""Attachments: contents stored once, linked in order, gone with their last message."""

import sqlite3

import pytest

from neuralterm.application.attachments import Attachments
from neuralterm.application.turn import Prompt
from neuralterm.domain.attachments import attachments_of
from neuralterm.domain.exceptions import StorageError
from neuralterm.infrastructure.attachment_store import SQLiteAttachmentStore
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.migrations import create_schema
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from tests.fakes.attachments import attached, linked
from tests.integration.sqlite.samples import conversation, question


@pytest.fixture
def repository(database):
    return SQLiteConversationRepository(database)


@pytest.fixture
def store(database):
    return SQLiteAttachmentStore(database)


def say(repository, store, *files, thread=None):
    """Store a question with attachments as the orchestrator does; return its conversation."""
    thread = thread or conversation()
    message = question(thread)
    attachments = Attachments(store)
    attachments.attach(message, files)
    prompt = attachments.prepare(Prompt(thread.id, "a/b", None, [message], [message]), files)
    with repository.transaction():
        repository.save(thread)
        attachments.keep(prompt)
        repository.add_message(message)
    return thread


def contents(database):
    return [row[0] for row in database.query("SELECT content FROM attachments ORDER BY number")]


def test_what_is_attached_comes_back_in_order(repository, store, database):
    files = [attached("pdf", b"%PDF", "ä.pdf"), linked(), attached("image", b"\x00\xff" * 50_000, "b.png")]
    thread = say(repository, store, *files)
    (message,) = repository.get_messages(thread.id)
    assert attachments_of(message) == [file.attachment for file in files]
    assert store.content(files[2].attachment.sha256) == files[2].content
    links = database.query("SELECT position, sha256 FROM message_attachments ORDER BY position")
    assert links == [(0, files[0].attachment.sha256), (2, files[2].attachment.sha256)]


def test_a_content_is_stored_once_however_often_it_is_attached(repository, store, database):
    thread = say(repository, store, attached(name="one"), attached(name="two"))
    say(repository, store, attached(name="three"), thread=thread)
    say(repository, store, attached(name="four"))
    assert contents(database) == [b"bytes"]
    names = [each.name for message in repository.get_messages(thread.id) for each in attachments_of(message)]
    assert names == ["one", "two", "three"]


def test_a_content_goes_with_its_last_message_and_not_before(repository, store, database):
    first = say(repository, store, attached(content=b"both"), attached(content=b"only here"), attached(content=b"both"))
    second = say(repository, store, attached(content=b"both"))
    repository.delete(first.id)
    assert contents(database) == [b"both"]
    repository.delete(second.id)
    assert contents(database) == []
    assert database.query("SELECT * FROM message_attachments") == []


def test_a_message_that_is_copied_keeps_its_contents_alive(repository, store, database):
    first, second = say(repository, store, attached()), conversation()
    (original,) = repository.get_messages(first.id)
    repository.save(second)
    repository.add_message(question(second, metadata=original.metadata))
    repository.delete(first.id)
    assert contents(database) == [b"bytes"]


def test_a_message_is_not_stored_without_the_contents_it_has(repository, store, database):
    thread = conversation()
    repository.save(thread)
    message = question(thread)
    Attachments(store).attach(message, [attached()])
    with pytest.raises(StorageError):
        repository.add_message(message)
    assert repository.get_messages(thread.id) == []


def test_a_content_without_a_message_leaves_nothing_when_the_step_fails(repository, store, database):
    def fail():
        with repository.transaction():
            store.add("00", b"x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert contents(database) == []


def test_a_missing_content_is_a_storage_error(store):
    with pytest.raises(StorageError, match="attachment is missing"):
        store.content("00")


def test_history_without_attachments_asks_nothing_more(repository, store, database, monkeypatch):
    thread = conversation()
    repository.save(thread)
    repository.add_message(question(thread))
    statements = []
    database._opened.connection.set_trace_callback(statements.append)
    repository.get_messages(thread.id)
    database._opened.connection.set_trace_callback(None)
    assert len(statements) == 1


def test_a_database_from_before_attachments_takes_them(tmp_path):
    connection = sqlite3.connect(tmp_path / "old.db")
    create_schema(connection)
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    database = Database(tmp_path / "old.db")
    thread = say(SQLiteConversationRepository(database), SQLiteAttachmentStore(database), attached())
    assert contents(database) == [b"bytes"]
    assert database.query("PRAGMA integrity_check") == [("ok",)]
    SQLiteConversationRepository(database).delete(thread.id)
    database.close()
