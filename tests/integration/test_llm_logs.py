"""What is read from the logs of the program `llm`, whatever version wrote them."""

import hashlib
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuralterm.application.importing import import_history
from neuralterm.domain.exceptions import NeuralTermError, ValidationError
from neuralterm.domain.models import MessageRole, TokenUsage
from neuralterm.infrastructure.llm_logs import LlmLogs
from tests.fakes import llm_logs
from tests.fakes.storage import InMemoryConversationRepository

USER, ASSISTANT = MessageRole.USER, MessageRole.ASSISTANT


@pytest.fixture
def path(tmp_path):
    return tmp_path / "logs.db"


def read(path):
    """Return the conversations of a file, which must stay as it is."""
    before = {each.name: hashlib.sha256(each.read_bytes()).digest() for each in path.parent.iterdir()}
    with closing(LlmLogs(path)) as logs:
        found = list(logs.conversations())
        assert logs.size == sum(len(each.exchanges) for each in found)
    assert {each.name: hashlib.sha256(each.read_bytes()).digest() for each in path.parent.iterdir()} == before
    return found


def test_conversations_and_responses(path):
    sky, tools = read(llm_logs.modern(path))

    assert (sky.id, sky.name, tools.id, tools.name) == ("c1", "The  sky", "c2", "")
    first, second = sky.exchanges
    assert (first.id, first.model, first.system, first.answer) == ("r1", "gpt-4o-mini", "Be brief.", "answer 1")
    assert first.inputs == [(USER, "a file\n\nquestion 1")]
    assert (first.usage, first.duration_ms) == (TokenUsage(10, 5, 15), 1500)
    assert first.at == datetime(2025, 3, 1, 10, 1, tzinfo=UTC)
    assert second.inputs == [(USER, "question 2\n\n[attachment: image/png, /tmp/x.png]")]
    assert (first.attachments, second.attachments) == (0, 1)
    assert second.usage == TokenUsage(20, 7, 27, reasoning_tokens=2, cached_tokens=3)
    (used,) = tools.exchanges
    assert (used.model, used.system) == ("anthropic/claude-sonnet-4", "a rule")
    assert (used.inputs, used.answer) == ([(USER, "[result of past]\nnoon")], '[now({"zone": "UTC"})]')
    assert used.usage is None


def test_the_first_responses_had_fewer_columns(path):
    llm_logs.write(path, llm_logs.RESPONSES, responses=[llm_logs.response(1), llm_logs.response(2, None)])

    first, lone = read(path)

    assert (first.id, lone.id) == ("c1", "response r2")
    assert (first.exchanges[0].answer, first.exchanges[0].usage) == ("answer 1", None)


def test_the_old_table_of_calls(path):
    row = {"model": "gpt-4", "prompt": "one", "response": "1", "datetime_utc": "2023-07-01 10:00:00.5"}
    later = [
        row | {"prompt": "two", "chat_id": 1},
        row | {"prompt": "three", "reply_to_id": 2},
        row | {"prompt": "alone"},
    ]
    llm_logs.write(path, llm_logs.OLD, logs=[row | {"system": "s", "duration_ms": 5}, *later])

    talk, alone = read(path)

    assert [exchange.inputs for exchange in talk.exchanges] == [[(USER, each)] for each in ("one", "two", "three")]
    assert (talk.exchanges[0].system, talk.exchanges[0].duration_ms) == ("s", 5)
    assert talk.exchanges[0].at == datetime(2023, 7, 1, 10, 0, 0, 500_000, tzinfo=UTC)
    assert alone.exchanges[0].inputs == [(USER, "alone")]


def test_the_oldest_table_of_calls(path):
    row = {
        "provider": "openai",
        "prompt": "hi",
        "response": "hello",
        "model": "gpt-3.5-turbo",
        "timestamp": "2023-04-01",
    }
    llm_logs.write(path, llm_logs.OLDEST, log=[row, row | {"chat_id": "1", "prompt": "again"}])

    (talk,) = read(path)

    assert [exchange.inputs[0][1] for exchange in talk.exchanges] == ["hi", "again"]
    assert talk.exchanges[0].at == datetime(2023, 4, 1, tzinfo=UTC)


def test_turns_of_threads(path):
    (thread,) = read(llm_logs.newest(path))

    first, second, third = thread.exchanges
    assert (thread.id, thread.name) == ("t1", "Times")
    assert (first.inputs, first.answer, first.reasoning) == ([(USER, "The book. sum it up")], "It is short.", "hm")
    assert second.inputs == [(USER, "What time is it?\n\n[attachment: without a name]")]
    assert [exchange.attachments for exchange in thread.exchanges] == [0, 1, 0]
    assert second.answer == "[now({})]"
    assert (third.inputs, third.answer) == ([(USER, "[result of now]\nnoon")], "It is noon.")
    assert {exchange.system for exchange in thread.exchanges} == {"Be kind."}
    assert third.usage == TokenUsage(4, 6, 10, reasoning_tokens=1)


