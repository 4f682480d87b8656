"""Opening the database: for writing, or as well as the place allows."""

from __future__ import annotations

import os
import sqlite3

from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.record import record
from neuralterm.infrastructure.database_file import (
    Identity,
    identity_of,
    is_empty,
    is_missing,
    make_private_file,
    require_file,
    require_own_log,
    unread_log,
)
from neuralterm.infrastructure.lock_waiting import LockWaiting
from neuralterm.infrastructure.schema import SCHEMA_VERSION, schema_version
from neuralterm.infrastructure.storage_errors import (
    is_unwritable,
    log_in_read_only_place_error,
    may_be_readable,
    newer_schema_error,
    older_schema_error,
    passes_by_itself,
    sqlite_error,
)

IN_MEMORY = ":memory:"


@record
class Opened:
    """A connection, and what it is connected to.

    `is_frozen`: the file is read as it lies there, without locks, so it must not change meanwhile; `can_write` False with
    it, and for the empty database in memory that stands in for a file that is not there yet.
    """

    connection: sqlite3.Connection
    name: str | None
    identity: Identity | None = None
    can_write: bool = True
    is_frozen: bool = False

    @property
    def is_read_only(self) -> bool:
        """True where there is a file that this process may not write."""
        if self.name is None or self.identity is None:
            return False
        return self.is_frozen or not os.access(self.name, os.W_OK, effective_ids=os.access in os.supports_effective_ids)

    def reads_leniently_after(self, error: Exception) -> bool:
        """Go on with replacement characters where a stored text is no UTF-8; False if that is not what went wrong."""
        if not str(error).startswith("Could not decode") or self.connection.text_factory is not str:
            return False
        self.connection.text_factory = _decoded
        return True

    def is_current(self) -> bool:
        """Say whether the file of that name is still the one that is open. Takes some microseconds."""
        if self.name is None:
            return True
        try:
            if identity_of(self.name, precise=self.is_frozen) != self.identity:
                return False
        except OSError:
            return True  # it can't be looked at any more; what is open stays open
        return not self.is_frozen or unread_log(self.name) is None


def open_to_write(name: str, waiting: LockWaiting, *, is_shared: bool) -> Opened:
    """Open the file, and create or migrate it. `is_shared`: this process has it open already. Raises `StorageError`."""
    if name == IN_MEMORY:
        return Opened(_connected(name, waiting), None)
    make_private_file(name)
    return _open_file(name, waiting, is_shared=is_shared)


def open_to_read(name: str, waiting: LockWaiting, *, is_shared: bool) -> Opened:
    """Open the file, without creating it; where it can't be written, as it lies there. Raises `StorageError`."""
    if name == IN_MEMORY:
        return Opened(_connected(name, waiting), None)
    if is_missing(name):
        return Opened(_stand_in(waiting), name, can_write=False)
    require_file(name)
    try:
        return _open_file(name, waiting, is_shared=is_shared)
    except StorageError as refusal:
        if not may_be_readable(refusal.__cause__):
            raise
        return _open_frozen(name, waiting, refusal)


def _open_file(name: str, waiting: LockWaiting, *, is_shared: bool) -> Opened:
    while True:
        before = identity_of(name)
        if not is_shared:
            require_own_log(name)
        connection = _connected(name, waiting)
        if before is not None and identity_of(name) == before:
            return Opened(connection, name, before)
        connection.close()  # it was replaced in this moment
        make_private_file(name)


def _open_frozen(name: str, waiting: LockWaiting, refusal: StorageError) -> Opened:
    """Open a file that can't be written. What its log holds can't be seen that way, so there must be none."""
    log = unread_log(name)
    if log is not None:
        raise log_in_read_only_place_error(name, log) if is_unwritable(refusal.__cause__) else refusal
    identity = identity_of(name, precise=True)
    if is_empty(name):
        return Opened(_stand_in(waiting), name, identity, can_write=False, is_frozen=True)
    from neuralterm.infrastructure.peeking import read_only_uri

    try:
        connection = sqlite3.connect(
            read_only_uri(name, is_frozen=True), uri=True, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error:
        raise refusal from refusal.__cause__
    try:
        version = schema_version(connection)
    except sqlite3.Error as exc:
        connection.close()
        raise (refusal if may_be_readable(exc) else sqlite_error(name, exc)) from exc
    if version != SCHEMA_VERSION:
        connection.close()
        if version > SCHEMA_VERSION:
            raise newer_schema_error(name)
        raise older_schema_error(name) if is_unwritable(refusal.__cause__) else refusal
    return Opened(connection, name, identity, can_write=False, is_frozen=True)


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _stand_in(waiting: LockWaiting) -> sqlite3.Connection:
    connection = _connected(IN_MEMORY, waiting)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connected(name: str, waiting: LockWaiting) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(name, timeout=0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as exc:
        raise sqlite_error(name, exc) from exc
    try:
        version = prepared(name, connection, waiting)
        if version > SCHEMA_VERSION:
            raise newer_schema_error(name)
    except BaseException:
        connection.close()
        raise
    return connection


def prepared(name: str, connection: sqlite3.Connection, waiting: LockWaiting) -> int:
    """Set the connection up, bring the schema up to date, and return the version that it had. Raises `StorageError`.

    All of it may be done again: SQLite does not wait at all for the lock that the switch to WAL needs.
    """
    wait = waiting.begin()
    while True:
        try:
            return _configure(connection)
        except sqlite3.Error as exc:
            if not (passes_by_itself(exc) and wait.again()):
                raise sqlite_error(name, exc) from exc


def _configure(connection: sqlite3.Connection) -> int:
    """Set up the connection, bring the schema up to date, and return the schema version that the file had."""
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    version = schema_version(connection)
    if version <= SCHEMA_VERSION:
        connection.execute("PRAGMA journal_mode = WAL")  # a backup comes without
    if version < SCHEMA_VERSION:
        from neuralterm.infrastructure.migrations import migrate

        migrate(connection)
    return version
