"""The OpenRouter API: requests, streams and the errors they end in."""

from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.infrastructure.openrouter.client import OpenRouterClient
from neuralterm.infrastructure.openrouter.stream import CompletionStream

__all__ = ["CompletionStream", "OpenRouterClient", "OpenRouterModel"]
