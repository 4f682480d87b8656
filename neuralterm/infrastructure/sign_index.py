"""The index of signs: which messages may hold a word of a script without spaces.

Messages are indexed in blocks of 1,024 neighbouring numbers, and a block as a whole once the next one has begun. A row of
`message_signs` has for a block all grams that begin alike (see `signs`): their last signs, each followed by a letter for each
message that has the gram, U+0080 for the first of the block, and so on. `sign_blocks` has the blocks that are indexed. Triggers
drop a block as soon as one of its texts changes or is deleted, so that nothing stays of it, whoever writes; until it is
indexed anew, it is read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from neuralterm.infrastructure.signs import grams, size, wanted_grams

if TYPE_CHECKING:
    from neuralterm.infrastructure.database import Database, Row

BLOCK = 1024
_FIRST = 0x80
_LETTERS = [chr(_FIRST + at) for at in range(BLOCK)]
_ANY_LETTERS = frozenset(_LETTERS)
_SOME_LETTERS = f"([{_LETTERS[0]}-{_LETTERS[-1]}]+)"
_BEYOND = "\U0010ffff"

# Texts that can hold signs. length() ends at a NUL, which only makes a text be looked at that need not be.
_TEXTS = """
    SELECT number, content FROM messages
    WHERE number BETWEEN ? AND ? AND status <> 'pending' AND length(content) < length(CAST(content AS BLOB))
"""
_IS_INDEXED = "SELECT 1 FROM sign_blocks WHERE block = ?"
_ADD_ROWS = "INSERT INTO message_signs SELECT ?, key, value FROM json_each(?)"
_ROWS = """
    SELECT s.block, s.last_signs
    FROM json_each(:blocks) AS wanted
    CROSS JOIN message_signs AS s ON s.block = wanted.value AND s.first_signs BETWEEN :low AND :high
