"""What a command asks the database takes as many steps of SQLite over a long history as over a short one."""

import importlib.util
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from neuralterm.application.records import CallFilter, HistoryFilter
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.ledger import SQLiteLedger
from neuralterm.infrastructure.repositories import SQLiteConversationRepository

FEW, MANY = 600, 6_000
_FILLING = Path(__file__).parents[3] / "scripts" / "bench" / "filling.py"


class Steps(Database):
    """A database that counts the steps its queries take, in tens."""

    def __init__(self, path):
        super().__init__(path)
        self.tens = 0
        self._counting = sqlite3.connect(path)
        self._counting.set_progress_handler(self._count, 10)

    def _count(self):
        self.tens += 1

    def query(self, sql, parameters=()):
        self._counting.execute(sql, parameters).fetchall()
        return super().query(sql, parameters)

    def close(self):
        self._counting.close()
        super().close()


@pytest.fixture(scope="module")
def histories(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("filling", _FILLING)
    filling = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(filling)
    databases = []
    for messages in (FEW, MANY):
        path = tmp_path_factory.mktemp(str(messages)) / "neuralterm.db"
        filling.fill(path, messages=messages)
        databases.append(Steps(path))
    yield databases
    for database in databases:
        database.close()


def today():
    return datetime.now(UTC) - timedelta(hours=1)


def steps(database, question):
    before = database.tens
    question(SQLiteConversationRepository(database), SQLiteLedger(database))
    return (database.tens - before) * 10


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(lambda repository, ledger: ledger.running(), id="recovery"),
        pytest.param(lambda repository, ledger: ledger.to_reconcile("http://here", 1), id="another service"),
        pytest.param(lambda repository, ledger: ledger.to_reconcile("https://openrouter.ai/api/v1", 1), id="reconcile"),
        pytest.param(lambda repository, ledger: ledger.committed(CallFilter(since=today())), id="daily budget"),
        pytest.param(lambda repository, ledger: repository.summaries(HistoryFilter(limit=1)), id="continue"),
        pytest.param(lambda repository, ledger: repository.summaries(HistoryFilter(limit=20)), id="history"),
        pytest.param(lambda repository, ledger: repository.find_by_prefix("a"), id="prefix"),
        pytest.param(lambda repository, ledger: repository.latest(), id="latest"),
        pytest.param(lambda repository, ledger: repository.summaries(HistoryFilter(deleted=True)), id="trash"),
        pytest.param(lambda repository, ledger: repository.purge(today()), id="purge"),
        pytest.param(lambda repository, ledger: repository.search("the", 20), id="common word"),
        pytest.param(lambda repository, ledger: repository.search("nosuchword", 20), id="no word"),
    ],
)
def test_a_long_history_takes_no_more_steps(histories, question):
    few, many = (steps(database, question) for database in histories)

    assert many <= 1.3 * few + 50  # trees are deeper


def test_a_sum_of_all_calls_is_read_from_as_many_totals_as_there_are_kinds_of_calls(histories):
    few, many = (steps(database, lambda _, ledger: ledger.totals(CallFilter())) for database in histories)

    assert many < 5 * few  # ten times as many calls


def test_a_full_trash_is_in_nobodys_way(histories):
    def last(repository, ledger):
        repository.latest()
        repository.summaries(HistoryFilter(limit=1))

    database = histories[1]
    before = steps(database, last)
    newest = database.query("SELECT id FROM conversations ORDER BY updated_at DESC LIMIT 300")
    for (identity,) in newest:
        database.change("UPDATE conversations SET deleted_at = 1 WHERE id = ?", (identity,))

    assert steps(database, last) < before + 300
