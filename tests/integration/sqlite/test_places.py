"""Where the file is: things in its place, logs of others, places that can't be written, files that go away."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from neuralterm.domain.exceptions import StorageError
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.migrations import MIGRATIONS, SCHEMA_VERSION
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from tests.integration.sqlite.places import give_away, unprivileged
from tests.integration.sqlite.samples import conversation, question


def fill(database, title="kept"):
    repository = SQLiteConversationRepository(database)
    thread = conversation(title=title)
    with database.transaction():
        repository.save(thread)
        repository.add_message(question(thread))


def titles(database):
    return [thread.title for thread in SQLiteConversationRepository(database).list_active()]


def make(path, *names):
    """A closed database with these conversations, all of it in the one file."""
    with closing(Database(path)) as database:
        for title in names or ("kept",):
            fill(database, title)
    return path


def refused(path, use=titles):
    with closing(Database(path)) as database, pytest.raises(StorageError) as caught:
        use(database)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return str(caught.value)


class Placed:
    """Things that may lie in the place of the database."""

    @staticmethod
    def directory(path):
        path.mkdir()

    @staticmethod
    def named_pipe(path):
        os.mkfifo(path)

    @staticmethod
    def socket(path):
        with closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(os.path.relpath(path))  # the whole path may be too long for a socket

    @staticmethod
    def device(path):
        path.symlink_to("/dev/null")

    @staticmethod
    def link_to_itself(path):
        path.symlink_to(path.name)

    @staticmethod
    def link_to_nothing(path):
        path.symlink_to(path.with_name("unplugged.db"))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("directory", "it is a directory"),
        ("named_pipe", "it is a named pipe"),
        ("socket", "it is a socket"),
        ("device", "it is a device"),
        ("link_to_itself", "too many levels of symbolic links"),
        ("link_to_nothing", "which does not exist"),
    ],
)
@pytest.mark.parametrize("use", [titles, fill])
def test_what_is_no_file_is_named_and_not_waited_for(tmp_path, monkeypatch, what, words, use):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "neuralterm.db"
    getattr(Placed, what)(path)

    assert words in refused(path, use)
    assert not (tmp_path / "unplugged.db").exists()


def test_a_link_to_a_database_is_followed(tmp_path):
    make(tmp_path / "real.db")
    (tmp_path / "neuralterm.db").symlink_to("real.db")

    with closing(Database(tmp_path / "neuralterm.db")) as database:
        fill(database, "more")
        assert titles(database) == ["more", "kept"]


@pytest.mark.parametrize("missing", [4096, 3 * 4096 + 1])
def test_a_truncated_file_is_named(tmp_path, missing):
    path = make(tmp_path / "neuralterm.db")
    os.truncate(path, path.stat().st_size - missing)

    assert "damaged" in refused(path)


def leave_a_log(path):
    """Put a log with a change beside the file, as a process that was killed leaves it."""
    with closing(Database(path)) as database:
        fill(database, "in the log")
        shutil.copy(f"{path}-wal", f"{path}-kept")
    os.rename(f"{path}-kept", f"{path}-wal")


def test_a_log_that_was_left_by_a_killed_process_is_read(tmp_path):
    path = make(tmp_path / "neuralterm.db")
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    leave_a_log(path)
    shutil.copy(f"{path}-wal", f"{copy}-wal")

    with closing(Database(copy)) as database:
        assert titles(database) == ["in the log", "kept"]


def test_a_backup_is_not_mixed_with_the_log_of_the_file_before(tmp_path):
    path = make(tmp_path / "neuralterm.db")
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"VACUUM INTO '{backup}'")
    leave_a_log(path)
    shutil.copy(backup, path)

    assert f"{path}-wal" in refused(path)
    assert f"{path}-wal" in refused(path, fill)

    os.remove(f"{path}-wal")
    with closing(Database(path)) as database:
        assert titles(database) == ["kept"]
        fill(database, "more")
        assert database.query("PRAGMA journal_mode") == [("wal",)]


def test_an_empty_file_does_not_swallow_the_log_beside_it(tmp_path):
    path = make(tmp_path / "neuralterm.db")
    leave_a_log(path)
    log = path.with_name(f"{path.name}-wal")
    before = log.read_bytes()
    os.truncate(path, 0)

    refused(path)
    refused(path, fill)

    assert log.read_bytes() == before


LEAVE_LOG_MODE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0)
try:
    print(*connection.execute("PRAGMA journal_mode = DELETE").fetchone())
except sqlite3.OperationalError as error:
    print(error)
"""


def test_a_second_database_of_this_process_does_not_look_into_the_file(database):
    """Closing a file that was opened beside SQLite drops the locks of this process, whoever holds them."""
    fill(database)
    with closing(Database(database.path)) as second:
        assert titles(second) == ["kept"]
        command = [sys.executable, "-c", LEAVE_LOG_MODE, str(database.path)]
        assert subprocess.run(command, capture_output=True, text=True).stdout == "database is locked\n"


def test_reading_makes_no_file(tmp_path):
    with closing(Database(tmp_path / "data" / "neuralterm.db")) as database:
        assert titles(database) == []
        assert not database.is_read_only
        assert list(tmp_path.iterdir()) == []
        fill(database)
        assert titles(database) == ["kept"]


def test_what_another_process_makes_is_seen_by_one_that_found_nothing(tmp_path):
    path = tmp_path / "neuralterm.db"
    with closing(Database(path)) as database:
        assert titles(database) == []
        make(path)
        assert titles(database) == ["kept"]


