"""What was learnt about token counts, in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuralterm.domain.ratios import Ratio
from neuralterm.infrastructure.database import Database

if TYPE_CHECKING:
    from pathlib import Path


class SQLiteRatioStore:
    """The token ratios of a database."""

    def __init__(self, database: Database | Path | str) -> None:
        self.database = database if isinstance(database, Database) else Database(database)

    def ratio(self, family: str, basis: str) -> Ratio | None:
        """Return what was learnt, None for nothing."""
        rows = self.database.query(
            "SELECT samples, mean, squares FROM token_ratios WHERE family = ? AND basis = ?", (family, basis)
        )
        return Ratio(*rows[0]) if rows else None

    def add_sample(self, family: str, basis: str, value: float) -> None:
        """Take one more observation in; other processes may do the same at the same time."""
        with self.database.transaction():
            ratio = (self.ratio(family, basis) or Ratio(0, 0.0)).with_sample(value)
            self.database.change(
                "INSERT OR REPLACE INTO token_ratios VALUES (?, ?, ?, ?, ?)",
                (family, basis, ratio.samples, ratio.mean, ratio.squares),
            )
