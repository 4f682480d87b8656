"""What is known of the schema without the steps that make it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

# How many steps `migrations` has.
SCHEMA_VERSION = 7

QUARTER_MS, DAY_MS = 15 * 60 * 1000, 24 * 60 * 60 * 1000
# What totals are kept for, from coarse to fine. The coarse ones make sums over years quick.
SPANS_MS = (64 * DAY_MS, DAY_MS, QUARTER_MS)


def schema_version(connection: sqlite3.Connection) -> int:
    """Return how many steps were applied to the file."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
