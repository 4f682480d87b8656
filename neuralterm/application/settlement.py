"""How an answer ended and what it cost: decided here, once, from what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import (
    BudgetExceededError,
    CircuitOpenError,
    ConfigurationError,
    NeuralTermError,
    OpenRouterAPIError,
    ServiceUnreachableError,
    ValidationError,
)
from neuralterm.domain.models import Cost, CostSource, MessageStatus, TokenUsage
from neuralterm.domain.record import record

TRUNCATING = ("length", "content_filter")


@record
class Ending:
    """What is known of an answer when it has ended.

    `error` is None when the stream came to its proper end. `has_text` counts reasoning too. `at_most_usd` is the bound the
    call was admitted with, or that of the model where the cap did not hold. `output_cap` is in tokens. `has_attachments`:
    the prompt had parts whose tokens and fees only the service can tell.
    `generation_id` is None where the service began none: then there is nothing that it could charge for an error. Without
    `was_sent` not a byte of the request went out.
    """

    error: BaseException | None
    has_text: bool
    finish_reason: str | None
    usage: TokenUsage | None
    model: OpenRouterModel | None
    at_most_usd: Decimal | None
    started_at: datetime
    cap_by_budget: bool = False
    output_cap: int | None = None
    has_attachments: bool = False
    generation_id: str | None = None
    was_sent: bool = True


def status_of(ending: Ending) -> MessageStatus:
    """Return how far the answer got."""
    error = ending.error
    if error is None:
        if ending.finish_reason == "length" and ending.cap_by_budget and _reached_cap(ending):
            return MessageStatus.STOPPED
        return MessageStatus.TRUNCATED if ending.finish_reason in TRUNCATING else MessageStatus.COMPLETE
    if isinstance(error, BudgetExceededError):
        return MessageStatus.STOPPED if error.mid_answer else MessageStatus.FAILED
    if not isinstance(error, Exception):
        return MessageStatus.INTERRUPTED
    return MessageStatus.CUT if ending.has_text else MessageStatus.FAILED


def _reached_cap(ending: Ending) -> bool:
    """Say whether it was the cap that ended the answer: some services end one for a length limit of their own."""
    if ending.usage is None or ending.output_cap is None:
        return True
    return ending.usage.completion_tokens * 10 >= ending.output_cap * 9


def cost_of(ending: Ending, estimate: Callable[[], TokenUsage]) -> Cost:
    """Return what the answer cost and how that is known; `estimate` counts tokens locally and is called only if needed.

    A request that the service answered with an error status is not charged (and neither is one that could not be sent);
    everything else that has no amount yet may have been, also an error in the place of an answer that had begun.
    """
    usage = ending.usage
    if usage is not None and usage.cost is not None:
        return Cost(usage.cost, CostSource.BILLED, usage.cost, usage.upstream_cost)
    is_free = not ending.was_sent or is_free_failure(ending.error)
    if is_free and not ending.has_text and ending.generation_id is None:
        return Cost(Decimal(0), CostSource.COMPUTED, Decimal(0))
    prices = ending.model.prices if ending.model is not None else None
    if prices is not None and usage is not None:
        computed = prices.cost_of(usage, ending.started_at)
        if computed is not None and ending.has_attachments:
            return Cost(computed, CostSource.ESTIMATED, ending.at_most_usd)
        if computed is not None:
            return Cost(computed, CostSource.COMPUTED, computed)
    countable = prices is not None and not prices.varies and not ending.has_attachments
    if prices is not None and countable and (ending.has_text or ending.error is None):
        estimated = prices.cost_of(estimate(), ending.started_at)
        if estimated is not None:
            return Cost(estimated, CostSource.ESTIMATED, ending.at_most_usd)
    return Cost.unsettled(ending.at_most_usd)


def is_free_failure(error: BaseException | None) -> bool:
    """Say whether a request that ended so, before any text, certainly cost nothing."""
    if isinstance(error, ServiceUnreachableError):
        return not error.request_sent
    if isinstance(error, CircuitOpenError | ConfigurationError | ValidationError):
        return True
    return isinstance(error, OpenRouterAPIError) and error.status_code is not None


def error_code(error: BaseException | None) -> str | None:
    """Return the stable code that the ledger keeps of a failure."""
    if error is None:
        return None
    return error.code if isinstance(error, NeuralTermError) else type(error).__name__
