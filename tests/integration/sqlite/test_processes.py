"""Many processes at once, from the very first start on."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from neuralterm.application.clock import SystemClock
from neuralterm.application.records import CallFilter, Committed, HistoryFilter
from neuralterm.application.recovery import recover
from neuralterm.domain.models import MessageStatus
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.ledger import SQLiteLedger
from neuralterm.infrastructure.migrations import MIGRATIONS, SCHEMA_VERSION
from neuralterm.infrastructure.processes import ProcessTable
from neuralterm.infrastructure.repositories import SQLiteConversationRepository

WRITER = Path(__file__).with_name("writer.py")


def start(path, *arguments, stdin=subprocess.DEVNULL):
    command = [sys.executable, str(WRITER), str(path), *arguments]
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# The slow tests have four times as many.
MANY = 16


def test_many_processes_start_at_once_in_a_fresh_directory(database):
    standing_by, starting_gun = os.pipe()
    processes = [start(database.path, stdin=standing_by) for _ in range(MANY)]
    os.close(standing_by)
    os.close(starting_gun)
    errors = [process.communicate()[1] for process in processes]

    repository, ledger = SQLiteConversationRepository(database), SQLiteLedger(database)
    assert [error for error in errors if error] == []
    summaries = repository.summaries(HistoryFilter(limit=None))
    assert [(each.message_count, each.status) for each in summaries] == [(2, MessageStatus.COMPLETE)] * MANY
    assert {repository.get_messages(each.conversation.id)[1].content for each in summaries} == {"abc"}
    assert sum(each.conversation.total_cost for each in summaries) == MANY * Decimal("0.001")
    assert ledger.totals(CallFilter())[0].by_source == {"billed": MANY * Decimal("0.001")}
    assert len(repository.search("abc", MANY + 1)) == MANY
    assert database.query("PRAGMA integrity_check") == [("ok",)]


DYING = """
import os, signal, sqlite3, sys
from neuralterm.infrastructure.migrations import migrate

class Dying(sqlite3.Connection):
    left = int(sys.argv[2])

    def execute(self, sql, *parameters):
        Dying.left -= 1
        if Dying.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(sql, *parameters)

connection = sqlite3.connect(sys.argv[1], isolation_level=None, factory=Dying)
connection.execute("PRAGMA journal_mode = WAL")
migrate(connection)
"""


@pytest.mark.parametrize("statements", [1, 10, 30, 50])
def test_who_is_killed_in_the_middle_of_a_migration_leaves_whole_steps(database, tmp_path, statements):
    killed = subprocess.run([sys.executable, "-c", DYING, str(database.path), str(statements)])
    assert killed.returncode == -signal.SIGKILL

    database.change("DELETE FROM meta")

    with closing(Database(tmp_path / "fresh.db")) as fresh:
        fresh.change("DELETE FROM meta")
        schema = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
        assert database.query(schema) == fresh.query(schema)
    assert database.query("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.slow
@pytest.mark.parametrize("version", range(SCHEMA_VERSION))
def test_an_old_file_is_brought_up_to_date_by_sixteen_at_once(database, version):
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        for migration in MIGRATIONS[:version]:
            migration(connection)
        connection.execute(f"PRAGMA user_version = {version}")
        if version:
            row = "INSERT INTO conversations VALUES (1, ?, 'old', 'a/b', 0, 0, 0, 0)"
            connection.execute(row, (str(UUID(int=1)),))

    assert_all_write(database, 16)

    assert database.query("PRAGMA user_version") == [(SCHEMA_VERSION,)]
    assert database.query("SELECT count(*) FROM conversations") == [(16 + min(version, 1),)]


@pytest.mark.slow
@pytest.mark.parametrize("round_", range(2))
def test_sixty_four_processes_start_at_once_in_a_fresh_directory(database, round_):
    assert_all_write(database, 64)

    assert database.query("SELECT count(*), sum(total_cost) FROM conversations") == [(64, 64 * 10**9)]
    assert database.query("SELECT count(*) FROM calls WHERE status = 'complete'") == [(64,)]


def assert_all_write(database, count):
    standing_by, starting_gun = os.pipe()
    processes = [start(database.path, stdin=standing_by) for _ in range(count)]
    os.close(standing_by)
    os.close(starting_gun)
    errors = [process.communicate()[1] for process in processes]
    assert [error for error in errors if error] == []
    assert [process.returncode for process in processes] == [0] * count
    assert database.query("PRAGMA integrity_check") == [("ok",)]


def test_what_a_dead_process_wrote_is_there(database):
    process = start(database.path, "crash")
    process.communicate()
    assert process.returncode == 9

    repository, ledger = SQLiteConversationRepository(database), SQLiteLedger(database)
    question, answer = repository.get_messages(repository.latest().id)
    assert (question.content, answer.content, answer.status) == ("question", "abc", MessageStatus.PENDING)
    assert len(repository.summaries(HistoryFilter(partial_only=True))) == 1
    assert ledger.committed(CallFilter()).usd == Decimal("0.01")


def test_the_call_of_a_killed_process_is_abandoned_and_that_of_a_living_one_is_not(database):
    repository, ledger = SQLiteConversationRepository(database), SQLiteLedger(database)
    process = start(database.path, "hang")
    process.stdout.readline()

    def abandon():
        return recover(ledger, repository, ProcessTable(), SystemClock()).abandoned

    assert abandon() == 0
    process.kill()
    process.communicate()

    assert abandon() == 1
    assert abandon() == 0
    assert ledger.running() == []
    _, answer = repository.get_messages(repository.latest().id)
    assert (answer.content, answer.status) == ("abc", MessageStatus.INTERRUPTED)
    assert [hit.message_id for hit in repository.search("abc", 5)] == [answer.id]
    assert ledger.committed(CallFilter()) == Committed(Decimal(0), Decimal("0.01"))
