"""The OpenRouter API: requests, streams and the errors they end in.

The names are loaded when they are asked for: to know how requests travel takes none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neuralterm.domain.catalogue import OpenRouterModel
    from neuralterm.infrastructure.openrouter.client import OpenRouterClient
    from neuralterm.infrastructure.openrouter.stream import CompletionStream

_HOMES = {
    "CompletionStream": "neuralterm.infrastructure.openrouter.stream",
    "OpenRouterClient": "neuralterm.infrastructure.openrouter.client",
    "OpenRouterModel": "neuralterm.domain.catalogue",
}

__all__ = ["CompletionStream", "OpenRouterClient", "OpenRouterModel"]


def __getattr__(name: str) -> object:
    """Load a public name from the module where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
