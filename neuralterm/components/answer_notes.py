"""What is to be said of an answer beside its text."""

from __future__ import annotations

from neuralterm.application.records import Answer
from neuralterm.domain.models import Cost, MessageStatus
from neuralterm.domain.money import dollars
from neuralterm.domain.text import one_line


def notes_on(
    answer: Answer,
    *,
    truncation_allowed: bool = False,
    has_fallbacks: bool = False,
    option: str | None = "--allow-truncated",
) -> list[str]:
    """Return what a reader must know of an answer that came to its end; `has_fallbacks`: others might answer instead.

    `option` is what makes a truncated answer a good one, None where there is none.
    """
    notes = []
    if has_fallbacks and answer.model != answer.requested_model:
        notes.append(f"note: {one_line(answer.model)} answered")
    if answer.status is MessageStatus.TRUNCATED and not truncation_allowed:
        accepted = f"; {option} accepts that" if option else ""
        notes.append(f"note: the answer was truncated ({answer.finish_reason}){accepted}")
    if answer.refusal:
        notes.append(f"note: the model refused: {answer.refusal}")
    elif not answer.content and answer.status is MessageStatus.COMPLETE:
        notes.append("note: the answer is empty")
    return notes


def cut_off_note(answer: Answer | None, *, streamed: bool) -> str | None:
    """Return what it is worth that we hung up in mid-answer: does its provider bill the rest, or not?

    None when there is nothing to say: no answer was cut off here, or what it cost is known.
    """
    from neuralterm.domain.cancellation import Afterwards, after_disconnect
    from neuralterm.domain.models import CERTAIN_SOURCES

    cut_off = (MessageStatus.INTERRUPTED, MessageStatus.STOPPED)
    if answer is None or answer.status not in cut_off or answer.cost.source in CERTAIN_SOURCES:
        return None
    if answer.cost.at_most_usd == 0:
        return None
    if not streamed:
        return "note: an answer that is asked for in one piece is billed whole, also after a disconnect"
    if answer.provider is None:
        return "note: whether the rest of the answer is billed after a disconnect is not known"
    provider, afterwards = one_line(answer.provider), after_disconnect(answer.provider)
    if afterwards is Afterwards.STOPS:
        return f"note: {provider} stops billing when the connection closes"
    if afterwards is Afterwards.GOES_ON:
        return f"note: {provider} goes on after a disconnect and bills the whole answer"
    return f"note: whether {provider} bills the rest of the answer after a disconnect is not known"


def usage_line(answer: Answer) -> str:
    """Return tokens, cost, time and model in one line."""
    parts = []
    if answer.usage is None:
        parts.append("tokens not reported")
    else:
        parts.append(f"{answer.usage.prompt_tokens:,} + {answer.usage.completion_tokens:,} tokens")
    parts.append(cost_words(answer.cost))
    if answer.latency_ms is not None:
        parts.append(f"{answer.latency_ms / 1000:.1f} s")
    parts.append(answer.model if answer.provider is None else f"{answer.model} by {answer.provider}")
    return "usage: " + " · ".join(parts)


def cost_words(cost: Cost) -> str:
    """Return an amount with where it comes from; one that is not known says so."""
    if cost.usd is None:
        bound = "" if cost.at_most_usd is None else f", at most {dollars(cost.at_most_usd)}"
        return f"cost not known yet{bound}"
    upstream = "" if cost.upstream_usd is None else f" (+ {dollars(cost.upstream_usd)} by the provider)"
    return f"{dollars(cost.usd)} {cost.source.value}{upstream}"
