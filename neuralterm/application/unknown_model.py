"""What may have been meant by the id of a model that nobody knows."""

from __future__ import annotations

from neuralterm.application.model_search import by_id, close_matches
from neuralterm.domain.catalogue import OpenRouterModel, without_dynamic_suffix
from neuralterm.domain.exceptions import NeuralTermError, StorageError


def suggest_models(error: NeuralTermError, catalogue: object) -> None:
    """Put ids of the list kept here that are close to an unknown one before the hint of the error about it.

    Where there is no list, where the model is in it, or where nothing is close, the hint stays as it is.
    """
    copied = getattr(catalogue, "copied", None)
    if error.unknown_model is None or copied is None:
        return
    try:
        models: list[OpenRouterModel] = copied()
    except StorageError:
        return
    if by_id(models, without_dynamic_suffix(error.unknown_model)) is not None:
        return
    close = close_matches(error.unknown_model, models)
    if close:
        error.hint = " ".join(filter(None, (f"did you mean {', '.join(close)}?", error.hint)))
