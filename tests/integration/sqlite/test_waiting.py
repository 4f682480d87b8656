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
    """Asked before each pause: lets go of the lock, or wants the waiting to end, when it was asked often enough."""

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


def test_a_fresh_file_is_waited_for_too(tmp_path):
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


class Sleeper:
    """Time that passes only in pauses."""

    def __init__(self):
        self.now, self.pauses = 0.0, []

    def __call__(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def sleeper():
    return Sleeper()


@pytest.fixture
def waiting(sleeper):
    return LockWaiting(30, monotonic=lambda: sleeper.now, sleep=sleeper)


def test_a_long_wait_is_told_once(waiting, sleeper):
    told = []
    waiting.on_wait = lambda: told.append(sleeper.now)

    wait = waiting.begin()
    while wait.again():
        pass

    assert len(told) == 1
    assert 2 <= told[0] <= 2.1
    assert 30 <= sleeper.now <= 30.1


def test_a_wait_begins_with_short_pauses_and_who_waits_long_looks_seldom(waiting, sleeper):
    wait = waiting.begin()
    while sleeper.now < 2:
        assert wait.again()

    assert sleeper.pauses[0] <= 0.001
    assert sum(sleeper.pauses[:4]) <= 0.015
    assert max(sleeper.pauses) <= 0.1
    assert len(sleeper.pauses) <= 47  # seven until they are 100 ms, then at least 50 each


def test_two_that_wait_do_not_look_at_the_same_moments():
    sleepers = [Sleeper(), Sleeper()]
    for sleeper in sleepers:
        wait = LockWaiting(30, monotonic=lambda sleeper=sleeper: sleeper.now, sleep=sleeper).begin()
        for _ in range(20):
            wait.again()

    assert sleepers[0].pauses != sleepers[1].pauses


def test_sqlite_does_not_wait_by_itself(database):
    assert database.query("PRAGMA busy_timeout") == [(0,)]


def test_reading_waits_for_nobody(database, stranger):
    with locked(stranger), database.patience(0):
        stranger.execute(INSERT)
        assert database.query("SELECT * FROM meta") == []
