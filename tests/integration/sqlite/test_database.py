"""The file: who may read it, how it is opened, and what is said when it can't be."""

import gc
import os
import sqlite3
import stat
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Thread

import platformdirs
import pytest

from neuralterm.config import load_settings
from neuralterm.domain.exceptions import StorageError
from neuralterm.infrastructure.database import Database, default_database_path
from neuralterm.infrastructure.lock_waiting import LockWaiting
from neuralterm.infrastructure.migrations import MIGRATIONS, SCHEMA_VERSION, migrate
from neuralterm.infrastructure.opening import prepared
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from neuralterm.infrastructure.storage_errors import sqlite_error
from tests.integration.sqlite.places import give_away, unprivileged
from tests.integration.sqlite.samples import NOON, conversation, question


@contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def connection_to(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def fill(database, title="kept"):
    repository = SQLiteConversationRepository(database)
    thread = conversation(title=title)
    repository.save(thread)
    repository.add_message(question(thread))
    return thread


def test_making_a_database_touches_nothing(tmp_path):
    path = tmp_path / "data" / "neuralterm.db"

    Database(path).close()
    SQLiteConversationRepository(path)

    assert not path.parent.exists()


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_read_it(tmp_path, mask):
    directory = tmp_path / "share" / "neuralterm"
    with umask(mask), closing(Database(directory / "neuralterm.db")) as database:
        fill(database)

        assert {path.name: oct(mode(path)) for path in directory.iterdir()} == {
            "neuralterm.db": "0o600",
            "neuralterm.db-wal": "0o600",
            "neuralterm.db-shm": "0o600",
        }
        assert [oct(mode(path)) for path in (directory, directory.parent)] == ["0o700", "0o700"]


def test_a_file_that_others_can_read_is_closed_to_them(tmp_path):
    path = tmp_path / "neuralterm.db"
    path.touch()
    path.chmod(0o664)

    with closing(Database(path)) as database:
        fill(database)

    assert oct(mode(path)) == "0o600"


def test_the_pragmas_are_set(database):
    fill(database)
    pragmas = ("journal_mode", "foreign_keys", "synchronous", "user_version")

    values = [database.query(f"PRAGMA {name}")[0][0] for name in pragmas]

    assert values == ["wal", 1, 1, SCHEMA_VERSION]
    assert database.query("PRAGMA integrity_check") == [("ok",)]


def test_an_up_to_date_database_is_opened_without_writing(database, tmp_path):
    fill(database)
    database.close()
    before = database.path.read_bytes()

    database.query("SELECT 1 FROM conversations")

    assert database.path.read_bytes() == before
    assert (tmp_path / "neuralterm.db-wal").stat().st_size == 0


def test_what_was_written_is_there_after_closing(database):
    thread = fill(database)
    database.close()
    database.close()

    assert SQLiteConversationRepository(database.path).get_by_id(thread.id) == thread
    assert SQLiteConversationRepository(database).get_by_id(thread.id) == thread


def test_the_active_conversations_are_listed(database):
    titles = ["first", "second", "third"]
    for title in titles:
        fill(database, title)

    repository = SQLiteConversationRepository(database)

    assert [thread.title for thread in repository.list_active()] == titles[::-1]
    assert len(repository.list_active(limit=2)) == 2


def test_a_database_in_memory_needs_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(Database(":memory:")) as database:
        thread = fill(database)
        assert SQLiteConversationRepository(database).latest().id == thread.id

    assert list(tmp_path.iterdir()) == []


def test_the_default_is_in_the_data_directory_of_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("NEURALTERM_DATA_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    assert default_database_path() == os.path.join(platformdirs.user_data_dir("neuralterm", False), "neuralterm.db")
    assert SQLiteConversationRepository().database.name == default_database_path()


def test_the_default_is_where_the_command_line_keeps_its_data(monkeypatch, tmp_path):
    monkeypatch.setenv("NEURALTERM_DATA_DIR", str(tmp_path / "elsewhere"))

    assert SQLiteConversationRepository().database.name == load_settings().database


def test_lone_surrogates_are_replaced_and_pairs_joined(database):
    repository = SQLiteConversationRepository(database)
    thread = conversation(title="broken \ud800 title", tags=("\udfff",))
    repository.save(thread)
    repository.add_message(question(thread, "pair \ud83d\ude42, lone \ud83d", metadata={"note": "\ud800"}))

    kept = repository.get_by_id(thread.id)
    assert (kept.title, kept.tags) == ("broken � title", ("�",))
    assert repository.get_messages(thread.id)[0].content == "pair 🙂, lone �"


def refusal(path, **options):
    with closing(Database(path, **options)) as database, pytest.raises(StorageError) as caught:
        fill(database)
    assert str(path) in str(caught.value) or str(Path(path).parent) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, (OSError, sqlite3.Error, type(None)))
    return caught.value


@pytest.mark.parametrize("content", [b"This is no database. " * 100, b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path, content):
    path = tmp_path / "neuralterm.db"
    path.write_bytes(content)

    error = refusal(path)

    assert "damaged" in str(error)
    assert "backup" in error.hint
    assert path.read_bytes() == content


def test_a_database_damaged_in_the_middle_is_named(database):
    fill(database)
    database.close()
    size = database.path.stat().st_size
    with database.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))

    assert "damaged" in str(refusal(database.path))


