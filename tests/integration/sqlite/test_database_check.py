"""How a database file is, said without changing it."""

import os
import sqlite3
from contextlib import closing

import pytest

from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.database_check import database_state, spool_state
from neuralterm.infrastructure.schema import SCHEMA_VERSION


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data" / "neuralterm.db"
    database = Database(path)
    database.change("INSERT INTO meta VALUES ('a', 'b')")
    database.close()
    return path


def test_a_good_file(path):
    before, names = path.read_bytes(), os.listdir(path.parent)
    state = database_state(path)
    assert (state.schema, state.newest_schema, state.faults, state.exposed) == (SCHEMA_VERSION, SCHEMA_VERSION, (), ())
    assert (state.size, state.has_log, state.is_writable, state.refusal) == (len(before), True, True, None)
    assert state.free > 0
    assert (path.read_bytes(), os.listdir(path.parent)) == (before, names)


def test_one_that_is_written_now(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("INSERT INTO meta VALUES ('c', 'd')")
        writer.execute("BEGIN IMMEDIATE")
        assert database_state(path).faults == ()


def test_none_there(tmp_path):
    state = database_state(tmp_path / "not" / "there.db")
    assert (state.size, state.refusal) == (None, None)
    assert state.free > 0
    assert os.listdir(tmp_path) == []


def test_damage_is_found(path):
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 8)
    state = database_state(path)
    assert state.faults or state.refusal


def test_no_database(path):
    path.write_bytes(b"something else entirely " * 1000)
    assert "not a database" in database_state(path).refusal


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.db")
    assert database_state(tmp_path / "x.db").refusal == "it is no file"


def test_looking_for_damage_has_a_limit(path):
    database = Database(path)
    with database.transaction():
        for number in range(30_000):
            database.change("INSERT INTO meta VALUES (?, 'x')", (f"key {number}",))
    database.close()
    assert database_state(path, limit=-1.0).faults is None
    assert database_state(path).faults == ()


def test_what_others_may_read_is_told(path):
    path.chmod(0o644)
    path.parent.chmod(0o755)
    assert database_state(path).exposed == (str(path.parent), str(path))


def test_journals_that_wait(path):
    assert spool_state(path).count == 0
    folder = path.with_name("neuralterm.db-spool")
    folder.mkdir()
    for name, age in (("a.jsonl", 0), ("b.jsonl", 7200)):
        (folder / name).touch()
        written = (folder / name).stat().st_mtime - age
        os.utime(folder / name, (written, written))
    state = spool_state(path)
    assert state.count == 2
    assert 119 < state.idle_minutes < 122
