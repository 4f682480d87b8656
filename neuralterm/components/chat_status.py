"""The bottom line of a chat: model, context used, money in this chat, budget left; shorter where there is less room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from neuralterm.components.bars import sparkline
from neuralterm.components.chat_state import ChatState
from neuralterm.components.text_width import columns_of
from neuralterm.domain.money import dollars
from neuralterm.domain.record import record
from neuralterm.domain.text import one_line

_GAP = " · "
# Answers whose costs are drawn.
_DRAWN = 12


@record
class Status:
    """What the line tells. `used` and `window` are in tokens, `left` is what a budget called `budget` has left.

    `trend` draws what the last answers have cost.
    """

    model: str
    spent: str
    used: int | None = None
    window: int | None = None
    left: str | None = None
    budget: str = ""
    trend: str = ""


def status_line(state: ChatState, width: int) -> str:
    """Return the line for a terminal so many columns wide."""
    tightest = state.parts.spending.tightest(state.subject())
    entry = state.parts.orchestrator.get_model_config(state.model)
    status = Status(
        one_line(state.model),
        state.spent(),
        state.context_tokens,
        entry.context_length if entry else None,
        None if tightest is None else dollars(tightest.remaining_usd),
        "" if tightest is None else one_line(tightest.budget.name),
        trend_of(state.known_costs),
    )
    return fitted(status, width)


def trend_of(costs: Sequence[Decimal]) -> str:
    """Draw the last costs side by side; nothing where there is nothing to compare."""
    last = costs[-_DRAWN:]
    return sparkline(last) if len(last) > 1 and any(last) else ""


def fitted(status: Status, width: int) -> str:
    """Return as much as there is room for; the money goes last."""
    lines = [_GAP.join(parts) for parts in _versions(status)]
    return next((line for line in lines if columns_of(line) <= width), lines[-1])


def _versions(status: Status) -> Iterator[list[str]]:
    """Yield the parts of the line, longest first."""
    name = status.model.rpartition("/")[2]
    context, brief = _context(status, " of "), _context(status, "/")
    left = [] if status.left is None else [f"{status.left} left"]
    named = [f"{each} of the {status.budget}" for each in left]
    spent = f"{status.spent} in this chat"
    if status.trend:
        yield [status.model, *context, f"{spent} {status.trend}", *named]
    yield [status.model, *context, spent, *named]
    yield [status.model, *context, status.spent, *left]
    yield [name, *brief, status.spent, *left]
    yield [name, status.spent, *left]
    yield [status.spent, *left]
    yield [status.spent]


def _context(status: Status, between: str) -> list[str]:
    if status.used is None:
        return []
    return [thousands(status.used) + (f"{between}{thousands(status.window)}" if status.window else " tokens")]


def thousands(count: int) -> str:
    """Write a count of tokens in about three figures: `15`, `3.1k`, `128k`, `1.05M`."""
    for unit, suffix in ((1_000_000, "M"), (1_000, "k")):
        if count >= unit - unit // 2000:  # what is rounded up to it, too
            return f"{count / unit:.3g}{suffix}"
    return str(count)