def test_a_newer_database_is_not_touched(database):
    fill(database)
    database.change(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    before = database.path.read_bytes()

    error = refusal(database.path)

    assert "newer" in str(error)
    assert "update" in error.hint
    assert database.path.read_bytes() == before


def test_a_directory_that_can_not_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()

    error = refusal(tmp_path / "file" / "data" / "neuralterm.db")

    assert "can't be made" in str(error)
    assert "NEURALTERM_DATA_DIR" in error.hint


def test_a_directory_in_the_place_of_the_file_is_named(tmp_path):
    (tmp_path / "neuralterm.db").mkdir()

    assert "can't be opened" in str(refusal(tmp_path / "neuralterm.db"))


def test_a_directory_that_can_not_be_written_is_named(public_directory):
    path = public_directory / "neuralterm.db"
    public_directory.chmod(0o555)

    with unprivileged():
        error = refusal(path)

    assert "can't be created" in str(error)
    assert "NEURALTERM_DATA_DIR" in error.hint


def test_a_file_that_can_not_be_written_is_named(public_directory):
    path = public_directory / "neuralterm.db"
    with closing(Database(path)) as database:
        fill(database)
    path.chmod(0o444)
    give_away(public_directory, path)

    with unprivileged():
        error = refusal(path)

    assert "can't be written" in str(error)
    assert "writable" in error.hint


def test_waiting_for_a_lock_ends(database):
    fill(database)
    with database.transaction():
        error = refusal(database.path, busy_timeout=0.01)

    assert "locked" in str(error)


def test_waiting_for_a_lock_ends_while_the_file_is_made(tmp_path):
    path = tmp_path / "neuralterm.db"
    with connection_to(path) as stranger:
        stranger.execute("BEGIN EXCLUSIVE")
        assert "locked" in str(refusal(path, busy_timeout=0.01))

    with closing(Database(path)) as database:
        fill(database)


def test_the_first_opening_waits_for_a_lock(tmp_path):
    path = tmp_path / "neuralterm.db"
    titles = []

    def open_and_fill():
        with closing(Database(path)) as database:
            fill(database)
            titles.append(SQLiteConversationRepository(database).latest().title)

    with connection_to(path) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        thread = Thread(target=open_and_fill)
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
        stranger.execute("ROLLBACK")
        thread.join(10)

    assert titles == ["kept"]


def test_a_full_disk_loses_only_what_was_being_written(database):
    repository = SQLiteConversationRepository(database)
    thread = fill(database)
    database.query(f"PRAGMA max_page_count = {database.query('PRAGMA page_count')[0][0] + 5}")

    def write_too_much():
        with repository.transaction():
            repository.add_message(question(thread, "small"))
            repository.add_message(question(thread, "x" * 1_000_000))

    with pytest.raises(StorageError, match="full") as caught:
        write_too_much()

    assert "space" in caught.value.hint
    assert len(repository.get_messages(thread.id)) == 1
    repository.add_message(question(thread, "small"))
    assert len(repository.get_messages(thread.id)) == 2


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_IOERR_WRITE, "the disk reports an error"),
        (sqlite3.SQLITE_IOERR_FSYNC, "the disk reports an error"),
        (sqlite3.SQLITE_IOERR_READ, "the disk reports an error"),
        (sqlite3.SQLITE_IOERR_SHORT_READ, "is damaged"),
        (sqlite3.SQLITE_IOERR_NOMEM, "not enough memory"),
        (sqlite3.SQLITE_IOERR_SHMSIZE, "no room"),
        (sqlite3.SQLITE_IOERR_SHMOPEN, "can't be opened"),
        (sqlite3.SQLITE_IOERR_LOCK, "can't be locked"),
        (sqlite3.SQLITE_IOERR_RDLOCK, "can't be locked"),
        (sqlite3.SQLITE_IOERR_SHMLOCK, "can't be locked"),
        (sqlite3.SQLITE_PROTOCOL, "can't be locked"),
        (sqlite3.SQLITE_NOLFS, "too large"),
        (sqlite3.SQLITE_READONLY, "can't be written"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "can't be written: its directory can't"),
        (sqlite3.SQLITE_READONLY_ROLLBACK, "can't be written"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "was moved"),
        (sqlite3.SQLITE_CORRUPT_VTAB, "is damaged"),
        (sqlite3.SQLITE_NOTADB, "not a database"),
        (sqlite3.SQLITE_CANTOPEN, "can't be opened"),
        (sqlite3.SQLITE_CANTOPEN_ISDIR, "it is a directory"),
        (sqlite3.SQLITE_CANTOPEN_NOTEMPDIR, "can't be opened"),
        (sqlite3.SQLITE_CANTOPEN_SYMLINK, "symbolic link"),
        (sqlite3.SQLITE_PERM, "can't be opened"),
        (sqlite3.SQLITE_FULL, "the disk is full"),
        (sqlite3.SQLITE_BUSY, "stays locked"),
        (sqlite3.SQLITE_BUSY_RECOVERY, "stays locked"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "stays locked"),
        (sqlite3.SQLITE_MISUSE, "refused: odd"),
    ],
)
def test_every_kind_of_an_error_is_explained(code, words):
    odd = sqlite3.OperationalError("odd")
    odd.sqlite_errorcode = code

    error = sqlite_error(Path("neuralterm.db"), odd)

    assert str(error).startswith("the database neuralterm.db ")
    assert words in str(error)
    assert error.hint or code in (sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_IOERR_NOMEM)


