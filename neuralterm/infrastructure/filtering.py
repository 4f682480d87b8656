"""What filters have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuralterm.infrastructure.database import Database


def asked_for(database: Database, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of what a filter asks for, by name: what is None is left out.

    With a `model` statements can call `model_matches(name, pattern)` from then on.
    """
    parameters = {name: value for name, value in values.items() if value is not None}
    if "model" in parameters:
        from neuralterm.domain.budget import matches

        database.define("model_matches", matches)
    return parameters
