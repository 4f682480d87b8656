"""What a prompt would cost, for people and for programs."""

from __future__ import annotations

from typing import Any

from neuralterm.application.bounds import BudgetStatus
from neuralterm.application.preview import Preview
from neuralterm.components.budget_view import budget_document
from neuralterm.components.machine import money
from neuralterm.domain.money import dollars
from neuralterm.domain.text import numbered, one_line


def preview_document(preview: Preview) -> dict[str, Any]:
    """Return the object that `send --dry-run --json` prints."""
    refusal = preview.refusal
    return {
        "dry_run": True,
        "model": preview.model_id,
        "prompt_tokens": {
            "estimate": preview.prompt.tokens,
            "low": preview.prompt.low,
            "high": preview.prompt.high,
            "at_most": preview.prompt_at_most,
            "learnt_from_calls": preview.prompt.samples,
        },
        "history_share": round(preview.history_share, 4),
        "messages": preview.messages,
        "dropped_messages": preview.dropped,
        "answer_tokens_at_most": preview.answer_tokens,
        "cost": {
            "low_usd": money(preview.low_usd),
            "high_usd": money(preview.high_usd),
            "at_most_usd": money(preview.at_most_usd),
        },
        "unbounded": preview.unbounded,
        "budgets": [budget_document(status) for status in preview.budgets],
        "refused": None if refusal is None else {"code": refusal.code, "message": refusal.message},
    }


def preview_text(preview: Preview) -> str:
    """Return a few lines, one for each thing that decides the price."""
    rows = [
        ("model", preview.model_id),
        ("prompt", _prompt_words(preview)),
        ("answer", _answer_words(preview)),
        ("cost", _cost_words(preview)),
    ]
    rows += [(status.budget.name, _budget_words(status)) for status in preview.budgets]
    rows = [(one_line(name), one_line(words)) for name, words in rows]
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:<{width}}{words}" for name, words in rows)


def _prompt_words(preview: Preview) -> str:
    estimate = preview.prompt
    learnt = f" over {numbered(estimate.samples, 'call')}" if estimate.samples else ""
    parts = [
        f"about {estimate.tokens:,} tokens (± {estimate.error:.0%}{learnt}), at most {preview.prompt_at_most:,}",
    ]
    if preview.history_share:
        parts.append(f"{preview.history_share:.0%} of it is the conversation so far")
    if preview.dropped:
        parts.append(f"{numbered(preview.dropped, 'earlier message')} left out to fit the model's window")
    return "; ".join(parts)


def _answer_words(preview: Preview) -> str:
    if preview.answer_tokens is None:
        return "no limit for its length is known"
    why = ", which is what the budget pays for" if preview.cap_by_budget else ""
    return f"at most {numbered(preview.answer_tokens, 'token')}{why}"


def _cost_words(preview: Preview) -> str:
    if preview.model is None:
        return "not known: the model is in no list that is here (`neuralterm models` fetches it)"
    if preview.low_usd is None:
        return f"not known: {preview.unbounded or 'there is no price'}"
    span = dollars(preview.low_usd)
    if preview.high_usd is not None:
        span += f" to {dollars(preview.high_usd)}"
    if preview.at_most_usd is not None:
        return f"{span}, at most {dollars(preview.at_most_usd)}"
    return f"{span}, and more is possible: {preview.unbounded}" if preview.unbounded else span


def _budget_words(status: BudgetStatus) -> str:
    return f"{dollars(status.remaining_usd)} of {dollars(status.budget.limit_usd)} left"
