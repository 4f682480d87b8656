"""A database that can't be used: said before anything is sent; what can be read is read."""

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from neuralterm.infrastructure.migrations import SCHEMA_VERSION

READING = (["history"], ["history", "search", "sky"], ["history", "--json"], ["cost"], ["cost", "--json"])


@pytest.fixture
def database(data_dir):
    return Path(data_dir, "neuralterm.db")


@pytest.fixture
def kept(service, run, database):
    """A database with one conversation, and nobody's connection to it."""
    assert run("send", "why is the sky blue?").code == 0
    service.requests.clear()
    return database


class Fault:
    """What may have happened to the database."""

    @staticmethod
    def directory(path):
        path.unlink()
        path.mkdir()

    @staticmethod
    def named_pipe(path):
        path.unlink()
        os.mkfifo(path)

    @staticmethod
    def link_to_itself(path):
        path.unlink()
        path.symlink_to(path.name)

    @staticmethod
    def overwritten(path):
        path.write_bytes(b"Dear diary, " * 1000)

    @staticmethod
    def truncated(path):
        os.truncate(path, 5 * 4096)

    @staticmethod
    def emptied_beside_its_log(path):
        path.with_name(f"{path.name}-wal").write_bytes(path.read_bytes())
        os.truncate(path, 0)

    @staticmethod
    def from_the_future(path):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")

    @staticmethod
    def backup_with_the_log_of_another(path):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        path.with_name(f"{path.name}-wal").write_bytes(path.read_bytes())


FAULTS = [name for name in vars(Fault) if not name.startswith("_")]


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_sent_when_the_database_can_not_be_used(service, run, kept, fault):
    getattr(Fault, fault)(kept)

    result = run("send", "hello")

    assert (result.code, result.out, service.requests) == (3, "", [])
    error, hint = result.err.splitlines()
    assert error.startswith(f"error: the database {kept} ")
    assert hint.startswith("hint: ")


@pytest.mark.parametrize("fault", FAULTS)
def test_reading_says_the_same(run, kept, fault):
    getattr(Fault, fault)(kept)

    for words in READING:
        result = run(*words)
        assert (result.code, result.out) == (3, "")
        assert result.err.startswith(f"error: the database {kept} ")


@pytest.fixture
def no_room():
    """Let no file of this process grow, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_without_room_nothing_is_sent_and_what_is_there_is_read(service, run, kept, no_room):
    no_room()

    refused = run("send", "hello")
    read = run("history", "search", "sky")

    assert (refused.code, refused.out, service.requests) == (3, "", [])
    assert refused.err.startswith(f"error: the database {kept} can't be ")
    assert "space" in refused.err
    assert (read.code, read.err) == (0, "")
    assert "sky" in read.out


@pytest.fixture
def mounted(kept):
    """Put a file system over the data directory: `mounted(options)`; what was in it is copied."""
    database, content = kept, kept.read_bytes()

    def mount(*options):
        done = subprocess.run(["mount", *options, str(database.parent)], capture_output=True)
        if done.returncode:
            pytest.skip("file systems can't be mounted here")
        if not database.exists():
            database.write_bytes(content)

    yield mount
    subprocess.run(["umount", str(database.parent)], capture_output=True)


def test_a_full_disk_refuses_and_is_read(service, run, kept, mounted):
    mounted("-t", "tmpfs", "-o", "size=400k", "none")
    with (kept.parent / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass

    refused = run("send", "hello")
    read = run("history", "search", "sky")

    assert (refused.code, refused.out, service.requests) == (3, "", [])
    assert refused.err.startswith(f"error: the database {kept} can't be opened: the disk has no room")
    assert (read.code, read.err) == (0, "")
    assert "sky" in read.out


def test_a_read_only_drive_refuses_and_is_read(service, run, kept, mounted):
    mounted("--bind", str(kept.parent))
    subprocess.run(["mount", "-o", "remount,ro,bind", str(kept.parent)], check=True)

    refused = run("send", "hello")
    results = [run(*words) for words in READING]

    assert (refused.code, refused.out, service.requests) == (3, "", [])
    assert refused.err.startswith(f"error: the database {kept} can't be opened: its directory can't be written")
    assert [(result.code, result.err) for result in results] == [(0, "")] * len(READING)
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


@pytest.mark.parametrize("words", [*READING, ["models", "--offline"]])
def test_reading_makes_no_database(run, data_dir, words):
    run(*words)

    assert not os.path.exists(data_dir)


def test_a_backup_is_told_on_stderr_and_can_take_the_place_of_the_database(run, kept, tmp_path):
    target = tmp_path / "copy.db"

    result = run("history", "backup", str(target))

    size = f"{target.stat().st_size:,}"
    assert (result.code, result.out) == (0, "")
    assert result.err == f"written to {target}: {size} bytes, 1 conversation, 1 call\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    shutil.rmtree(kept.parent)
    kept.parent.mkdir()
    target.rename(kept)
    assert "why is the sky blue?" in run("history").out
    assert run("send", "and at night?").code == 0
    assert run("cost").out.count("(2 calls)") == 1


def test_a_backup_overwrites_only_by_force(run, kept, tmp_path):
    target = tmp_path / "copy.db"
    target.write_text("precious")

    refused = run("history", "backup", str(target))
    assert (refused.code, refused.err) == (2, f"error: {target} exists already\nhint: --force overwrites it\n")
    assert target.read_text() == "precious"

    assert run("history", "backup", "--force", str(target)).code == 0


@pytest.mark.parametrize("target", ["-", ".", "absent/copy.db", "/dev/null"])
def test_what_is_no_place_for_a_backup_is_wrong_usage(run, kept, monkeypatch, tmp_path, target):
    monkeypatch.chdir(tmp_path)

    result = run("history", "backup", "--force", target)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert "hint: " in result.err


def test_without_a_database_there_is_no_backup(run, tmp_path, data_dir):
    result = run("history", "backup", str(tmp_path / "copy.db"))

    assert result.code == 2
    assert "nothing to back up" in result.err
    assert not os.path.exists(data_dir)
    assert not (tmp_path / "copy.db").exists()


def test_a_wait_for_the_database_is_announced_and_ends_with_ctrl_c(start, kept, tmp_path):
    with closing(sqlite3.connect(kept, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        process = start("history", "delete", "--yes", _id_of_the_last(stranger))
        announced = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        process.communicate(timeout=20)

    assert announced == f"note: waiting for the database {kept}: another process holds it\n".encode()
    assert process.returncode == 130
    assert time.monotonic() - began < 5


def _id_of_the_last(connection):
    return connection.execute("SELECT id FROM conversations").fetchone()[0]
