"""The schema, as steps from an empty file.

An applied step is never edited: a change of the schema is one more function at the end of `MIGRATIONS`. The file's
`user_version` counts the steps that were applied to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from neuralterm.infrastructure.schema import SCHEMA_VERSION, SPANS_MS, schema_version

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


_SUMS = (
    "calls",
    "prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "upstream",
    "cost",
    "committed",
    "unsettled",
    "unbounded",
    "at_most",
)
_TOTALS_KEY = "span, start, requested_model, model, provider, tags, source"


def _add_to_totals(condition: str, sign: str = "") -> str:
    """Return the statement that adds calls to the totals of every span that they are in."""
    spans = " UNION ALL ".join(f"SELECT {span} AS span" for span in SPANS_MS)
    sums = ", ".join(f"{sign}sum(c.{name})" for name in _SUMS)
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)
    return f"""
        INSERT INTO totals ({_TOTALS_KEY}, {", ".join(_SUMS)})
        SELECT s.span, c.started_at - ((c.started_at % s.span) + s.span) % s.span AS start,
               c.requested_model, c.model, c.provider, c.tags, c.source, {sums}
        FROM charges AS c, ({spans}) AS s
        WHERE {condition}
        GROUP BY 1, 2, 3, 4, 5, 6, 7
        ON CONFLICT ({_TOTALS_KEY}) DO UPDATE SET {added}
    """  # noqa: S608 - made of constants of this module


_MONEY_COLUMNS = (
    "requested_model, model, provider, tags, source, status, started_at, cost, at_most, upstream,"
    " prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens"
)
_MONEY = (
    # `owner` is the process that runs the call (see `processes`), NULL once it has ended; `service` the base URL.
    "ALTER TABLE calls ADD COLUMN service TEXT",
    "ALTER TABLE calls ADD COLUMN owner TEXT",
    # A JSON list in alphabetical order. `call_tags` has the same tags a row each, to find calls by.
    "ALTER TABLE calls ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'",
    """
    UPDATE calls SET tags = (
        SELECT json_group_array(tag) FROM (SELECT tag FROM call_tags WHERE call_id = calls.id ORDER BY tag)
    ) WHERE id IN (SELECT call_id FROM call_tags)
    """,
    "CREATE INDEX calls_running ON calls (owner) WHERE owner IS NOT NULL OR status = 'pending'",
    """
    CREATE INDEX calls_to_reconcile ON calls (started_at)
    WHERE source IN ('unsettled', 'estimated') AND generation_id IS NOT NULL
    """,
    "CREATE INDEX calls_by_run ON calls (run_id) WHERE run_id IS NOT NULL",
    "CREATE INDEX calls_by_conversation ON calls (conversation_id) WHERE conversation_id IS NOT NULL",
    # What reports and budgets count of a call; one that failed for free counts nowhere.
    """
    CREATE VIEW charges AS
    SELECT number, id, started_at, conversation_id, coalesce(run_id, '') AS run_id, requested_model,
           coalesce(model, requested_model) AS model, coalesce(provider, '') AS provider, tags, source,
           1 AS calls,
           coalesce(prompt_tokens, 0) AS prompt_tokens,
           coalesce(completion_tokens, 0) AS completion_tokens,
           coalesce(reasoning_tokens, 0) AS reasoning_tokens,
           coalesce(cached_tokens, 0) AS cached_tokens,
           coalesce(upstream, 0) AS upstream,
           coalesce(cost, 0) AS cost,
           coalesce(upstream, 0) + CASE
               WHEN source IN ('billed', 'reconciled', 'computed') THEN coalesce(cost, 0)
               ELSE max(coalesce(at_most, 0), coalesce(cost, 0))
           END AS committed,
           cost IS NULL AS unsettled,
           cost IS NULL AND at_most IS NULL AS unbounded,
           CASE WHEN cost IS NULL THEN coalesce(at_most, 0) ELSE 0 END AS at_most
    FROM calls
    WHERE NOT (status = 'failed' AND cost IS NOT NULL AND cost = 0)
    """,
    # Sums of `charges` by time, in ms; `span` is one of `SPANS_MS` (no zone of today has a finer offset than the finest).
    """
    CREATE TABLE totals (
        span INTEGER NOT NULL,
        start INTEGER NOT NULL,
        requested_model TEXT NOT NULL,
        model TEXT NOT NULL,
        provider TEXT NOT NULL,
        tags TEXT NOT NULL,
        source TEXT NOT NULL,
        calls INTEGER NOT NULL,
        prompt_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL,
        cached_tokens INTEGER NOT NULL,
        upstream INTEGER NOT NULL,
        cost INTEGER NOT NULL,
        committed INTEGER NOT NULL,
        unsettled INTEGER NOT NULL,
        unbounded INTEGER NOT NULL,
        at_most INTEGER NOT NULL,
        PRIMARY KEY (span, start, requested_model, model, provider, tags, source)
    ) STRICT, WITHOUT ROWID
    """,
    _add_to_totals("true"),
    f"CREATE TRIGGER totals_insert AFTER INSERT ON calls BEGIN {_add_to_totals('c.number = new.number')}; END",
    f"""
    CREATE TRIGGER totals_take BEFORE UPDATE OF {_MONEY_COLUMNS} ON calls BEGIN
        {_add_to_totals("c.number = old.number", "-")};
    END
    """,
    f"""
    CREATE TRIGGER totals_give AFTER UPDATE OF {_MONEY_COLUMNS} ON calls BEGIN
        {_add_to_totals("c.number = new.number")};
    END
    """,
    f"CREATE TRIGGER totals_delete BEFORE DELETE ON calls BEGIN {_add_to_totals('c.number = old.number', '-')}; END",
    # `window`, `tag`, `model` (a pattern) and `conversation_id` as in `domain.budget`.
    """
    CREATE TABLE budgets (
        name TEXT NOT NULL PRIMARY KEY,
        limit_usd INTEGER NOT NULL,
        window TEXT NOT NULL,
        tag TEXT,
        model TEXT,
        conversation_id TEXT,
        warning_level TEXT NOT NULL,
        timezone TEXT
    ) STRICT, WITHOUT ROWID
    """,
    # Native tokens for each token (basis `tokens`) or byte (`bytes`) counted here: mean and sum of squared deviations.
    """
    CREATE TABLE token_ratios (
        family TEXT NOT NULL,
        basis TEXT NOT NULL,
        samples INTEGER NOT NULL,
        mean REAL NOT NULL,
        squares REAL NOT NULL,
        PRIMARY KEY (family, basis)
    ) STRICT, WITHOUT ROWID
    """,
)


def add_money(connection: sqlite3.Connection) -> None:
    """Add who runs a call and where, totals that triggers keep, budgets, and what was learnt about token counts."""
    for statement in _MONEY:
        connection.execute(statement)


def rebuild_totals(connection: sqlite3.Connection) -> None:
    """Compute all totals anew from the calls."""
    connection.execute("DELETE FROM totals")
    connection.execute(_add_to_totals("true"))


def add_circuits(connection: sqlite3.Connection) -> None:
    """Add what all processes know of services that fail or asked to be left alone; times are Unix times in ms.

    `model` is what was asked for, or empty for the service as a whole.
    """
    connection.execute("""
        CREATE TABLE circuits (
            service TEXT NOT NULL,
            model TEXT NOT NULL,
            failures INTEGER NOT NULL,
            first_failure INTEGER NOT NULL,
            last_failure INTEGER NOT NULL,
            opened_at INTEGER,
            probe TEXT,
            probe_at INTEGER,
            PRIMARY KEY (service, model)
        ) STRICT, WITHOUT ROWID
    """)
    connection.execute("""
        CREATE TABLE rate_limits (
            service TEXT NOT NULL,
            model TEXT NOT NULL,
            asked_at INTEGER NOT NULL,
            wait INTEGER NOT NULL,
            PRIMARY KEY (service, model)
        ) STRICT, WITHOUT ROWID
    """)


def tell_services_apart(connection: sqlite3.Connection) -> None:
    """Let the calls to reconcile be found by service, newest first, whatever other services left unsettled."""
    connection.execute("DROP INDEX calls_to_reconcile")
    connection.execute("""
        CREATE INDEX calls_to_reconcile ON calls (service, started_at)
        WHERE source IN ('unsettled', 'estimated') AND generation_id IS NOT NULL
    """)


_SIGNS = (
    # Contents of messages, in blocks of 1,024 numbers; see `sign_index`.
    """
    CREATE TABLE message_signs (
        block INTEGER NOT NULL,
        first_signs TEXT NOT NULL,
        last_signs TEXT NOT NULL,
        PRIMARY KEY (block, first_signs)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE TABLE sign_blocks (block INTEGER PRIMARY KEY) STRICT",
    """
    CREATE TRIGGER signs_forgotten AFTER DELETE ON sign_blocks BEGIN
        DELETE FROM message_signs WHERE block = old.block;
    END
    """,
    # Texts of ASCII letters have no signs.
    """
    CREATE TRIGGER signs_insert AFTER INSERT ON messages
    WHEN length(new.content) < length(CAST(new.content AS BLOB)) BEGIN
        DELETE FROM sign_blocks WHERE block = new.number / 1024;
    END
    """,
    """
    CREATE TRIGGER signs_delete AFTER DELETE ON messages
    WHEN length(old.content) < length(CAST(old.content AS BLOB)) BEGIN
        DELETE FROM sign_blocks WHERE block = old.number / 1024;
    END
    """,
    """
    CREATE TRIGGER signs_update AFTER UPDATE OF content, status ON messages
    WHEN (old.content <> new.content OR (old.status = 'pending') <> (new.status = 'pending'))
         AND (length(old.content) < length(CAST(old.content AS BLOB))
              OR length(new.content) < length(CAST(new.content AS BLOB))) BEGIN
        DELETE FROM sign_blocks WHERE block = new.number / 1024;
    END
    """,
)


def add_signs(connection: sqlite3.Connection) -> None:
    """Add the index of scripts without spaces, with no message in it yet; see `sign_index`."""
    for statement in _SIGNS:
        connection.execute(statement)


_SECOND_THOUGHTS = (
    # When it was withdrawn, or put into the trash, in ms; NULL where it was not.
    "ALTER TABLE messages ADD COLUMN withdrawn_at INTEGER",
    "ALTER TABLE conversations ADD COLUMN deleted_at INTEGER",
    "ALTER TABLE conversations ADD COLUMN forked_from TEXT",
    # However full the trash is, nothing in it is in the way of the last conversation.
    "DROP INDEX conversations_by_change",
    "CREATE INDEX conversations_by_change ON conversations (updated_at) WHERE deleted_at IS NULL",
    "CREATE INDEX conversations_deleted ON conversations (deleted_at) WHERE deleted_at IS NOT NULL",
)


def add_second_thoughts(connection: sqlite3.Connection) -> None:
    """Add withdrawn messages, the trash, and where a fork came from."""
    for statement in _SECOND_THOUGHTS:
        connection.execute(statement)


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    create_schema,
    add_attachments,
    add_money,
    add_circuits,
    tell_services_apart,
    add_signs,
    add_second_thoughts,
)


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
