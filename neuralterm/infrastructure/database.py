"""The database file: one connection, its transactions, and SQLite's errors as `StorageError`."""

from __future__ import annotations

import os
import random
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any

from neuralterm.config import DATABASE_NAME, data_directory
from neuralterm.domain.text import join_surrogates
from neuralterm.infrastructure.migrations import SCHEMA_VERSION, migrate, schema_version
from neuralterm.infrastructure.storage_errors import directory_error, file_error, newer_schema_error, sqlite_error

BUSY_TIMEOUT = 30.0
# What the data directory is called where the platform says where it is.
OWN_DIRECTORY = "neuralterm"

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]


def default_database_path() -> Path:
    """Return where the command line keeps its database: a library that names none shares it."""
    return data_directory() / DATABASE_NAME


class Database:
    """A SQLite database in WAL mode, opened, and created or migrated, on first use.

    One connection, which several threads may use: a statement or a transaction of one waits for that of another.
    `":memory:"` is a database that lives until `close`. `busy_timeout`: seconds to wait for other processes.
    """

    def __init__(self, path: Path | str, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self.path = Path(path)
        self._busy_timeout = busy_timeout
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._functions: dict[str, Callable[[str, str], bool]] = {}
        self._depth = 0

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement and return its rows. Raises `StorageError`."""
        return self._run(sql, parameters)[0]

    def change(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a statement and return how many rows it inserted, updated or deleted. Raises `StorageError`."""
        return self._run(sql, parameters)[1]

    def define(self, name: str, function: Callable[[str, str], bool]) -> None:
        """Let statements call a pure function of two texts by this name. It must not raise."""
        with self._lock:
            if name not in self._functions:
                self._functions[name] = function
                if self._connection is not None:
                    self._connection.create_function(name, 2, function, deterministic=True)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the statements inside one atomic step that no other process can come between.

        May be nested: an exception undoes what was done since the innermost transaction that it leaves.
        """
        with self._lock:
            name = f"level{self._depth:d}"
            outermost = self._depth == 0
            self._depth += 1
            try:
                self.change("BEGIN IMMEDIATE" if outermost else f"SAVEPOINT {name}")
                yield
                self.change("COMMIT" if outermost else f"RELEASE {name}")
            except BaseException:
                self._undo(("ROLLBACK",) if outermost else (f"ROLLBACK TO {name}", f"RELEASE {name}"))
                raise
            finally:
                self._depth -= 1

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _run(self, sql: str, parameters: Parameters) -> tuple[list[Row], int]:
        with self._lock:
            connection = self._connection or self._open()
            try:
                cursor = connection.execute(sql, parameters)
                return cursor.fetchall(), cursor.rowcount
            except UnicodeEncodeError:
                return self._run(sql, _encodable(parameters))
            except (sqlite3.Error, OverflowError) as exc:
                raise sqlite_error(self.path, exc) from exc

    def _undo(self, statements: tuple[str, ...]) -> None:
        # After some errors (a full disk, say) SQLite has rolled back by itself.
        connection = self._connection
        if connection is None or not connection.in_transaction:
            return
        try:
            for statement in statements:
                connection.execute(statement)
        except sqlite3.Error:
            self.close()  # which rolls back whatever is open

    def _open(self) -> sqlite3.Connection:
        if str(self.path) != ":memory:":
            _make_private_file(self.path)
        try:
            connection = sqlite3.connect(
                self.path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as exc:
            raise sqlite_error(self.path, exc) from exc
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        for name, function in self._functions.items():
            connection.create_function(name, 2, function, deterministic=True)
        self._connection = connection
        # For whoever forgets `close`; closing twice does no harm.
        weakref.finalize(self, connection.close)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # SQLite does not wait for the lock that the switch to WAL needs, so the waiting is done here.
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                version = _configure(connection)
                break
            except sqlite3.Error as exc:
                if getattr(exc, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                    raise sqlite_error(self.path, exc) from exc
                time.sleep(random.uniform(0.002, 0.02))
        if version > SCHEMA_VERSION:
            raise newer_schema_error(self.path)


def _configure(connection: sqlite3.Connection) -> int:
    """Set up the connection, bring the schema up to date, and return the schema version that the file had."""
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    version = schema_version(connection)
    if version < SCHEMA_VERSION:
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection)
    return version


def _make_private_file(path: Path) -> None:
    """Create the file (0600) and the directories above it (0700) where they are missing, whatever the umask."""
    try:
        for directory in reversed([each for each in path.parents if not each.exists()]):
            directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise directory_error(path.parent, exc) from exc
    for directory in (path.parent, path.parent.parent):
        if directory.name == OWN_DIRECTORY:  # any other may be shared with what is not ours
            _close_to_others(directory)
    try:
        # Never open a file that exists: closing it would drop the locks of other connections of this process.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        _close_to_others(path)
    except OSError as exc:
        raise file_error(path, exc) from exc


def _close_to_others(path: Path) -> None:
    with suppress(OSError):  # someone else's file: opening it tells what may be done with it
        mode = path.stat().st_mode
        if mode & 0o077:
            path.chmod(mode & 0o700)


def _encodable(parameters: Parameters) -> Parameters:
    def clean(value: Any) -> Any:
        return join_surrogates(value) if isinstance(value, str) else value

    if isinstance(parameters, Mapping):
        return {name: clean(value) for name, value in parameters.items()}
    return [clean(value) for value in parameters]
