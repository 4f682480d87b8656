"""The model list in SQLite, so that one model can be looked up without reading the rest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.infrastructure.columns import from_json, from_ms, to_json, to_ms
from neuralterm.infrastructure.database import Database

if TYPE_CHECKING:
    from pathlib import Path

_FIND = """
    SELECT entry, (SELECT value FROM meta WHERE key = ?)
    FROM models WHERE service = ? AND (id = ? OR canonical_slug = ?)
    ORDER BY id = ? DESC, position LIMIT 1
"""

_STORED = tuple(name for name in OpenRouterModel.__match_args__ if name != "declared_prices")


class SQLiteModelCache:
    """The model list of one service in a database; prices of another service never get mixed in."""

    def __init__(self, database: Database | Path | str, service: str = "") -> None:
        self.database = database if isinstance(database, Database) else Database(database)
        self._service = service
        self._fetched_at = f"models_fetched_at {service}".rstrip()

    def store(self, models: Sequence[OpenRouterModel], fetched_at: datetime) -> None:
        """Replace the list, in one step. Of entries with the same id the first stays.

        Raises ValueError for a model whose prices were declared by the user: the service did not say so.
        """
        if any(model.declared_prices for model in models):
            raise ValueError("declared prices are no part of the service's list")
        with self.database.transaction():
            self.database.change("DELETE FROM models WHERE service = ?", (self._service,))
            for position, model in enumerate(models):
                self.database.change(
                    "INSERT OR IGNORE INTO models (service, id, canonical_slug, position, entry) VALUES (?, ?, ?, ?, ?)",
                    (self._service, model.id, model.canonical_slug, position, _entry(model)),
                )
            self.database.change(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", (self._fetched_at, str(to_ms(fetched_at)))
            )

    def load(self) -> tuple[list[OpenRouterModel], datetime] | None:
        """Return the list in its order and when it was fetched; None when there is none."""
        fetched = self.database.query("SELECT value FROM meta WHERE key = ?", (self._fetched_at,))
        if not fetched:
            return None
        rows = self.database.query("SELECT entry FROM models WHERE service = ? ORDER BY position", (self._service,))
        return [_model(entry) for (entry,) in rows], from_ms(int(fetched[0][0]))

    def find(self, model_id: str) -> tuple[OpenRouterModel, datetime] | None:
        """Return one model by id, or else by canonical slug, and when the list was fetched."""
        rows = self.database.query(_FIND, (self._fetched_at, self._service, model_id, model_id, model_id))
        return (_model(rows[0][0]), from_ms(int(rows[0][1]))) if rows else None

    def ids(self) -> list[str]:
        """Return the ids of the list in its order, without reading more of it."""
        rows = self.database.query("SELECT id FROM models WHERE service = ? ORDER BY position", (self._service,))
        return [model_id for (model_id,) in rows]


def _entry(model: OpenRouterModel) -> str:
    return to_json({name: getattr(model, name) for name in _STORED} | {"pricing": dict(model.pricing)})


def _model(entry: str) -> OpenRouterModel:
    stored = from_json(entry)
    known: dict[str, Any] = {name: stored[name] for name in _STORED if name in stored}
    lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    return OpenRouterModel(**(known | lists))
