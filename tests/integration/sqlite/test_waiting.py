"""Waiting for locks that other connections hold: it ends in time, on demand, and is told of."""

import sqlite3
import time
from contextlib import closing, contextmanager

import pytest

from neuralterm.domain.exceptions import StorageError
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.lock_waiting import LockWaiting

INSERT = "INSERT INTO meta VALUES ('a', 'b')"


@pytest.fixture
def stranger(database):
    """Another process's connection to the same file."""
    database.change("DELETE FROM meta")
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        yield connection


@contextmanager
def locked(stranger):
    stranger.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        if stranger.in_transaction:
            stranger.execute("ROLLBACK")


class Onlooker:
    """Asked between slices: lets go of the lock, or wants the waiting to end, when it was asked often enough."""

    def __init__(self, enough, then):
        self.enough, self.then, self.asked = enough, then, 0

    def __call__(self):
        self.asked += 1
        return self.asked >= self.enough and self.then()


def nothing():
    pass


def in_a_transaction(database):
    with database.transaction():
        database.change(INSERT)


def alone(database):
    database.change(INSERT)


@pytest.mark.parametrize("write", [in_a_transaction, alone])
def test_a_write_goes_on_when_the_lock_is_free(database, stranger, write):
    onlooker = Onlooker(3, lambda: stranger.execute("ROLLBACK") and False)
    database.watch_waiting(interrupted=onlooker, on_wait=nothing)

    with locked(stranger):
        write(database)

    assert database.query("SELECT * FROM meta") == [("a", "b")]
    assert onlooker.asked == 3


@pytest.mark.parametrize("write", [in_a_transaction, alone])
def test_who_is_interrupted_stops_waiting(database, stranger, write):
    onlooker = Onlooker(2, lambda: True)
    database.watch_waiting(interrupted=onlooker, on_wait=nothing)

    with locked(stranger), pytest.raises(StorageError, match="locked"):
        write(database)

    assert onlooker.asked == 2
    write(database)
    assert database.query("SELECT * FROM meta") == [("a", "b")]


def test_an_exception_of_the_onlooker_goes_through(database, stranger):
    def interrupt():
        raise KeyboardInterrupt

    database.watch_waiting(interrupted=interrupt, on_wait=nothing)

    with locked(stranger), pytest.raises(KeyboardInterrupt):
        in_a_transaction(database)

    in_a_transaction(database)


def test_a_fresh_file_is_waited_for_in_slices_too(tmp_path):
    path = tmp_path / "neuralterm.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger, closing(Database(path)) as database:
        onlooker = Onlooker(2, lambda: stranger.execute("ROLLBACK") and False)
        database.watch_waiting(interrupted=onlooker, on_wait=nothing)
        stranger.execute("BEGIN EXCLUSIVE")

        database.change(INSERT)

        assert onlooker.asked == 2


def test_patience_is_limited_for_a_block_whoever_is_interrupted(database, stranger):
    def never_asked():
        raise AssertionError

    database.watch_waiting(interrupted=never_asked, on_wait=nothing)
    with locked(stranger), database.patience(0.1):
        began = time.monotonic()
        with pytest.raises(StorageError, match="locked"):
            in_a_transaction(database)
        took = time.monotonic() - began

    assert took < 5  # not the half minute of always
    onlooker = Onlooker(1, lambda: True)
    database.watch_waiting(interrupted=onlooker, on_wait=nothing)
    with locked(stranger), pytest.raises(StorageError):
        alone(database)
    assert onlooker.asked == 1


def test_a_lock_that_is_free_is_taken_without_patience(database, stranger):
    with database.patience(0):
        in_a_transaction(database)

    assert len(database.query("SELECT * FROM meta")) == 1


def test_a_long_wait_is_told_once():
    now = [0.0]
    waiting, told = LockWaiting(30, monotonic=lambda: now[0]), []
    waiting.on_wait = lambda: told.append(now[0])

    wait = waiting.begin()
    while wait.again():
        now[0] += 0.5

    assert told == [2.0]
    assert 29.5 <= now[0] <= 30


def test_reading_waits_for_nobody(database, stranger):
    with locked(stranger), database.patience(0):
        stranger.execute(INSERT)
        assert database.query("SELECT * FROM meta") == []
