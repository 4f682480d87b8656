"""The schema, as steps from an empty file.

An applied step is never edited: a change of the schema is one more function at the end of `MIGRATIONS`. The file's
`user_version` counts the steps that were applied to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_FIRST_SCHEMA = (
    # Explicit row numbers: VACUUM may renumber implicit ones, and the search index refers to them.
    """
    CREATE TABLE conversations (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        title TEXT,
        model_id TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        total_cost INTEGER NOT NULL,
        total_tokens INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX conversations_by_change ON conversations (updated_at)",
    """
    CREATE TABLE conversation_tags (
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        tag TEXT NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (conversation_id, tag)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX conversations_by_tag ON conversation_tags (tag, conversation_id)",
    """
    CREATE TABLE messages (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        role TEXT NOT NULL,
        content TEXT NOT NULL,
        status TEXT NOT NULL,
        model_id TEXT,
        created_at INTEGER NOT NULL,
        finish_reason TEXT,
        reasoning TEXT,
        prompt_tokens INTEGER,
        completion_tokens INTEGER,
        total_tokens INTEGER,
        reasoning_tokens INTEGER,
        cached_tokens INTEGER,
        cache_write_tokens INTEGER,
        charged INTEGER,
        upstream INTEGER,
        is_byok INTEGER,
        cost INTEGER,
        cost_source TEXT,
        latency_ms INTEGER,
        metadata TEXT NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX messages_in_order ON messages (conversation_id, position)",
    """
    CREATE INDEX messages_unfinished ON messages (conversation_id)
    WHERE status NOT IN ('complete', 'failed')
    """,
    """
    CREATE TABLE journal (
        message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
        sequence INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (message_id, sequence)
    ) STRICT, WITHOUT ROWID
    """,
    # The ledger outlives what it tells of, hence no foreign keys; replayed answers repeat their generation id.
    """
    CREATE TABLE calls (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        conversation_id TEXT,
        message_id TEXT,
        run_id TEXT,
        generation_id TEXT,
        requested_model TEXT NOT NULL,
        model TEXT,
        provider TEXT,
        status TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        prompt_tokens INTEGER,
        completion_tokens INTEGER,
        total_tokens INTEGER,
        reasoning_tokens INTEGER,
        cached_tokens INTEGER,
        cache_write_tokens INTEGER,
        cost INTEGER,
        source TEXT NOT NULL,
        at_most INTEGER,
        upstream INTEGER,
        latency_ms INTEGER,
        first_token_ms INTEGER,
        finish_reason TEXT,
        error_code TEXT
    ) STRICT
    """,
    "CREATE INDEX calls_by_start ON calls (started_at, source, cost, at_most)",
    "CREATE INDEX calls_by_generation ON calls (generation_id) WHERE generation_id IS NOT NULL",
    """
    CREATE TABLE call_tags (
        call_id TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
        tag TEXT NOT NULL,
        PRIMARY KEY (call_id, tag)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE models (
        service TEXT NOT NULL,
        id TEXT NOT NULL,
        canonical_slug TEXT,
        position INTEGER NOT NULL,
        entry TEXT NOT NULL,
        PRIMARY KEY (service, id)
    ) STRICT
    """,
    "CREATE INDEX models_by_slug ON models (service, canonical_slug)",
    "CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    # Pending answers are left out, so that journalling never touches the index.
    "CREATE VIEW searchable AS SELECT number, content FROM messages WHERE status <> 'pending'",
    """
    CREATE VIRTUAL TABLE message_search USING fts5 (
        content, content = 'searchable', content_rowid = 'number', tokenize = 'unicode61 remove_diacritics 2'
    )
    """,
    """
    CREATE TRIGGER search_insert AFTER INSERT ON messages WHEN new.status <> 'pending' BEGIN
        INSERT INTO message_search (rowid, content) VALUES (new.number, new.content);
    END
    """,
    """
    CREATE TRIGGER search_delete AFTER DELETE ON messages WHEN old.status <> 'pending' BEGIN
        INSERT INTO message_search (message_search, rowid, content) VALUES ('delete', old.number, old.content);
    END
    """,
    # One trigger for both halves: the order of two triggers is not defined.
    """
    CREATE TRIGGER search_update AFTER UPDATE OF content, status ON messages BEGIN
        INSERT INTO message_search (message_search, rowid, content)
        SELECT 'delete', old.number, old.content WHERE old.status <> 'pending';
        INSERT INTO message_search (rowid, content)
        SELECT new.number, new.content WHERE new.status <> 'pending';
    END
    """,
)


def create_schema(connection: sqlite3.Connection) -> None:
    """Create all tables of the first schema."""
    for statement in _FIRST_SCHEMA:
        connection.execute(statement)


_ATTACHMENTS = (
    # Row numbers apart from the digest keep large contents out of the index.
    """
    CREATE TABLE attachments (
        number INTEGER PRIMARY KEY,
        sha256 TEXT NOT NULL UNIQUE,
        content BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE message_attachments (
        message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        sha256 TEXT NOT NULL REFERENCES attachments (sha256),
        PRIMARY KEY (message_id, position)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX message_attachments_by_content ON message_attachments (sha256)",
    """
    CREATE TRIGGER attachment_forgotten AFTER DELETE ON message_attachments
    WHEN NOT EXISTS (SELECT 1 FROM message_attachments WHERE sha256 = old.sha256) BEGIN
        DELETE FROM attachments WHERE sha256 = old.sha256;
    END
    """,
)


def add_attachments(connection: sqlite3.Connection) -> None:
    """Add the contents of attachments, and which message has which of them; their names are in the message's metadata."""
    for statement in _ATTACHMENTS:
        connection.execute(statement)


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (create_schema, add_attachments)
SCHEMA_VERSION = len(MIGRATIONS)


def schema_version(connection: sqlite3.Connection) -> int:
    """Return how many steps were applied to the file."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the missing steps, each in a transaction of its own; other processes may do the same at the same time."""
    while schema_version(connection) < SCHEMA_VERSION:
        connection.execute("BEGIN IMMEDIATE")
        try:
            _apply_next(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _apply_next(connection: sqlite3.Connection) -> None:
    version = schema_version(connection)  # another process may have been quicker
    if version < SCHEMA_VERSION:
        MIGRATIONS[version](connection)
        connection.execute(f"PRAGMA user_version = {version + 1:d}")
