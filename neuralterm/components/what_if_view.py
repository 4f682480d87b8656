"""What calls would have cost elsewhere, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from neuralterm.application.model_search import is_batch
from neuralterm.application.what_if import Comparison, WhatIf
from neuralterm.components.machine import SCHEMA_VERSION, moment, money
from neuralterm.components.tables import fitted_table, grouped
from neuralterm.components.text_width import wrapped
from neuralterm.domain.money import EXACT, dollars
from neuralterm.domain.pricing import ChargedTokens
from neuralterm.domain.text import numbered

ASSUMPTION = "for the same numbers of tokens: another model counts them differently, and answers at another length"
# Where what is told of the sum begins.
_TOLD = 6
_ENOUGH_DIGITS, _FEW = Decimal("0.0001"), Decimal("0.1")


def what_if_document(found: WhatIf, timezone: str) -> dict[str, Any]:
    """Return the object that `models what-if --json` prints."""
    return {
        "schema_version": SCHEMA_VERSION,
        "currency": "USD",
        "since": moment(found.filter.since),
        "until": moment(found.filter.until),
        "timezone": timezone,
        **_comparison_document(found, found.total),
        "by_source": {source: money(usd) for source, usd in found.by_source.items()},
        "upstream_usd": money(found.upstream_usd),
        "left_out": {
            "unknown_usage": {"calls": found.unknown_usage, "paid_usd": money(found.unknown_usage_usd)},
            "unknown_cost": {"calls": found.unknown_cost},
        },
        "groups": [{"key": group.model, **_comparison_document(found, group)} for group in found.groups],
    }


def _comparison_document(found: WhatIf, compared: Comparison) -> dict[str, Any]:
    return {
        "calls": compared.calls,
        "tokens": _tokens_document(compared.tokens),
        "paid_usd": money(compared.paid_usd),
        "what_if": [
            {
                "model": model.id,
                "usd": money(would),
                "difference_usd": money(_difference(would, compared.paid_usd)),
                "ratio": money(_ratio(would, compared.paid_usd)),
            }
            for model, would in zip(found.models, compared.would_usd, strict=True)
        ],
    }


def _tokens_document(tokens: ChargedTokens) -> dict[str, int]:
    return {
        "prompt": _prompt(tokens),
        "completion": _completion(tokens),
        "reasoning": tokens.reasoning,
        "cached": tokens.cached,
        "cache_write": tokens.written,
    }


def what_if_text(found: WhatIf, width: int | None = None) -> str:
    """Return the comparison for people, with what fits a terminal of so many columns."""
    parts = [wrapped(_paid(found), width, _TOLD), _models_table(found, width)]
    if found.groups:
        parts.append(_groups_table(found, width))
    return "\n\n".join([*parts, wrapped(ASSUMPTION, width)])


def remarks(found: WhatIf) -> Iterator[str]:
    """Yield what must be known to read the amounts: what is not in them, and what would not have been possible."""
    if found.unknown_usage:
        paid = f", which cost {dollars(found.unknown_usage_usd)}" if found.unknown_usage_usd else ""
        yield f"left out: {numbered(found.unknown_usage, 'call')} of unknown usage{paid}"
    if found.unknown_cost:
        yield f"left out: {numbered(found.unknown_cost, 'call')} not settled yet"
    for model in found.models:
        if is_batch(model):
            yield f"{model.id} is for batch jobs: answers may take a day"
        if model.context_length is not None and found.longest_prompt > model.context_length:
            yield (
                f"{model.id} could not have taken the longest prompt:"
                f" {grouped(found.longest_prompt)} tokens, its window has {grouped(model.context_length)}"
            )


def _paid(found: WhatIf) -> str:
    total = found.total
    known = [f"{dollars(usd)} {source}" for source, usd in found.by_source.items() if usd]
    if found.upstream_usd:
        known.append(f"{dollars(found.upstream_usd)} charged by providers to your keys")
    explained = f": {', '.join(known)}" if len(known) > 1 or found.upstream_usd else ""
    return f"paid  {dollars(total.paid_usd)}  ({numbered(total.calls, 'call')}{explained})"


def _models_table(found: WhatIf, width: int | None) -> str:
    headers = ("what if", "cost", "difference", "ratio")
    total = found.total
    rows = [(model.id, *_cells(would, total)) for model, would in zip(found.models, total.would_usd, strict=True)]
    return fitted_table(headers, rows, width, right=headers[1:], names=headers[:1], expendable=(("ratio",),))


def _groups_table(found: WhatIf, width: int | None) -> str:
    """Return the table by the model that was used: of one model asked about all, of several what each would cost.

    A narrow terminal has the first of them; the sums of all are in the other table.
    """
    headers = ["model used", "calls", "tokens in", "tokens out", "paid"]
    several = len(found.models) > 1
    more = [model.id for model in found.models] if several else [found.models[0].id, "difference", "ratio"]
    rows = [
        [
            str(group.model),
            grouped(group.calls),
            grouped(_prompt(group.tokens)),
            grouped(_completion(group.tokens)),
            dollars(group.paid_usd),
            *(map(_amount, group.would_usd) if several else _cells(group.would_usd[0], group)),
        ]
        for group in found.groups
    ]
    expendable = (
        ("tokens in", "tokens out"),
        ("calls",),
        ("ratio",),
        ("difference",),
        *((name,) for name in more[:0:-1]),
    )
    return fitted_table(
        [*headers, *more], rows, width, right=[*headers[1:], *more], names=headers[:1], expendable=expendable
    )


def _cells(would: Decimal | None, compared: Comparison) -> Sequence[str]:
    difference, ratio = _difference(would, compared.paid_usd), _ratio(would, compared.paid_usd)
    return (
        _amount(would),
        "" if difference is None else _signed(difference),
        "" if ratio is None else _times(ratio, is_nothing=not would),
    )


def _times(ratio: Decimal, *, is_nothing: bool) -> str:
    if not ratio:
        return "0x" if is_nothing else f"<{_ENOUGH_DIGITS}x"
    return f"{ratio if ratio < _FEW else ratio.quantize(Decimal('0.01'), context=EXACT)}x"


def _amount(usd: Decimal | None) -> str:
    return "unknown" if usd is None else dollars(usd)


def _signed(usd: Decimal) -> str:
    return f"{'-' if usd < 0 else '+'}{dollars(abs(usd))}" if usd else dollars(usd)


def _difference(would: Decimal | None, paid: Decimal) -> Decimal | None:
    return None if would is None else EXACT.subtract(would, paid)


def _ratio(would: Decimal | None, paid: Decimal) -> Decimal | None:
    """Return how many times what was paid; None where nothing was."""
    if would is None or not paid:
        return None
    ratio = EXACT.divide(would, paid)
    return ratio.quantize(_ENOUGH_DIGITS, ROUND_HALF_EVEN, context=EXACT)


def _prompt(tokens: ChargedTokens) -> int:
    return tokens.plain + tokens.cached + tokens.written


def _completion(tokens: ChargedTokens) -> int:
    return tokens.visible + tokens.reasoning
