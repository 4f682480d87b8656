"""neuralterm: a command-line LLM client whose money, answers and exit codes can be relied on.

The public names of the library may be imported from here; each is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuralterm.version import __version__

if TYPE_CHECKING:
    from neuralterm.application.cost_tracker import CostTracker
    from neuralterm.application.events import DomainEvent, EventBus, EventObserver, Events
    from neuralterm.application.orchestrator import ChatOrchestrator
    from neuralterm.application.records import Answer, SendOptions
    from neuralterm.application.spending import SpendingGate
    from neuralterm.application.state import SessionState
    from neuralterm.components.stream_bridge import StreamBridge
    from neuralterm.domain.exceptions import NeuralTermError
    from neuralterm.domain.models import Conversation, Message, MessageRole, TokenUsage
    from neuralterm.infrastructure.circuit_breaker import CircuitBreaker
    from neuralterm.infrastructure.openrouter import OpenRouterClient, OpenRouterModel
    from neuralterm.infrastructure.repositories import ConversationRepository, SQLiteConversationRepository
    from neuralterm.infrastructure.token_counter import TokenCounter

_HOMES = {
    "Answer": "application.records",
    "ChatOrchestrator": "application.orchestrator",
    "CircuitBreaker": "infrastructure.circuit_breaker",
    "Conversation": "domain.models",
    "ConversationRepository": "infrastructure.repositories",
    "CostTracker": "application.cost_tracker",
    "DomainEvent": "application.events",
    "EventBus": "application.events",
    "EventObserver": "application.events",
    "Events": "application.events",
    "Message": "domain.models",
    "MessageRole": "domain.models",
    "NeuralTermError": "domain.exceptions",
    "OpenRouterClient": "infrastructure.openrouter",
    "OpenRouterModel": "infrastructure.openrouter",
    "SQLiteConversationRepository": "infrastructure.repositories",
    "SendOptions": "application.records",
    "SessionState": "application.state",
    "SpendingGate": "application.spending",
    "StreamBridge": "components.stream_bridge",
    "TokenCounter": "infrastructure.token_counter",
    "TokenUsage": "domain.models",
}

__all__ = [
    "Answer",
    "ChatOrchestrator",
    "CircuitBreaker",
    "Conversation",
    "ConversationRepository",
    "CostTracker",
    "DomainEvent",
    "EventBus",
    "EventObserver",
    "Events",
    "Message",
    "MessageRole",
    "NeuralTermError",
    "OpenRouterClient",
    "OpenRouterModel",
    "SQLiteConversationRepository",
    "SendOptions",
    "SessionState",
    "SpendingGate",
    "StreamBridge",
    "TokenCounter",
    "TokenUsage",
    "__version__",
]


def __getattr__(name: str) -> object:
    """Load a public name from the module where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
