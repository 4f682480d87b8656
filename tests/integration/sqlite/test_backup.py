"""Backups: whole, checked, private, or not there at all."""

import os
import resource
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from neuralterm.domain.exceptions import NotFoundError, StorageError, ValidationError
from neuralterm.infrastructure.backup import BackupReport, back_up
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.ledger import SQLiteLedger
from neuralterm.infrastructure.migrations import SPANS_MS
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from tests.integration.sqlite.places import give_away, unprivileged
from tests.integration.sqlite.samples import call, conversation, finished, pending, question

WRITER = Path(__file__).with_name("writer.py")
SUMS = ("calls", "cost", "committed", "unsettled", "at_most", "prompt_tokens")


def converse(database):
    """Store what one prompt stores, in the steps in which `send` does."""
    repository, ledger = SQLiteConversationRepository(database), SQLiteLedger(database)
    thread = conversation(title="kept")
    answer = pending(thread)
    opened = call(at_most="0.5", conversation_id=thread.id, message_id=answer.id, tags=("ci",))
    with database.transaction():
        repository.save(thread)
        repository.add_message(question(thread))
        repository.add_message(answer)
        ledger.open_call(opened)
    paid = call("0.001", id=opened.id, conversation_id=thread.id, message_id=answer.id)
    with database.transaction():
        repository.finish_message(finished(answer, cost=paid.cost.usd))
        ledger.settle_call(paid)


