"""Fills a database with a long history: conversations, messages, calls, and everything that is kept of them.

Words come from the vocabulary that the package ships, in the order of how common they are, so that the search index has
the shape of one over real text: few words are everywhere, most are rare. Some messages are Chinese. Questions and answers
take turns, a conversation has two to thirty of them, and the times are spread evenly over the year before now. One call
belongs to each answer. The same number of messages gives the same database, but for the times.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import time
from collections.abc import Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.migrations import rebuild_totals
from neuralterm.infrastructure.sign_index import index_messages
from neuralterm.infrastructure.vocabularies import read_tokens

# The calls are of another service than a bench talks to: nobody asks it about those whose cost is not known.
SERVICE = "https://openrouter.ai/api/v1"
MODELS = tuple(f"author-{number % 3}/model-{number}" for number in range(8))
TAGS = ("nightly", "review", "docs", "branch:main", "branch:next")

Row = tuple[Any, ...]

_YEAR_MS = 365 * 86_400_000
_WORDS = 20_000
_SENTENCES = 30_000  # at most
_CHINESE_EVERY = 20
_TRIGGERS = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name IN ('messages', 'calls')"
_ADD_CONVERSATION = """
    INSERT INTO conversations (number, id, title, model_id, created_at, updated_at, total_cost, total_tokens)
    VALUES (?, ?, ?, ?, ?, ?, 0, 0)
"""
_ADD_MESSAGE = """
    INSERT INTO messages (
        number, id, conversation_id, position, role, content, status, model_id, created_at, finish_reason, prompt_tokens,
        completion_tokens, total_tokens, charged, is_byok, cost, cost_source, latency_ms, metadata
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}')
"""
_ADD_CALL = """
    INSERT INTO calls (
        id, conversation_id, message_id, run_id, generation_id, requested_model, model, provider, status, started_at,
        prompt_tokens, completion_tokens, total_tokens, cost, source, at_most, latency_ms, first_token_ms, finish_reason,
        service, tags
    )
    SELECT substr(id, 1, 24) || 'ca11' || substr(id, 29), conversation_id, id, printf('run-%d', number / 50),
           printf('gen-%d', number), model_id, model_id, 'Provider ' || substr(model_id, -1), status, created_at,
           prompt_tokens, completion_tokens, total_tokens, cost, cost_source, 2000000000, latency_ms, latency_ms / 3,
           finish_reason, :service, :tags
    FROM messages WHERE role = 'assistant' AND number % :count = :turn
"""
_ADD_UP = """
    UPDATE conversations SET total_cost = sums.cost, total_tokens = sums.tokens
    FROM (
        SELECT conversation_id, coalesce(sum(cost), 0) AS cost, coalesce(sum(total_tokens), 0) AS tokens
        FROM messages GROUP BY conversation_id
    ) AS sums WHERE sums.conversation_id = conversations.id
"""


def fill(path: Path, *, messages: int) -> None:
    """Make a database with so many messages, half of them answers with a call each; takes about a minute per million."""
    database = Database(path)
    with database.transaction():
        pass
    database.close()
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA cache_size = -1000000")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        _insert(connection, messages)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    index_messages(database, lambda done, total: True)
    database.close()


def _insert(connection: sqlite3.Connection, messages: int) -> None:
    triggers = connection.execute(_TRIGGERS).fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    source = _Source(min(messages, _SENTENCES))
    for conversation, tags, rows in source.conversations(messages):
        connection.execute(_ADD_CONVERSATION, conversation)
        connection.executemany("INSERT INTO conversation_tags VALUES (?, ?, ?)", tags)
        connection.executemany(_ADD_MESSAGE, rows)
    connection.execute(_ADD_UP)
    for turn, tag in enumerate((*TAGS, None)):
        written = json.dumps([] if tag is None else [tag])
        connection.execute(_ADD_CALL, {"service": SERVICE, "tags": written, "count": len(TAGS) + 1, "turn": turn})
    connection.execute("INSERT INTO call_tags SELECT id, json_extract(tags, '$[0]') FROM calls WHERE tags <> '[]'")
    rebuild_totals(connection)
    connection.execute("INSERT INTO message_search (message_search) VALUES ('rebuild')")
    for _, sql in triggers:
        connection.execute(sql)


class _Source:
    """Makes rows up, the same ones each time."""

    def __init__(self, sentences: int) -> None:
        self._count = sentences
        self._random = random.Random(20_261_126)
        tokens = [token.decode("utf-8", "replace") for token in read_tokens("o200k_base")]
        words = [token[1:] for token in tokens if re.fullmatch(" [A-Za-z]{2,}", token)]
        signs = [token for token in tokens if re.fullmatch("[\u4e00-\u9fff]{1,4}", token)]
        self._english = self._sentences(words[:_WORDS], " ", ". ")
        self._chinese = self._sentences(signs[:_WORDS], "", "。")

    def conversations(self, messages: int) -> Iterator[tuple[Row, list[Row], list[Row]]]:
        """Yield a conversation, its tags and its messages, oldest first, until there are so many messages."""
        now = time.time_ns() // 1_000_000
        step = _YEAR_MS / messages
        done = 0
        while done < messages:
            size = min(2 * self._random.randint(1, 15), messages - done)
            begun = now - _YEAR_MS + round(done * step)
            identity, model = self._identity(), self._random.choice(MODELS)
            rows = [self._message(done + at, identity, at, model, begun + round(at * step)) for at in range(size)]
            title = rows[0][5][:40]
            tags = [(identity, self._random.choice(TAGS), 0)] if self._random.random() < 0.3 else []
            yield (done + 1, identity, title, model, begun, rows[-1][8]), tags, rows
            done += size

    def _message(self, number: int, conversation: str, at: int, model: str, moment: int) -> Row:
        is_answer = at % 2 == 1
        sentences = self._chinese if number // 2 % _CHINESE_EVERY == 0 else self._english
        content = "".join(self._random.choices(sentences, k=self._random.randint(2, 7) if is_answer else 1))
        row = (number + 1, self._identity(), conversation, at + 1)
        if not is_answer:
            return (*row, "user", content, "complete", None, moment, *(None,) * 9)
        kind = self._random.random()
        source = "unsettled" if kind < 0.005 else "computed" if kind < 0.05 else "billed"
        cost = None if source == "unsettled" else self._random.randint(10**7, 10**10)
        status = "interrupted" if source == "unsettled" else "truncated" if kind > 0.99 else "complete"
        prompt, completion = self._random.randint(20, 4000), len(content) // 4
        usage = (prompt, completion, prompt + completion, cost, 0)
        latency = self._random.randint(300, 20_000)
        return (*row, "assistant", content, status, model, moment, "stop", *usage, cost, source, latency)

    def _sentences(self, words: list[str], between: str, end: str) -> list[str]:
        weights = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
        drawn = iter(self._random.choices(words, cum_weights=weights, k=self._count * 16))
        return [between.join(islice(drawn, self._random.randint(4, 16))).capitalize() + end for _ in range(self._count)]

    def _identity(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
