"""Bounds on tokens from the size of texts, and with them for token counters that only count."""

from __future__ import annotations

from typing import Protocol, TypeGuard

from neuralterm.application.ports import TokenCounting
from neuralterm.domain.models import Message

# More than any chat template of 2026 adds: marks and role of a message, and a preamble such as that of gpt-oss or Llama 3.
BOUND_PER_MESSAGE = 16
BOUND_PER_PROMPT = 128

BYTES_PER_TOKEN = 4


def utf8_length(text: str) -> int:
    """Return the bytes of a text; lone surrogates count too."""
    return len(text.encode("utf-8", "surrogatepass"))


def rough_tokens(text: str) -> int:
    """Return about how many tokens a text has: one for every four bytes, without looking at a vocabulary."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def framing_bound(messages: list[Message]) -> int:
    """Return more tokens than what frames these messages can have."""
    return BOUND_PER_PROMPT + BOUND_PER_MESSAGE * len(messages)


def byte_bound(messages: list[Message]) -> int:
    """Return a number that the prompt's tokens do not exceed, where a token stands for at least one byte of UTF-8."""
    return framing_bound(messages) + sum(utf8_length(message.content) for message in messages)


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
    """A counter with bounds by the size of the texts."""

    def __init__(self, counter: PlainCounting) -> None:
        self.count_tokens = counter.count_tokens
        self.count_messages = counter.count_messages
        self.truncate_context = counter.truncate_context

    def upper_bound(self, messages: list[Message], model_id: str | None = None) -> int:
        return byte_bound(messages)

    def fits(self, messages: list[Message], model_id: str, max_tokens: int) -> bool:
        return self.count_messages(messages, model_id) <= max_tokens
