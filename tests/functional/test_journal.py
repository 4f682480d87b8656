"""What was delivered is on disk, whatever becomes of process and database; real processes, and a real database."""

import json
import re
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from .stand_in import chunk, events, held, text

# How old text may be that `kill -9` takes away, and what a busy machine may add to it before it is looked at.
PROMISED_S, LOADED_MACHINE_S = 0.25, 2.0


@pytest.fixture
def database(data_dir):
    return Path(data_dir) / "neuralterm.db"


@contextmanager
def locked(database):
    """Hold the database as a long write does."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def answers(run):
    """All answers, with their status, their cost and where it comes from."""
    (listed,) = json.loads(run("history", "--json").out)["conversations"]
    shown = json.loads(run("history", "show", listed["id"], "--json").out)
    return [
        (message["content"], message["status"], message["cost"]["source"])
        for message in shown["messages"]
        if message["role"] == "assistant"
    ]


def test_text_is_on_disk_although_nothing_follows_it(service, start, journals):
    """Both pieces come at once, and then nothing: nobody is there to write the second one when the third one comes."""
    gate = threading.Event()

    def script(exchange):
        exchange.begin_stream()
        pieces = [json.dumps(chunk({"content": piece})) for piece in ("The ", "answer", " may")]
        exchange.block("".join(f"data: {piece}\n\n" for piece in pieces).encode())
        exchange.wait_for(gate)
        exchange.finish()

    service.scripts = [script]
    process = start("send", "hi")
    assert process.stdout.read(14) == b"The answer may"
    deadline = time.monotonic() + PROMISED_S + LOADED_MACHINE_S
    while "".join(re.findall(r'"text":"([^"]*)"', "".join(journals()))) != "The answer may":
        assert time.monotonic() < deadline
    gate.set()
    assert process.wait() == 0
    assert journals() == []


class TestLockedDatabase:
    """The database is held when the answer has come: it is kept beside it and merged by the next command, once."""

    @pytest.fixture
    def held_answer(self, service):
        gate = threading.Event()
        service.scripts = [held(["The answer"], gate, [" is 42"])]
        return gate

    def test_the_answer_is_delivered_and_merged_once_by_many(self, service, start, run, stored, held_answer, database):
        process = start("send", "hi")
        assert process.stdout.read(10) == b"The answer"
        with locked(database):
            held_answer.set()
            assert process.stdout.read() == b" is 42\n"
            assert process.wait() == 0
        waiting, warning = process.stderr.read().decode().splitlines()
        assert waiting == f"note: waiting for the database {database}: another process holds it"
        assert warning.startswith("warning: the local history could not be written")
        assert warning.endswith("the answer is kept beside the database and will be merged at the next start")

        readers = [start("cost", "--json") for _ in range(6)]
        assert [reader.wait() for reader in readers] == [0] * 6
        told = b"".join(reader.stderr.read() for reader in readers)
        assert told == b"note: 1 answer kept beside the database now in the history\n"
        assert {json.loads(reader.stdout.read())["calls"] for reader in readers} == {1}
        assert answers(run) == [("The answer is 42", "complete", "billed")]
        ((cost,),) = stored("SELECT sum(cost) FROM calls WHERE source = 'billed'")
        assert stored("SELECT total_cost FROM conversations") == [(cost,)]
        assert stored("SELECT sum(cost) FROM totals WHERE span = 900000") == [(cost,)]

    def test_a_signal_is_obeyed_at_once_all_the_same(self, service, start, run, held_answer, database):
        process = start("send", "hi")
        assert process.stdout.read(10) == b"The answer"
        with locked(database):
            process.terminate()
            began = time.monotonic()
            assert process.wait() == 143
            assert time.monotonic() - began < LOADED_MACHINE_S
        assert answers(run) == [("The answer", "interrupted", "unsettled")]


def test_a_database_that_is_gone_at_the_end_is_made_anew_with_the_answer(service, start, run, database):
    gate = threading.Event()
    service.scripts = [held(["The answer"], gate, [" is 42"])]
    process = start("send", "hi")
    assert process.stdout.read(10) == b"The answer"
    for path in database.parent.glob("neuralterm.db*"):
        if path.is_file():
            path.unlink()
    gate.set()
    assert process.wait() == 0
    assert answers(run) == [("The answer is 42", "complete", "billed")]
    assert json.loads(run("cost", "--json").out)["calls"] == 1


def cut(*deltas):
    """Stream these deltas and end without an end."""
    return events(*(chunk({"content": delta}) for delta in deltas))


class TestResume:
    def test_the_model_is_asked_to_go_on_from_what_came(self, service, run):
        service.scripts = [cut("The answer"), text(" is 42")]
        assert run("send", "why?").code == 9
        (conversation,) = json.loads(run("history", "--partial", "--json").out)["conversations"]
        result = run("send", "--resume", conversation["id"][:8])
        assert (result.code, result.out) == (0, " is 42\n")
        question, partial, note, request = service.chats[1].body["messages"]
        assert (question["content"], partial["content"]) == ("why?", "The answer")
        assert "incomplete" in note["content"]
        assert "Go on exactly where it ended" in request["content"]

    def test_a_prompt_says_how_to_go_on(self, service, run):
        service.scripts = [cut("The answer"), text(" is 42")]
        run("send", "why?")
        (conversation,) = json.loads(run("history", "--json").out)["conversations"]
        run("send", "--resume", conversation["id"], "in German, please")
        assert service.chats[1].body["messages"][-1]["content"] == "in German, please"

    def test_of_an_answer_that_never_began_the_question_is_asked_again(self, service, run):
        service.scripts = [cut(), text("42")]
        assert run("send", "-m", "openai/gpt-4o-mini", "why?").code in (8, 9)
        (conversation,) = json.loads(run("history", "--json").out)["conversations"]
        assert run("send", "--resume", conversation["id"]).out == "42\n"
        assert [message["content"] for message in service.chats[1].body["messages"]] == ["why?"]

    def test_what_is_complete_is_not_bought_again(self, service, run):
        run("send", "why?")
        (conversation,) = json.loads(run("history", "--json").out)["conversations"]
        result = run("send", "--resume", conversation["id"])
        assert (result.code, len(service.chats)) == (2, 1)
        assert "nothing to resume" in result.err

    def test_what_is_still_being_written_is_left_alone(self, service, run, start):
        gate = threading.Event()
        service.scripts = [held(["The answer"], gate, [" is 42"])]
        process = start("send", "why?")
        assert process.stdout.read(10) == b"The answer"
        (conversation,) = json.loads(run("history", "--json").out)["conversations"]
        result = run("send", "--resume", conversation["id"])
        gate.set()
        assert (result.code, "still being written" in result.err) == (2, True)
        assert process.wait() == 0

    def test_of_many_at_once_one_buys_the_rest(self, service, start, run, stored):
        service.scripts = [cut("The answer"), text(" is 42")]
        run("send", "why?")
        (conversation,) = json.loads(run("history", "--json").out)["conversations"]
        processes = [start("send", "--resume", conversation["id"]) for _ in range(4)]
        outs = [process.communicate() for process in processes]
        assert sorted(process.returncode for process in processes) == [0, 2, 2, 2], outs
        assert len(service.chats) == 2
        assert stored("SELECT count(*) FROM calls") == [(2,)]

    @pytest.mark.parametrize("options", [["-c"], ["--cid", "abc"]])
    def test_it_names_the_conversation_itself(self, service, run, options):
        result = run("send", "--resume", "abc", *options)
        assert result.code == 2
        assert "leave out" in result.err
