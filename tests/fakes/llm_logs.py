"""Logs of the program `llm` as its versions have written them, with the columns and tables of each."""

import json
import sqlite3
from contextlib import closing

OLDEST = "CREATE TABLE log (provider TEXT, system TEXT, prompt TEXT, chat_id TEXT, response TEXT, model TEXT, timestamp TEXT)"
OLD = """
    CREATE TABLE logs (
        id INTEGER PRIMARY KEY, model TEXT, prompt TEXT, system TEXT, prompt_json TEXT, options_json TEXT, response TEXT,
        response_json TEXT, reply_to_id INTEGER, chat_id INTEGER, duration_ms INTEGER, datetime_utc TEXT
    )
"""
RESPONSES = """
    CREATE TABLE conversations (id TEXT PRIMARY KEY, name TEXT, model TEXT);
    CREATE TABLE responses (
        id TEXT PRIMARY KEY, model TEXT, prompt TEXT, system TEXT, prompt_json TEXT, options_json TEXT, response TEXT,
        response_json TEXT, conversation_id TEXT REFERENCES conversations (id), duration_ms INTEGER, datetime_utc TEXT
    );
"""
USAGE = """
    ALTER TABLE responses ADD COLUMN input_tokens INTEGER;
    ALTER TABLE responses ADD COLUMN output_tokens INTEGER;
    ALTER TABLE responses ADD COLUMN token_details TEXT;
    ALTER TABLE responses ADD COLUMN resolved_model TEXT;
"""
BESIDE = """
    CREATE TABLE attachments (id TEXT PRIMARY KEY, type TEXT, path TEXT, url TEXT, content BLOB);
    CREATE TABLE prompt_attachments (response_id TEXT, attachment_id TEXT, "order" INTEGER);
    CREATE TABLE fragments (id INTEGER PRIMARY KEY, hash TEXT, content TEXT, datetime_utc TEXT, source TEXT);
    CREATE TABLE prompt_fragments (response_id TEXT, fragment_id INTEGER, "order" INTEGER);
    CREATE TABLE system_fragments (response_id TEXT, fragment_id INTEGER, "order" INTEGER);
    CREATE TABLE tool_calls (id INTEGER PRIMARY KEY, response_id TEXT, tool_id INTEGER, name TEXT, arguments TEXT,
        tool_call_id TEXT);
    CREATE TABLE tool_results (id INTEGER PRIMARY KEY, response_id TEXT, tool_id INTEGER, name TEXT, output TEXT,
        tool_call_id TEXT);
"""
TURNS = """
    CREATE TABLE messages (hash TEXT PRIMARY KEY, parent_hash TEXT, role TEXT, provider_metadata TEXT);
    CREATE TABLE parts (id INTEGER PRIMARY KEY, message_hash TEXT, position INTEGER, type TEXT, tool_name TEXT, text TEXT,
        payload TEXT);
    CREATE TABLE threads (id TEXT PRIMARY KEY, name TEXT, tip_message_hash TEXT, forked_from TEXT, datetime_utc TEXT);
    CREATE TABLE turns (id TEXT PRIMARY KEY, thread_id TEXT, parent_message_hash TEXT, tip_message_hash TEXT, model TEXT,
        resolved_model TEXT, options_json TEXT, schema_id TEXT, input_tokens INTEGER, output_tokens INTEGER,
        token_details TEXT, duration_ms INTEGER, datetime_utc TEXT);
"""


