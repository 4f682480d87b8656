"""Many processes at once, from the very first start on."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from neuralterm.application.clock import SystemClock
from neuralterm.application.records import CallFilter, Committed, HistoryFilter
from neuralterm.application.recovery import recover
from neuralterm.domain.models import MessageStatus
from neuralterm.infrastructure.ledger import SQLiteLedger
from neuralterm.infrastructure.processes import ProcessTable
from neuralterm.infrastructure.repositories import SQLiteConversationRepository

WRITER = Path(__file__).with_name("writer.py")


def start(path, *arguments, stdin=subprocess.DEVNULL):
    command = [sys.executable, str(WRITER), str(path), *arguments]
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_fifty_processes_start_at_once_in_a_fresh_directory(database):
    standing_by, starting_gun = os.pipe()
    processes = [start(database.path, stdin=standing_by) for _ in range(50)]
    os.close(standing_by)
    os.close(starting_gun)
    errors = [process.communicate()[1] for process in processes]

    repository, ledger = SQLiteConversationRepository(database), SQLiteLedger(database)
    assert [error for error in errors if error] == []
    summaries = repository.summaries(HistoryFilter(limit=None))
    assert [(each.message_count, each.status) for each in summaries] == [(2, MessageStatus.COMPLETE)] * 50
    assert {repository.get_messages(each.conversation.id)[1].content for each in summaries} == {"abc"}
    assert sum(each.conversation.total_cost for each in summaries) == Decimal("0.05")
    assert ledger.totals(CallFilter())[0].by_source == {"billed": Decimal("0.05")}
    assert len(repository.search("abc", 100)) == 50
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