@pytest.mark.parametrize(
    ("code", "passes"),
    [
        (sqlite3.SQLITE_BUSY, True),
        (sqlite3.SQLITE_BUSY_RECOVERY, True),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, True),
        (sqlite3.SQLITE_BUSY_TIMEOUT, True),
        (sqlite3.SQLITE_PROTOCOL, True),
        (sqlite3.SQLITE_LOCKED, False),
        (sqlite3.SQLITE_IOERR_LOCK, False),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_CORRUPT, False),
        (None, False),
    ],
)
def test_only_what_passes_by_itself_is_waited_for(tmp_path, code, passes):
    class Moody(sqlite3.Connection):
        """Refuses three times to begin."""

        refusals = 3

        def execute(self, sql, *parameters):
            if sql == "BEGIN IMMEDIATE" and Moody.refusals:
                Moody.refusals -= 1
                error = sqlite3.OperationalError("moody")
                if code is not None:
                    error.sqlite_errorcode = code
                raise error
            return super().execute(sql, *parameters)

    with closing(sqlite3.connect(tmp_path / "neuralterm.db", isolation_level=None, factory=Moody)) as connection:
        waiting = LockWaiting(30)
        if passes:
            assert prepared(tmp_path, connection, waiting) == 0
        else:
            with pytest.raises(StorageError):
                prepared(tmp_path, connection, waiting)
    assert Moody.refusals == (0 if passes else 2)


def test_metadata_that_json_can_not_hold_becomes_text(database):
    repository = SQLiteConversationRepository(database)
    thread = fill(database)
    exact = Decimal("0.12345678901234567890123")

    repository.add_message(question(thread, metadata={"id": thread.id, "exact": exact, "share": Decimal("0.1")}))

    metadata = repository.get_messages(thread.id)[-1].metadata
    assert metadata == {"id": str(thread.id), "exact": str(exact), "share": Decimal("0.1")}


def test_numbers_beyond_64_bits_are_a_storage_error(database):
    repository = SQLiteConversationRepository(database)
    with pytest.raises(StorageError):
        repository.save(conversation(total_tokens=2**63))
    assert repository.latest() is None


def schema(path):
    with connection_to(path) as connection:
        rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
        return rows, connection.execute("PRAGMA user_version").fetchone()


@pytest.mark.parametrize("version", range(SCHEMA_VERSION))
def test_older_databases_are_brought_up_to_date(tmp_path, version):
    old, fresh = tmp_path / "old.db", tmp_path / "fresh.db"
    with connection_to(old) as connection:
        for migration in MIGRATIONS[:version]:
            migration(connection)
        connection.execute(f"PRAGMA user_version = {version}")

    for path in (old, fresh):
        with closing(Database(path)) as database:
            thread = fill(database)
            assert SQLiteConversationRepository(database).search("capital", 5)[0].created_at == NOON
            assert SQLiteConversationRepository(database).latest().id == thread.id

    assert schema(old) == schema(fresh)


def test_a_process_that_is_overtaken_does_not_migrate_again(tmp_path):
    path = tmp_path / "neuralterm.db"

    class Overtaken(sqlite3.Connection):
        """Another process migrates just before this one begins to."""

        def execute(self, sql, *parameters):
            if sql == "BEGIN IMMEDIATE":
                with closing(Database(path)) as other:
                    fill(other)
            return super().execute(sql, *parameters)

    with closing(sqlite3.connect(path, isolation_level=None, factory=Overtaken)) as connection:
        migrate(connection)

    with closing(Database(path)) as database:
        assert SQLiteConversationRepository(database).latest().title == "kept"


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path):
    path = tmp_path / "neuralterm.db"
    with connection_to(path) as connection:
        connection.execute("CREATE TABLE models (something TEXT)")
    before = schema(path)

    error = refusal(path)

    assert "models" in str(error)
    assert schema(path) == before


def test_a_forgotten_database_closes_its_file(tmp_path):
    database = Database(tmp_path / "forgotten.db")
    database.change("INSERT INTO meta VALUES ('a', 'b')")
    assert (tmp_path / "forgotten.db-wal").exists()
    del database
    gc.collect()
    assert not (tmp_path / "forgotten.db-wal").exists(), "the last connection that closes takes the log with it"