def write(path, *scripts, **tables):
    """Make a file of these tables, or add to it; `tables` are lists of rows by column."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for script in scripts:
            connection.executescript(script)
        for table, rows in tables.items():
            for row in rows:
                columns = ", ".join(f'"{name}"' for name in row)
                marks = ", ".join("?" * len(row))
                connection.execute(f'INSERT INTO "{table}" ({columns}) VALUES ({marks})', tuple(row.values()))
    return path


def response(number, conversation="c1", **fields):
    """A row of `responses`."""
    return {
        "id": f"r{number}",
        "model": "gpt-4o-mini",
        "prompt": f"question {number}",
        "response": f"answer {number}",
        "conversation_id": conversation,
        "duration_ms": 1500,
        "datetime_utc": f"2025-03-01T10:0{number}:00+00:00",
    } | fields


def modern(path):
    """A log as versions 0.23 to 0.31 write it: two conversations, with everything that can be beside a response."""
    details = json.dumps(
        {"completion_tokens_details": {"reasoning_tokens": 2}, "prompt_tokens_details": {"cached_tokens": 3}}
    )
    return write(
        path,
        RESPONSES,
        USAGE,
        BESIDE,
        conversations=[
            {"id": "c1", "name": "The  sky", "model": "gpt-4o-mini"},
            {"id": "c2", "name": None, "model": "m"},
        ],
        responses=[
            response(2, system="Be brief.", input_tokens=20, output_tokens=7, token_details=details),
            response(1, system="Be brief.", input_tokens=10, output_tokens=5),
            response(3, "c2", model="openrouter/anthropic/claude-sonnet-4", prompt="", response=""),
        ],
        fragments=[{"id": 1, "content": "a file"}, {"id": 2, "content": "a rule"}],
        prompt_fragments=[{"response_id": "r1", "fragment_id": 1, "order": 0}],
        system_fragments=[{"response_id": "r3", "fragment_id": 2, "order": 0}],
        attachments=[{"id": "a1", "type": "image/png", "path": "/tmp/x.png", "content": b"\x89"}],
        prompt_attachments=[{"response_id": "r2", "attachment_id": "a1", "order": 0}],
        tool_calls=[{"response_id": "r3", "name": "now", "arguments": '{"zone": "UTC"}'}],
        tool_results=[{"response_id": "r3", "name": "past", "output": "noon"}],
    )


def message(name, before, role, *parts):
    """A row of `messages` and its rows of `parts`; a text is a part too."""
    rows = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return (
        {"hash": name, "parent_hash": before, "role": role},
        [{"message_hash": name, "position": position} | row for position, row in enumerate(rows)],
    )


def turn(number, before, tip, thread="t1", **fields):
    """A row of `turns`."""
    return {
        "id": f"u{number}",
        "thread_id": thread,
        "parent_message_hash": before,
        "tip_message_hash": tip,
        "model": "gpt-5",
        "input_tokens": 4,
        "output_tokens": 6,
        "duration_ms": 900,
        "datetime_utc": f"2026-09-01T10:0{number}:00+00:00",
    } | fields


def newest(path, thread="t1"):
    """A log as versions from 0.32 on write it: a thread of two turns."""
    messages = [
        message("s", None, "system", "Be kind."),
        message(
            "q1", "s", "user", {"type": "text", "payload": '{"text_ref": [{"fragment": 7}, {"literal": " sum it up"}]}'}
        ),
        message("a1", "q1", "assistant", {"type": "reasoning", "text": "hm"}, "It is short."),
        message(
            "q2", "a1", "user", "What time is it?", {"type": "attachment", "payload": '{"attachment": {"id": "a9"}}'}
        ),
        message(
            "a2",
            "q2",
            "assistant",
            {"type": "tool_call", "tool_name": "now", "payload": '{"name": "now", "arguments": {}}'},
        ),
        message(
            "r2",
            "a2",
            "tool",
            {"type": "tool_result", "tool_name": "now", "payload": '{"name": "now", "output": "noon"}'},
        ),
        message("a3", "r2", "assistant", "It is noon."),
    ]
    return write(
        path,
        TURNS,
        *([] if path.exists() else [BESIDE]),
        messages=[row for row, _ in messages],
        parts=[row for _, rows in messages for row in rows],
        threads=[{"id": thread, "name": "Times", "tip_message_hash": "a3"}],
        turns=[
            turn(2, "q2", "a2", thread),
            turn(1, "q1", "a1", thread),
            turn(3, "r2", "a3", thread, token_details='{"completion_tokens_details": {"reasoning_tokens": 1}}'),
        ],
        fragments=[{"id": 7, "content": "The book."}],
    )
