"""The database: one connection, its transactions, and SQLite's errors as `StorageError`."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

from neuralterm.domain.text import join_surrogates
from neuralterm.infrastructure.lock_waiting import LockWaiting, Wait
from neuralterm.infrastructure.opening import Opened, open_to_read, open_to_write
from neuralterm.infrastructure.storage_errors import (
    changing_error,
    is_unwritable,
    passes_by_itself,
    sqlite_error,
    undone_error,
)
from neuralterm.setting_files import data_directory, database_in

if TYPE_CHECKING:
    from pathlib import Path

BUSY_TIMEOUT = 30.0
# Some milliseconds of copying.
_PAGES_A_STEP = 500

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]

# The databases that this process has open, so that none is looked into beside SQLite while another holds its locks.
_in_use: weakref.WeakSet[Database] = weakref.WeakSet()
_in_use_lock = Lock()


def default_database_path() -> str:
    """Return where the command line keeps its database: a library that names none shares it."""
    return database_in(data_directory(), sandbox=False)


class Database:
    """A SQLite database in WAL mode, opened, and created or migrated, on first use; reading does not create it.

    One connection, which several threads may use: a statement or a transaction of one waits for that of another.
    `":memory:"` is a database that lives until `close`. `busy_timeout`: seconds to wait for other processes. Where the file
    can't be written it is read as it lies there. One that was deleted or replaced is opened anew between transactions.
    """

    def __init__(self, path: Path | str, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self.name = os.fspath(path)
        self._waiting = LockWaiting(busy_timeout)
        self._lock = RLock()
        self._real_path = ""
        self._opened: Opened | None = None
        self._closer: weakref.finalize[..., Database] | None = None
        self._functions: dict[str, Callable[[str, str], bool]] = {}
        self._depth = 0
        self._begun = False

    @property
    def path(self) -> Path:
        """Where the file is."""
        from pathlib import Path

        return Path(self.name)

    def watch_waiting(
        self, *, interrupted: Callable[[], bool] | None = None, on_wait: Callable[[], None] | None = None
    ) -> None:
        """Set who is asked, every 100 ms at least, whether to stop waiting for a lock, and who is told of a long wait.

        A wait that is stopped ends in `StorageError` as one that took too long. What `interrupted` raises goes through.
        """
        self._waiting.interrupted = interrupted or self._waiting.interrupted
        self._waiting.on_wait = on_wait or self._waiting.on_wait

    def patience(self, seconds: float) -> AbstractContextManager[None]:
        """Wait for locks at most so long (and 100 ms) in the block, for whatever thread, whether interrupted or not."""
        return self._waiting.limited_to(seconds)

    @property
    def is_read_only(self) -> bool:
        """True where there is a file that can be read and not written. Raises `StorageError` where it can't be read."""
        with self._lock:
            return self._ready(writes=False).is_read_only

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement and return its rows. Raises `StorageError`."""
        return self._run(sql, parameters, writes=False)[0]

    def change(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a statement and return how many rows it inserted, updated or deleted. Raises `StorageError`."""
        return self._run(sql, parameters, writes=True)[1]

    def define(self, name: str, function: Callable[[str, str], bool]) -> None:
        """Let statements call a pure function of two texts by this name. It must not raise."""
        with self._lock:
            if name not in self._functions:
                self._functions[name] = function
                if self._opened is not None:
                    self._opened.connection.create_function(name, 2, function, deterministic=True)

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
                self._begun = True
                yield
                self.change("COMMIT" if outermost else f"RELEASE {name}")
            except BaseException:
                self._undo(("ROLLBACK",) if outermost else (f"ROLLBACK TO {name}", f"RELEASE {name}"))
                raise
            finally:
                self._depth -= 1
                self._begun = self._begun and not outermost

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let the queries inside see the file as it was at the first of them, whatever others write. None may write.

        A transaction that goes on around it does the same.
        """
        with self._lock:
            if self._depth:
                yield
                return
            self.query("BEGIN")
            try:
                yield
            finally:
                self._undo(("ROLLBACK",))

    def copy_to(self, target: sqlite3.Connection, on_progress: Callable[[int, int], None]) -> None:
        """Copy the file as it is now, whatever others write meanwhile.

        `on_progress` is told of pages copied and pages in all, and may raise. Raises `StorageError`, and `sqlite3.Error` for
        the target.
        """
        with self.snapshot():
            self.query("SELECT count(*) FROM sqlite_master")  # the moment that is copied
            connection = self._ready(writes=False).connection
            connection.backup(
                target,
                pages=_PAGES_A_STEP,
                progress=lambda status, left, total: on_progress(total - left, total),
            )

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._closer is not None:
                self._closer()
                self._closer = self._opened = None

    def _run(self, sql: str, parameters: Parameters, *, writes: bool) -> tuple[list[Row], int]:
        wait: Wait | None = None
        with self._lock:
            while True:
                opened = self._ready(writes=writes)
                inside = opened.connection.in_transaction
                if self._begun and not inside:
                    raise undone_error(self.name)
                try:
                    cursor = opened.connection.execute(sql, parameters)
                    found = cursor.fetchall(), cursor.rowcount
                    if not opened.is_frozen or opened.is_current():
                        return found
                    refusal, passes = changing_error(self.name), not inside
                except UnicodeEncodeError:
                    parameters = _encodable(parameters)
                    continue
                except (sqlite3.Error, OverflowError) as exc:
                    if opened.reads_leniently_after(exc):
                        continue
                    if not (writes or opened.can_write) and is_unwritable(exc):
                        writes = True
                        continue
                    # After some errors SQLite has rolled back by itself: what was done before must not be left out.
                    passes = passes_by_itself(exc) and opened.connection.in_transaction == inside
                    refusal = sqlite_error(self.name, exc)
                    refusal.__cause__ = exc
                wait = wait or self._waiting.begin()
                if not (passes and wait.again()):
                    raise refusal

    def _ready(self, *, writes: bool) -> Opened:
        """Return what is open if it serves, or open it (anew)."""
        opened = self._opened
        if opened is not None:
            if opened.connection.in_transaction or ((opened.can_write or not writes) and opened.is_current()):
                return opened
            self.close()
        self._opened = opened = self._open(writes=writes)
        # For whoever forgets `close`; closing twice does no harm.
        self._closer = weakref.finalize(self, opened.connection.close)
        for name, function in self._functions.items():
            opened.connection.create_function(name, 2, function, deterministic=True)
        return opened

    def _open(self, *, writes: bool) -> Opened:
        self._real_path = os.path.realpath(self.name)
        with _in_use_lock:
            is_shared = any(
                each is not self and each._real_path == self._real_path and each._opened for each in _in_use
            )
            _in_use.add(self)
        return (open_to_write if writes else open_to_read)(self.name, self._waiting, is_shared=is_shared)

    def _undo(self, statements: tuple[str, ...]) -> None:
        # After some errors (a full disk, say) SQLite has rolled back by itself.
        if self._opened is None or not self._opened.connection.in_transaction:
            return
        try:
            for statement in statements:
                self._opened.connection.execute(statement)
        except sqlite3.Error:
            self.close()  # which rolls back whatever is open


def _encodable(parameters: Parameters) -> Parameters:
    def clean(value: Any) -> Any:
        return join_surrogates(value) if isinstance(value, str) else value

    if isinstance(parameters, Mapping):
        return {name: clean(value) for name, value in parameters.items()}
    return [clean(value) for value in parameters]
