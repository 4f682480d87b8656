"""All or nothing, over all adapters of one database."""

from decimal import Decimal
from threading import Event, Thread

import pytest

from neuralterm.application.records import CallFilter
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import StorageError
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.ledger import SQLiteLedger
from neuralterm.infrastructure.model_cache import SQLiteModelCache
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from tests.integration.sqlite.samples import NOON, call, conversation, finished, pending, question


class Interruption(BaseException):
    """Stands for KeyboardInterrupt and cancellation."""


@pytest.mark.parametrize("failure", [RuntimeError, Interruption])
def test_a_failure_undoes_what_repository_and_ledger_did(storage, failure):
    thread = conversation()
    storage.repository.save(thread)
    answer, opened = pending(thread), call(at_most="0.5")

    def spoil():
        with storage.repository.transaction(), storage.ledger.transaction():
            storage.repository.add_message(question(thread))
            storage.repository.add_message(answer)
            storage.repository.finish_message(finished(answer, cost=Decimal(1)))
            storage.ledger.open_call(opened)
            raise failure

    with pytest.raises(failure):
        spoil()

    assert storage.repository.get_messages(thread.id) == []
    assert storage.repository.get_by_id(thread.id) == thread
    assert storage.repository.search("Paris", 5) == []
    assert storage.ledger.committed(CallFilter()).usd == 0


def test_what_a_transaction_did_stays(storage):
    thread = conversation()

    with storage.ledger.transaction(), storage.repository.transaction():
        storage.repository.save(thread)
        storage.repository.add_message(question(thread))
        storage.ledger.open_call(call(at_most="0.5"))

    assert len(storage.repository.get_messages(thread.id)) == 1
    assert storage.ledger.committed(CallFilter()).usd == Decimal("0.5")


def test_an_inner_failure_that_is_caught_undoes_the_inner_part_only(storage):
    kept, undone = conversation(), conversation()

    def spoil():
        with storage.ledger.transaction():
            storage.repository.save(undone)
            raise RuntimeError

    with storage.repository.transaction():
        storage.repository.save(kept)
        with pytest.raises(RuntimeError):
            spoil()

    assert storage.repository.get_by_id(kept.id) == kept
    assert storage.repository.get_by_id(undone.id) is None


def test_what_can_not_be_undone_alone_is_undone_with_all_else(database):
    repository = SQLiteConversationRepository(database)

    def spoil():
        with repository.transaction():
            repository.save(conversation())
            with repository.transaction():
                repository.save(conversation())
                database.change("RELEASE level1")
                raise RuntimeError

    with pytest.raises(RuntimeError):
        spoil()

    assert repository.latest() is None


def test_a_failure_leaves_the_old_model_list(database):
    cache = SQLiteModelCache(database)
    cache.store([OpenRouterModel("a/b")], NOON)

    def spoil():
        with database.transaction():
            cache.store([OpenRouterModel("c/d")], NOON)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        spoil()

    assert cache.find("a/b") is not None
    assert cache.find("c/d") is None


def test_no_other_process_comes_between(database):
    ledger = SQLiteLedger(database)
    stranger = SQLiteLedger(Database(database.path, busy_timeout=0.01))

    with ledger.transaction():
        ledger.committed(CallFilter())
        with pytest.raises(StorageError, match="locked"):
            stranger.open_call(call(at_most="1"))
        assert stranger.committed(CallFilter()).usd == 0  # reading does not wait

    stranger.open_call(call(at_most="1"))
    assert ledger.committed(CallFilter()).usd == 1
    stranger.database.close()


def test_another_thread_waits_for_the_end_of_a_transaction(database):
    repository, ledger = SQLiteConversationRepository(database), SQLiteLedger(database)
    inside, seen = Event(), []

    def look():
        inside.wait(5)
        seen.append(ledger.totals(CallFilter())[0].calls)

    thread = Thread(target=look)
    thread.start()
    with repository.transaction():
        ledger.open_call(call("1"))
        inside.set()
        thread.join(0.05)
        assert seen == []
        ledger.open_call(call("2"))
    thread.join(5)

    assert seen == [2]


def test_many_threads_share_one_connection(database):
    ledger = SQLiteLedger(database)

    def spend():
        for _ in range(20):
            with ledger.transaction():
                ledger.open_call(call("0.001"))

    threads = [Thread(target=spend) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ledger.committed(CallFilter()).usd == Decimal("0.1")