def test_the_first_turn_tells_what_was_said_before_it(path):
    llm_logs.newest(path)
    llm_logs.write(path, turns=[llm_logs.turn(4, "q2", "a2", "fork")])

    _, fork = read(path)

    assert [role for role, _ in fork.exchanges[0].inputs] == [USER, ASSISTANT, USER]
    assert fork.exchanges[0].inputs[1] == (ASSISTANT, "It is short.")


def test_a_conversation_that_went_on_after_the_change_of_schema(path):
    llm_logs.modern(path)
    llm_logs.newest(path, thread="c1")
    llm_logs.write(path, turns=[llm_logs.turn(9, "q1", "a1", "c1", id="r2")])  # written into both

    sky, _ = read_unsized(path)

    assert [exchange.id for exchange in sky.exchanges] == ["r1", "r2", "u1", "u2", "u3"]
    assert [len(exchange.inputs) for exchange in sky.exchanges] == [1, 1, 1, 1, 1]


def read_unsized(path):
    with closing(LlmLogs(path)) as logs:
        return list(logs.conversations())


@pytest.mark.parametrize("has_log", [True, False])
def test_a_file_in_wal_mode_is_read_and_left_alone(path, has_log):
    path = path.with_name("a b%20?#ü").joinpath("logs.db")
    path.parent.mkdir()
    llm_logs.modern(path)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        if has_log:
            writer.execute("UPDATE conversations SET name = 'changed' WHERE id = 'c1'")
            writer.commit()
            assert path.with_name("logs.db-wal").stat().st_size > 0
            assert read_unsized(path)[0].name == "changed"
    if not has_log:
        assert [each.name for each in path.parent.iterdir()] == ["logs.db"]
        assert read(path)[0].name == "The  sky"


@pytest.mark.parametrize(
    "scripts",
    [
        ["CREATE TABLE other (id)"],
        ["CREATE TABLE responses (id TEXT)"],
        ["CREATE TABLE messages (hash TEXT, parent_hash TEXT, role TEXT)"],
        ["CREATE VIRTUAL TABLE responses USING fts5 (id, prompt, response)"],
        ["CREATE VIEW responses AS SELECT 1 AS id, 'x' AS prompt, 'y' AS response"],
    ],
)
def test_another_database_is_refused(path, scripts):
    llm_logs.write(path, *scripts)

    with pytest.raises(ValidationError, match="not a log"):
        LlmLogs(path)


def test_what_is_no_database_is_refused(path):
    with pytest.raises(ValidationError, match="No such file"):
        LlmLogs(path)
    for content in (b"", b"not a database" * 100):
        path.write_bytes(content)
        with pytest.raises(ValidationError, match="not a SQLite database"):
            LlmLogs(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValidationError, match="can't be read"):
        LlmLogs(path)


def test_a_damaged_database_is_an_error_of_ours(path):
    llm_logs.modern(path)
    size = os.path.getsize(path)
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (size - 4096))

    with pytest.raises(NeuralTermError):
        read_unsized(path)


ANY = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(st.characters(codec="utf-8")), st.binary()
)


@settings(deadline=None, max_examples=25)
@given(st.dictionaries(st.sampled_from(sorted(llm_logs.response(1))), ANY), st.lists(ANY, min_size=9, max_size=9))
def test_whatever_is_in_the_columns_can_be_imported(tmp_path_factory, fields, values):
    path = tmp_path_factory.mktemp("any") / "logs.db"
    names = ["input_tokens", "output_tokens", "token_details"]
    llm_logs.write(
        path,
        llm_logs.RESPONSES,
        llm_logs.USAGE,
        llm_logs.BESIDE,
        llm_logs.TURNS,
        responses=[llm_logs.response(1) | fields | dict(zip(names, values, strict=False))],
        tool_calls=[{"response_id": "r1", "name": values[3], "arguments": values[4]}],
        turns=[llm_logs.turn(1, "m", "m") | {"datetime_utc": values[5]}],
        messages=[{"hash": "m", "parent_hash": "m", "role": values[6]}],
        parts=[{"message_hash": "m", "position": 0, "type": values[7], "payload": values[8]}],
    )

    with closing(LlmLogs(path)) as logs:
        report = import_history(InMemoryConversationRepository(), logs, now=datetime.now(UTC))

    assert report.messages >= 2