def assert_consistent(path):
    """Every call has its rows, every settled one its answer, and the totals are those of the calls."""
    with closing(sqlite3.connect(path)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("PRAGMA foreign_key_check").fetchall() == []
        copy.execute("INSERT INTO message_search (message_search) VALUES ('integrity-check')")
        of_calls = copy.execute(
            f"SELECT {', '.join(f'coalesce(sum({name}), 0)' for name in SUMS)} FROM charges"
        ).fetchone()
        for span in SPANS_MS:
            sums = ", ".join(f"coalesce(sum({name}), 0)" for name in SUMS)
            assert copy.execute(f"SELECT {sums} FROM totals WHERE span = ?", (span,)).fetchone() == of_calls
        apart = """
            SELECT count(*) FROM calls LEFT JOIN messages ON messages.id = calls.message_id
            WHERE messages.id IS NULL OR (calls.status = 'pending') <> (messages.status = 'pending')
               OR (SELECT count(*) FROM messages AS m WHERE m.conversation_id = calls.conversation_id) <> 2
        """
        assert copy.execute(apart).fetchone() == (0,)
        return copy.execute("SELECT count(*) FROM calls").fetchone()[0]


@pytest.fixture
def target(tmp_path):
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "copy.db"


def left_in(directory):
    return sorted(path.name for path in directory.iterdir())


def test_the_copy_is_whole_private_and_alone(database, target):
    converse(database)

    report = back_up(database, target)

    assert report == BackupReport(target.stat().st_size, conversations=1, calls=1)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert left_in(target.parent) == ["copy.db"]
    assert target.read_bytes()[18:20] == b"\1\1"  # not to be used with a log: one beside it is of another file
    assert assert_consistent(target) == 1
    with closing(Database(target)) as restored:
        assert SQLiteConversationRepository(restored).latest().title == "kept"
        converse(restored)


def test_what_is_in_the_log_is_copied_and_open_transactions_are_not(database, target):
    converse(database)
    with closing(Database(database.path)) as other, other.transaction():
        SQLiteConversationRepository(other).save(conversation())
        assert back_up(database, target).conversations == 1


def test_others_write_meanwhile_and_the_copy_stays_at_its_moment(database, target):
    for _ in range(3):
        converse(database)
    database.change("CREATE TABLE ballast (x)")
    database.change("INSERT INTO ballast VALUES (zeroblob(8000000))")
    seen = []
    with closing(Database(database.path)) as other:

        def write(done, total):
            seen.append(done / total)
            converse(other)

        report = back_up(database, target, on_progress=write)

    assert len(seen) > 3
    assert (seen == sorted(seen), seen[-1]) == (True, 1)
    assert (report.calls, assert_consistent(target)) == (3, 3)


def test_a_backup_under_load_is_consistent(database, target):
    converse(database)
    standing_by, starting_gun = os.pipe()
    command = [sys.executable, str(WRITER), str(database.path)]
    writers = [subprocess.Popen([*command, "often"], stdin=standing_by, stderr=subprocess.PIPE) for _ in range(4)]
    os.close(standing_by)
    os.close(starting_gun)
    counts = []
    while any(writer.poll() is None for writer in writers):
        back_up(database, target, overwrite=True)
        counts.append(assert_consistent(target))
    errors = [writer.communicate()[1] for writer in writers]

    assert [error for error in errors if error] == []
    assert counts == sorted(counts)
    assert len(set(counts)) > 2
    back_up(database, target, overwrite=True)
    assert assert_consistent(target) == 1 + 4 * 25


def test_an_existing_file_is_overwritten_only_by_force(database, target):
    converse(database)
    target.write_text("precious")

    with pytest.raises(ValidationError, match="exists already") as caught:
        back_up(database, target)
    assert (caught.value.code, target.read_text()) == ("FILE_EXISTS", "precious")

    back_up(database, target, overwrite=True)
    assert assert_consistent(target) == 1
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_file_that_is_made_meanwhile_is_not_overwritten(database, target):
    converse(database)

    with pytest.raises(ValidationError, match="exists already"):
        back_up(database, target, on_progress=lambda done, total: target.write_text("precious"))

    assert target.read_text() == "precious"
    assert left_in(target.parent) == ["copy.db"]


@pytest.mark.parametrize(
    "name", ["neuralterm.db", "neuralterm.db-wal", "neuralterm.db-shm", "neuralterm.db-journal", "link.db", "hard.db"]
)
def test_the_database_is_no_place_for_its_backup(database, name):
    converse(database)
    (database.path.parent / "link.db").symlink_to(database.path)
    (database.path.parent / "hard.db").hardlink_to(database.path)

    with pytest.raises(ValidationError, match="the database itself"):
        back_up(database, database.path.with_name(name), overwrite=True)

    converse(database)
    assert database.query("SELECT count(*) FROM calls") == [(2,)]


def test_places_that_are_no_files_are_refused(database, target):
    converse(database)
    os.mkfifo(target)

    for place, words in (
        (target.parent, "is a directory"),
        (target, "is no regular file"),
        (target.parent / "absent" / "copy.db", "does not exist"),
    ):
        with pytest.raises(ValidationError, match=words):
            back_up(database, place, overwrite=True)
    assert left_in(target.parent) == ["copy.db"]


def test_a_database_in_use_is_not_replaced_by_a_backup(database, target):
    converse(database)
    with closing(Database(target)) as other:
        converse(other)
        with pytest.raises(ValidationError, match="another database"):
            back_up(database, target, overwrite=True)


def test_a_link_is_followed(database, target):
    converse(database)
    (target.parent / "latest.db").symlink_to(target.name)

    back_up(database, target.parent / "latest.db")

    assert (target.parent / "latest.db").is_symlink()
    assert assert_consistent(target) == 1


def test_there_is_no_backup_of_nothing(database, target):
    with pytest.raises(NotFoundError, match="nothing to back up"):
        back_up(database, target)

    assert not database.path.exists()
    assert left_in(target.parent) == []


class Interruption(BaseException):
    """Stands for KeyboardInterrupt."""


def test_an_interruption_leaves_nothing(database, target):
    converse(database)

    def interrupt(done, total):
        raise Interruption

    with pytest.raises(Interruption):
        back_up(database, target, on_progress=interrupt)

    assert left_in(target.parent) == []
    converse(database)
    assert back_up(database, target).calls == 2


def test_a_damaged_database_gives_no_backup(database, target):
    converse(database)
    database.change("CREATE TABLE ballast (x)")
    database.change("INSERT INTO ballast VALUES (zeroblob(100000))")
    database.query("PRAGMA wal_checkpoint(TRUNCATE)")
    size = database.path.stat().st_size
    with closing(Database(database.path.rename(target.with_name("damaged.db")))) as damaged:
        with damaged.path.open("r+b") as file:
            file.seek(size - 50_000 - size % 4096)
            file.write(b"\xff" * 8192)

        with pytest.raises(StorageError, match="damaged") as caught:
            back_up(damaged, target)

    assert "no backup was written" in str(caught.value)
    assert [name for name in left_in(target.parent) if not name.startswith("damaged.db")] == []


def test_a_place_that_can_not_be_written_is_copied(public_directory):
    place, target = public_directory / "read-only", public_directory / "writable" / "copy.db"
    place.mkdir()
    target.parent.mkdir()
    target.parent.chmod(0o777)
    with closing(Database(place / "neuralterm.db")) as database:
        converse(database)
    database.path.chmod(0o444)
    give_away(database.path)
    place.chmod(0o555)

    with unprivileged(), closing(Database(database.path)) as database:
        assert back_up(database, target).calls == 1
    place.chmod(0o755)
    assert assert_consistent(target) == 1


def test_a_disk_that_takes_no_more_leaves_nothing(database, target):
    converse(database)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(StorageError, match=r"the backup .*copy\.db can't be written"):
            back_up(database, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert left_in(target.parent) == []


def test_a_directory_that_can_not_be_entered_is_named(public_directory):
    closed = public_directory / "closed"
    with closing(Database(public_directory / "neuralterm.db")) as database:
        converse(database)
        (closed / "inside").mkdir(parents=True)
        closed.chmod(0)
        with unprivileged(), pytest.raises(StorageError, match=r"copy\.db can't be written: permission denied"):
            back_up(database, closed / "inside" / "copy.db")
        closed.chmod(0o755)


def test_a_directory_that_can_not_be_written_is_named(public_directory):
    with closing(Database(public_directory / "neuralterm.db")) as database:
        converse(database)
        public_directory.chmod(0o555)
        with unprivileged(), pytest.raises(StorageError, match=r"copy\.db can't be written: permission denied"):
            back_up(database, public_directory / "copy.db")
        public_directory.chmod(0o755)
