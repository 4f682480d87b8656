"""A prompt before the spending gate: whether it is worth counting, and which of its bounds decides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from neuralterm.application.bounds import CallPlan
from neuralterm.application.estimates import TokenEstimates
from neuralterm.application.permit import MoneyHeldError, Permit
from neuralterm.application.records import SendOptions
from neuralterm.application.spending import SpendingGate
from neuralterm.application.turn import Prompt
from neuralterm.domain.exceptions import BudgetExceededError


class UncountedError(Exception):
    """The gate needs the closest bound of a prompt that has not been counted, where no vocabulary may be loaded."""


def is_worth_counting(prompt: Prompt, options: SendOptions, estimates: TokenEstimates, gate: SpendingGate) -> bool:
    """Say whether to load a vocabulary for the prompt: never without a budget, and not where all budgets are far away."""
    subject = call_plan(prompt, options, 0).subject
    if not gate.applying(subject):
        return False
    plan = call_plan(prompt, options, estimates.quick_bound(prompt.messages))
    return (
        options.tells_prompt_tokens
        or plan.cap_depends_on_prompt
        or not gate.has_ample_room(plan)
        or (is_comparable(options) and estimates.is_lesson_due(prompt))
    )


def is_comparable(options: SendOptions) -> bool:
    """Say whether the reported tokens are those of the messages: a schema is counted with them."""
    return "response_format" not in options.extra


def admit(
    prompt: Prompt,
    options: SendOptions,
    estimates: TokenEstimates,
    gate: SpendingGate,
    *,
    may_wait: bool = False,
    may_load: bool = True,
) -> Permit:
    """Admit by the quick bound of the prompt; only where that costs the user something, by the closest one.

    Raises:
        BudgetExceededError, MoneyHeldError: as `SpendingGate.admit`.
        UncountedError: without `may_load`, where the closest bound is needed, which may load a vocabulary.
    """
    quick = estimates.quick_bound(prompt.messages)
    try:
        permit = gate.admit(call_plan(prompt, options, quick), may_wait=may_wait)
    except (BudgetExceededError, MoneyHeldError):
        if not may_load:
            raise UncountedError from None
        close = estimates.close_bound(prompt.messages, prompt.model_id)
        if close >= quick:
            raise
        return gate.admit(call_plan(prompt, options, close), may_wait=may_wait)
    if not permit.cap_by_budget:
        return permit
    if not may_load:
        raise UncountedError
    close = estimates.close_bound(prompt.messages, prompt.model_id)
    return permit if close >= quick else gate.admit(call_plan(prompt, options, close), may_wait=may_wait)


def call_plan(prompt: Prompt, options: SendOptions, prompt_bound: int) -> CallPlan:
    """Return what is known of the request, with an upper bound of the tokens of its messages."""
    return CallPlan(
        model_ids=(prompt.model_id, *options.fallbacks),
        models=(prompt.model, *prompt.fallbacks),
        prompt_bound=prompt_bound + _bound_of_fields(options.extra),
        wanted_output_tokens=options.max_tokens,
        extra=options.extra,
        prompt_estimate=prompt.tokens,
        unbounded_part=_unbounded_part(prompt),
        tags=options.tags,
        conversation_id=prompt.conversation_id,
    )


def _bound_of_fields(extra: Mapping[str, Any]) -> int:
    """Return an upper bound of the prompt tokens that request fields add: a schema, for one, is read like a prompt."""
    fields = {name: value for name, value in extra.items() if name != "provider"}
    return len(json.dumps(fields, ensure_ascii=False, default=str).encode("utf-8", "replace")) if fields else 0


def _unbounded_part(prompt: Prompt) -> str | None:
    """Name what is attached: neither an image's tokens nor the fee for reading a PDF are known before they are charged."""
    if not prompt.has_attachments:
        return None
    from neuralterm.application.attachments import in_words

    return f"the price of what is attached ({in_words(prompt.messages)}) is not known"