"""
# Blocks looked at in one go: few at first, as the newest messages often are enough.
_FIRST_STEP, _LARGEST_STEP = 4, 128
# Reading so few texts is quicker than another look into the index.
_FEW = 16
# Where more than one message of so many is a candidate, reading all is quicker than picking them.
_SPARSE = 8
# More grams make no difference to a query of sentences.
_MOST_GRAMS = 64

Condition = tuple[str, dict[str, Any]]


def stretches(database: Database, words: Iterable[str]) -> Iterator[Condition]:
    """Yield conditions on messages `m`, with parameters, that together are true for all which may hold the words.

    Those of one are all newer than those of the next. To be used in a snapshot.
    """
    ((newest,),) = database.query("SELECT max(number) FROM messages")
    if newest is None:
        return
    indexed = {block for (block,) in database.query("SELECT block FROM sign_blocks")}
    seekers = [_Gram(gram) for gram in sorted(set().union(*map(wanted_grams, words)))[:_MOST_GRAMS]]
    for is_indexed, blocks in groupby(range(newest // BLOCK, -1, -1), indexed.__contains__):
        if is_indexed:
            yield from _candidates(database, seekers, list(blocks))
        else:
            yield _all_of(list(blocks))


def _all_of(blocks: list[int]) -> Condition:
    return "m.number BETWEEN :low AND :high", {"low": blocks[-1] * BLOCK, "high": blocks[0] * BLOCK + BLOCK - 1}


def _candidates(database: Database, seekers: list[_Gram], blocks: list[int]) -> Iterator[Condition]:
    step = _FIRST_STEP
    while blocks:
        here, blocks = blocks[:step], blocks[step:]
        step = min(step * 2, _LARGEST_STEP)
        holders = _holders(database, seekers, here)
        if sum(map(len, holders.values())) * _SPARSE > len(here) * BLOCK:
            yield _all_of(here)
            continue
        numbers = [
            block * BLOCK + ord(each) - _FIRST for block in here for each in sorted(holders.get(block, ()))[::-1]
        ]
        count = _FEW
        while numbers:
            yield "m.number IN (SELECT value FROM json_each(:numbers))", {"numbers": _array(numbers[:count])}
            numbers = numbers[count:]
            count *= 2


def _holders(database: Database, seekers: list[_Gram], blocks: list[int]) -> dict[int, set[str]]:
    """Return the letters of messages that have all grams, by block; perhaps of others too, if they are few."""
    left: dict[int, set[str]] = {}
    for position, seeker in enumerate(sorted(seekers, key=lambda each: each.found)):
        here = seeker.letters(database, blocks)
        left = here if position == 0 else {block: both for block in here if (both := left[block] & here[block])}
        blocks = list(left)
        if sum(map(len, left.values())) <= _FEW:
            break
    return left


class _Gram:
    """A gram to look for, whole or its beginning; `found` in so many messages up to now."""

    def __init__(self, gram: str) -> None:
        is_whole = len(gram) == size(gram[0])
        self._low = gram[:-1] if is_whole else gram
        self._high = gram[:-1] if is_whole else gram + _BEYOND
        self._last = re.compile(re.escape(gram[-1]) + _SOME_LETTERS) if is_whole else None
        self.found = 0

    def letters(self, database: Database, blocks: list[int]) -> dict[int, set[str]]:
        """Return the letters of the messages that have it, for those of the blocks where there are any."""
        found: dict[int, set[str]] = {}
        rows = database.query(_ROWS, {"blocks": _array(blocks), "low": self._low, "high": self._high})
        for block, last_signs in rows:
            if self._last is None:
                found.setdefault(block, set()).update(_ANY_LETTERS.intersection(last_signs))
            elif match := self._last.search(last_signs):
                found[block] = set(match[1])
        self.found += sum(map(len, found.values()))
        return found


def _array(numbers: list[int]) -> str:
    """Return a JSON array, which looks as a list of Python does: importing `json` takes longer than most searches."""
    return repr(numbers)


def index_messages(database: Database, on_step: Callable[[int, int], bool]) -> None:
    """Index all whole blocks that are not, newest first, each in a transaction of its own.

    `on_step` is told blocks done and blocks to be done, and says whether to go on. Raises `StorageError`.
    """
    missing = unindexed(database)
    for done, block in enumerate(missing):
        if not on_step(done, len(missing)):
            return
        _index(database, block)


def unindexed(database: Database) -> list[int]:
    """Return the whole blocks that are not indexed, newest first."""
    ((newest,),) = database.query("SELECT max(number) FROM messages")
    indexed = {block for (block,) in database.query("SELECT block FROM sign_blocks")}
    return [block for block in range((newest or 0) // BLOCK - 1, -1, -1) if block not in indexed]


def _index(database: Database, block: int) -> None:
    """Index a block, unless somebody else has, or a text changed while it was looked at: then it is left for later."""
    bounds = (block * BLOCK, block * BLOCK + BLOCK - 1)
    if database.query(_IS_INDEXED, (block,)):
        return
    import json

    texts = database.query(_TEXTS, bounds)
    rows = json.dumps(_rows(texts), ensure_ascii=False)
    with database.transaction():
        if not database.query(_IS_INDEXED, (block,)) and database.query(_TEXTS, bounds) == texts:
            database.change(_ADD_ROWS, (block, rows))
            database.change("INSERT INTO sign_blocks VALUES (?)", (block,))


def _rows(texts: list[Row]) -> dict[str, str]:
    """Return what a block's rows have, by the first signs, for numbers and contents of messages."""
    holders: defaultdict[str, list[str]] = defaultdict(list)
    for number, content in texts:
        letter = _LETTERS[number % BLOCK]
        for gram in grams(content):
            holders[gram].append(letter)
    rows: defaultdict[str, list[str]] = defaultdict(list)
    for gram, letters in holders.items():
        row = rows[gram[:-1]]
        row.append(gram[-1])
        row += letters
    return {first_signs: "".join(rows[first_signs]) for first_signs in sorted(rows)}
