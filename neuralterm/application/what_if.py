"""What recorded calls would have cost at the prices of other models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from neuralterm.application.ports import Ledger
from neuralterm.application.records import CallFilter
from neuralterm.application.reports import require_order
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.models import KNOWN_SOURCES
from neuralterm.domain.money import EXACT, sum_usd
from neuralterm.domain.pricing import ChargedTokens
from neuralterm.domain.record import record

# From so many calls on, reading them takes long enough to be announced.
MANY_CALLS = 200_000


@record
class Steps:
    """Where prices change: prompts of more than so many tokens, and times of the day in UTC, HHMM."""

    prompt_tokens: tuple[int, ...] = ()
    times: tuple[int, ...] = ()

    @classmethod
    def of(cls, models: Iterable[OpenRouterModel]) -> Steps:
        """Return all places where the prices of any of the models change."""
        overrides = [override for model in models for override in model.prices.overrides]
        times = [time for each in overrides for time in (each.utc_start, each.utc_end) if time is not None]
        sizes = [each.min_prompt_tokens for each in overrides if each.min_prompt_tokens is not None]
        return cls(tuple(sorted(set(sizes))), tuple(sorted(set(times))))


@record
class UsageSums:
    """Sums over calls of one model whose prompts and times lie between the same steps.

    `tokens` is None where the service never said how many there were. `paid_usd` is what was charged, what providers charged
    to keys of the user's own included (None: not known); `prompt_tokens` and `moment` are those of any of the calls.
    """

    model: str
    source: str
    calls: int
    tokens: ChargedTokens | None
    paid_usd: Decimal | None
    upstream_usd: Decimal
    prompt_tokens: int
    moment: datetime


@record
class Comparison:
    """What calls did cost and would have cost, in USD, one amount for each model asked about (None: it can't be told)."""

    model: str | None
    calls: int
    tokens: ChargedTokens
    paid_usd: Decimal
    would_usd: tuple[Decimal | None, ...]


@record
class WhatIf:
    """The comparison in all, and by the model that was used. Calls of unknown usage or cost are in neither.

    `by_source` says where `total.paid_usd` comes from, apart from `upstream_usd`. `unknown_usage` counts calls whose tokens
    nobody knows, `unknown_usage_usd` is what is known of their cost; `unknown_cost` counts those of known tokens that are
    not settled. `longest_prompt` is in tokens.
    """

    filter: CallFilter
    models: tuple[OpenRouterModel, ...]
    total: Comparison
    groups: tuple[Comparison, ...]
    by_source: dict[str, Decimal]
    upstream_usd: Decimal
    unknown_usage: int
    unknown_usage_usd: Decimal
    unknown_cost: int
    longest_prompt: int


def what_if(ledger: Ledger, filter: CallFilter, models: Sequence[OpenRouterModel]) -> WhatIf:
    """Compare what the calls cost with the prices of the models, for the same token counts.

    Raises:
        ValidationError: the time ends before it begins.
    """
    require_order(filter)
    sums = ledger.usage_sums(filter, Steps.of(models))
    compared = [each for each in sums if each.tokens is not None and each.paid_usd is not None]
    unknown_usage = [each for each in sums if each.tokens is None]
    names = sorted({each.model for each in compared})
    return WhatIf(
        filter=filter,
        models=tuple(models),
        total=_comparison(None, compared, models),
        groups=tuple(_comparison(name, [each for each in compared if each.model == name], models) for name in names),
        by_source={
            source.value: sum_usd(_own(each) for each in compared if each.source == source.value)
            for source in KNOWN_SOURCES
        },
        upstream_usd=sum_usd(each.upstream_usd for each in compared),
        unknown_usage=sum(each.calls for each in unknown_usage),
        unknown_usage_usd=sum_usd(each.paid_usd or Decimal(0) for each in unknown_usage),
        unknown_cost=sum(each.calls for each in sums if each.tokens is not None and each.paid_usd is None),
        longest_prompt=max((each.prompt_tokens for each in compared), default=0),
    )


def _comparison(name: str | None, sums: Sequence[UsageSums], models: Sequence[OpenRouterModel]) -> Comparison:
    return Comparison(
        model=name,
        calls=sum(each.calls for each in sums),
        tokens=_all_tokens(sums),
        paid_usd=sum_usd(each.paid_usd or Decimal(0) for each in sums),
        would_usd=tuple(_would_cost(sums, model) for model in models),
    )


def _would_cost(sums: Sequence[UsageSums], model: OpenRouterModel) -> Decimal | None:
    prices = model.prices
    costs = [
        prices.cost_of_tokens(each.tokens, each.prompt_tokens, each.moment) for each in sums if each.tokens is not None
    ]
    known = [cost for cost in costs if cost is not None]
    return sum_usd(known) if len(known) == len(costs) and not prices.varies else None


def _all_tokens(sums: Iterable[UsageSums]) -> ChargedTokens:
    total = ChargedTokens(0, 0, 0, 0, 0, requests=0)
    for each in (each.tokens for each in sums if each.tokens is not None):
        total = ChargedTokens(
            total.plain + each.plain,
            total.cached + each.cached,
            total.written + each.written,
            total.visible + each.visible,
            total.reasoning + each.reasoning,
            total.requests + each.requests,
        )
    return total


def _own(sums: UsageSums) -> Decimal:
    return EXACT.subtract(sums.paid_usd or Decimal(0), sums.upstream_usd)
