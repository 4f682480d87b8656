"""What may have been meant by the id of a model that nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neuralterm.application import waiting
from neuralterm.application.model_search import by_id, did_you_mean
from neuralterm.domain.budget import matches
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import NeuralTermError
from neuralterm.domain.model_ids import without_dynamic_suffix

# A fault should be told soon, with the best hint there is by then.
_PATIENCE_S = 5.0


async def suggest_models(error: NeuralTermError, catalogue: object) -> None:
    """Put listed ids that are close to an unknown one before the hint of the error about it.

    The service is asked for its list where none is kept here. Where there is no list, where the model is in it, or where
    nothing is close, the hint stays as it is.
    """
    if error.unknown_model is None or not hasattr(catalogue, "copied"):
        return
    models = await _models_of(catalogue)
    if by_id(models, without_dynamic_suffix(error.unknown_model)) is not None:
        return
    if question := did_you_mean(error.unknown_model, models):
        error.hint = " ".join(filter(None, (question, error.hint)))


async def _models_of(catalogue: Any) -> list[OpenRouterModel]:
    models: list[OpenRouterModel] = []
    try:
        models = catalogue.copied()
        if not models:
            with waiting.move_on_after(_PATIENCE_S):
                models = (await catalogue.listing()).models
    except NeuralTermError:
        pass
    return models


def unmatched(pattern: str, models: Sequence[OpenRouterModel]) -> str | None:
    """Say that none of the models matches a pattern, and which ids are close to it; None where one does, or there are none."""
    if not models or any(matches(name, pattern) for model in models for name in model.names):
        return None
    return "; ".join(filter(None, (f"no listed model matches {pattern!r}", did_you_mean(pattern, models))))
