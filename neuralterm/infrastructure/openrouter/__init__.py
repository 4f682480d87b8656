"""The OpenRouter API: requests, streams and the errors they end in."""

from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.infrastructure.openrouter.client import DEFAULT_BASE_URL, OpenRouterClient
from neuralterm.infrastructure.openrouter.stream import CompletionStream

__all__ = ["DEFAULT_BASE_URL", "CompletionStream", "OpenRouterClient", "OpenRouterModel"]
