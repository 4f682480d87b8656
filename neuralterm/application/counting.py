"""Bounds for token counters that only count."""

from __future__ import annotations

from typing import Protocol, TypeGuard

from neuralterm.application.ports import TokenCounting
from neuralterm.domain.models import Message

# For what frames a message and a prompt; generous, because templates differ.
_FRAMING_PER_MESSAGE = 16
_FRAMING_PER_PROMPT = 128


class PlainCounting(Protocol):
    """What every token counter can do; `TokenCounting` knows bounds too."""

    def count_tokens(self, text: str, model_id: str) -> int:
        """Return the tokens of a text."""

    def count_messages(self, messages: list[Message], model_id: str) -> int:
        """Return the tokens of a prompt made of these messages."""

    def truncate_context(
        self, messages: list[Message], model_id: str, max_tokens: int, reserve_tokens: int = 500
    ) -> list[Message]:
        """Return what fits."""


def with_bounds(counter: TokenCounting | PlainCounting) -> TokenCounting:
    """Return the counter itself if it knows bounds, else one that adds them."""
    return counter if _knows_bounds(counter) else _Bounded(counter)


def _knows_bounds(counter: TokenCounting | PlainCounting) -> TypeGuard[TokenCounting]:
    return hasattr(counter, "upper_bound") and hasattr(counter, "fits")


class _Bounded:
    """A counter with bounds by the size of the texts: a token stands for at least one byte of UTF-8."""

    def __init__(self, counter: PlainCounting) -> None:
        self.count_tokens = counter.count_tokens
        self.count_messages = counter.count_messages
        self.truncate_context = counter.truncate_context

    def upper_bound(self, messages: list[Message], model_id: str | None = None) -> int:
        framing = _FRAMING_PER_PROMPT + _FRAMING_PER_MESSAGE * len(messages)
        return framing + sum(len(message.content.encode("utf-8", "surrogatepass")) for message in messages)

    def fits(self, messages: list[Message], model_id: str, max_tokens: int) -> bool:
        return self.count_messages(messages, model_id) <= max_tokens
