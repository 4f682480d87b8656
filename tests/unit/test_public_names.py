"""The library's front door."""

import importlib
import inspect
import subprocess
import sys
from decimal import Decimal

import pytest

import neuralterm

# Module by module, the names that other people's code imports (and, for functions, the parameters they pass).
CONTRACT = {
    "neuralterm.domain.models": ["MessageRole", "Message", "Conversation", "TokenUsage"],
    "neuralterm.domain.exceptions": [
        "NeuralTermError",
        "ValidationError",
        "OpenRouterAPIError",
        "RateLimitError",
        "ModelUnavailableError",
        "TokenLimitError",
        "CircuitOpenError",
        "BudgetExceededError",
        "StreamInterruptedError",
    ],
    "neuralterm.infrastructure.token_counter": ["TokenCounter"],
    "neuralterm.application.events": ["DomainEvent", "EventObserver", "EventBus", "Events"],
    "neuralterm.application.cost_tracker": ["CostTracker"],
    "neuralterm.application.orchestrator": ["ChatOrchestrator"],
    "neuralterm.infrastructure.openrouter": ["OpenRouterModel", "OpenRouterClient"],
    "neuralterm.infrastructure.circuit_breaker": ["CircuitBreaker"],
    "neuralterm.infrastructure.repositories": ["ConversationRepository", "SQLiteConversationRepository"],
    "neuralterm.components.stream_bridge": ["StreamBridge"],
}


@pytest.mark.parametrize(("module", "names"), CONTRACT.items())
def test_contract_names_are_importable(module, names):
    loaded = importlib.import_module(module)
    assert [name for name in names if not hasattr(loaded, name)] == []


def test_every_public_name_is_the_one_of_its_home():
    for name in set(neuralterm.__all__) - {"__version__"}:
        assert getattr(neuralterm, name).__name__ == name
    assert set(dir(neuralterm)) == set(neuralterm.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = neuralterm.nonsense


def test_importing_the_package_loads_nothing_else():
    code = "import sys; before = set(sys.modules); import neuralterm; print(sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "neuralterm" in loaded
    assert loaded.count("neuralterm.") == loaded.count("neuralterm.version")


@pytest.mark.parametrize(
    ("name", "method", "parameters"),
    [
        ("ChatOrchestrator", "__init__", "repository openrouter event_bus token_counter circuit_breaker"),
        ("ChatOrchestrator", "create_conversation", "title model_id system_prompt"),
        ("ChatOrchestrator", "send_message", "conversation_id content temperature"),
        ("CostTracker", "__init__", "event_bus budget_limit"),
        ("OpenRouterClient", "chat_completion_stream", "messages model temperature max_tokens"),
        ("TokenCounter", "truncate_context", "messages model_id max_tokens reserve_tokens"),
        ("TokenUsage", "calculate_cost", "prompt_price_per_1k completion_price_per_1k"),
        ("DomainEvent", "__init__", "event_type conversation_id payload"),
    ],
)
def test_parameters_keep_their_names_and_order(name, method, parameters):
    signature = inspect.signature(getattr(getattr(neuralterm, name), method))
    assert list(signature.parameters)[1 : 1 + len(parameters.split())] == parameters.split()


def test_calculate_cost_is_a_method_with_prices_per_thousand():
    usage = neuralterm.TokenUsage(1000, 500, 1500)
    assert usage.calculate_cost(Decimal("0.0015"), Decimal("0.002")) == Decimal("0.0025")