def test_a_writing_query_makes_the_file(tmp_path):
    with closing(Database(tmp_path / "neuralterm.db")) as database:
        assert database.query("INSERT INTO meta VALUES ('a', 'b') RETURNING value") == [("b",)]
        assert database.query("SELECT value FROM meta") == [("b",)]


@pytest.fixture
def read_only_place(public_directory):
    """Make a directory read-only for the user that the test becomes, and become that user."""

    def enter(*, writable_file=False):
        files = list(public_directory.iterdir())
        for path in files:
            path.chmod(0o644 if writable_file else 0o444)
        give_away(*files)
        public_directory.chmod(0o555)
        return unprivileged()

    yield enter
    public_directory.chmod(0o755)


@pytest.mark.parametrize("writable_file", [False, True])
def test_a_place_that_can_not_be_written_is_read(public_directory, read_only_place, writable_file):
    path = make(public_directory / "neuralterm.db")
    before = path.read_bytes()

    with read_only_place(writable_file=writable_file):
        with closing(Database(path)) as database:
            assert titles(database) == ["kept"]
            assert database.is_read_only
            assert SQLiteConversationRepository(database).search("capital", 5)
            with pytest.raises(StorageError, match="can't be") as caught:
                fill(database)
            assert titles(database) == ["kept"]
        assert "NEURALTERM_DATA_DIR" in caught.value.hint
        assert [each.name for each in public_directory.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_a_backup_in_a_place_that_can_not_be_written_is_read(public_directory, read_only_place):
    path = make(public_directory / "neuralterm.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)

    with read_only_place(), closing(Database(path)) as database:
        assert titles(database) == ["kept"]


def test_an_empty_file_in_a_place_that_can_not_be_written_is_an_empty_history(public_directory, read_only_place):
    path = public_directory / "neuralterm.db"
    path.touch()

    with read_only_place(), closing(Database(path)) as database:
        assert titles(database) == []
        with pytest.raises(StorageError, match="can't be"):
            fill(database)


def test_nothing_in_a_place_that_can_not_be_written_is_an_empty_history(public_directory, read_only_place):
    with read_only_place(), closing(Database(public_directory / "data" / "neuralterm.db")) as database:
        assert titles(database) == []
        with pytest.raises(StorageError, match="can't be made"):
            fill(database)


def test_a_log_in_a_place_that_can_not_be_written_is_explained(public_directory, read_only_place):
    path = make(public_directory / "neuralterm.db")
    leave_a_log(path)
    (public_directory / "neuralterm.db-shm").unlink(missing_ok=True)

    with read_only_place():
        assert "newest records are in" in refused(path)


def test_an_older_file_in_a_place_that_can_not_be_written_is_explained(public_directory, read_only_place):
    path = public_directory / "neuralterm.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        MIGRATIONS[0](connection)
        connection.execute("PRAGMA user_version = 1")

    with read_only_place():
        assert "older neuralterm" in refused(path)


def test_a_newer_file_in_a_place_that_can_not_be_written_is_refused(public_directory, read_only_place):
    path = make(public_directory / "neuralterm.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")

    with read_only_place():
        assert "newer neuralterm" in refused(path)


def test_a_file_that_may_not_be_read_is_named(public_directory):
    path = make(public_directory / "neuralterm.db")
    if os.geteuid() != 0:
        path.chmod(0)

    with unprivileged():
        assert "may not be read" in refused(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write where the test itself can't")
def test_what_the_owner_writes_is_seen_by_who_can_only_read(public_directory, read_only_place):
    path = make(public_directory / "neuralterm.db")
    with closing(Database(path)) as database:
        with read_only_place():
            assert titles(database) == ["kept"]
            assert database.is_read_only
        make(path, "more")
        with unprivileged():
            assert titles(database) == ["more", "kept"]


def remove(path):
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


@pytest.mark.parametrize("how", [fill, lambda database: database.change("INSERT INTO meta VALUES ('a', 'b')")])
def test_nothing_is_written_into_a_file_that_was_deleted(database, how):
    fill(database, "lost with the file")
    remove(database.path)

    how(database)

    with closing(Database(database.path)) as other:
        assert "lost with the file" not in titles(other)
        assert len(titles(other)) + len(other.query("SELECT * FROM meta WHERE key = 'a'")) == 1


def test_a_file_that_was_put_in_its_place_is_read_and_written(database, tmp_path):
    fill(database, "before")
    backup = make(tmp_path / "backup.db", "backup")
    remove(database.path)
    os.rename(backup, database.path)

    assert titles(database) == ["backup"]
    fill(database, "after")

    with closing(Database(database.path)) as other:
        assert titles(other) == ["after", "backup"]
        assert titles(database) == ["after", "backup"]


def test_leaving_a_deleted_file_keeps_the_log_of_the_new_one(database):
    fill(database, "before")
    remove(database.path)
    with closing(Database(database.path)) as other:
        fill(other, "of the other")

        fill(database, "after")

        assert titles(other) == ["after", "of the other"]
    assert titles(database) == ["after", "of the other"]


def test_a_transaction_stays_with_the_file_it_began_on(database):
    fill(database, "before")
    with database.transaction():
        fill(database, "inside")
        remove(database.path)
        assert titles(database) == ["inside", "before"]
    assert titles(database) == []


def test_functions_are_known_again_after_opening_anew(database):
    database.define("same", lambda one, other: one == other)
    fill(database)
    remove(database.path)

    assert database.query("SELECT same('a', 'a')") == [(1,)]
