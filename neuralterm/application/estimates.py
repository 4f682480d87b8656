"""Token counts made here, where the service has not reported any."""

from __future__ import annotations

from neuralterm.application.ports import TokenCounting
from neuralterm.application.turn import Turn
from neuralterm.domain.models import TokenUsage

_BYTES_PER_TOKEN = 4


def rough_tokens(text: str) -> int:
    """Return about how many tokens a text has: one for every four bytes, without looking at a vocabulary."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def estimated_usage(turn: Turn, counter: TokenCounting, *, roughly: bool) -> TokenUsage:
    """Return what an answer used so far, counted here; `roughly` where there is no time to load a vocabulary."""
    text = turn.content + (turn.reasoning or "")
    if roughly:
        prompt = counter.upper_bound(turn.prompt.messages) // _BYTES_PER_TOKEN
        output = rough_tokens(text)
    else:
        prompt = turn.prompt.tokens or counter.count_messages(turn.prompt.messages, turn.prompt.model_id)
        output = counter.count_tokens(text, turn.prompt.model_id)
    return TokenUsage(prompt, output, prompt + output)
