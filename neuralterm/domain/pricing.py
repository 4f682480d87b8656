"""Price lists of the service, and what a call costs by them.

The service lists decimal strings, USD per token (per request, image or search where the name says so). A price of
`-1` means "depends on routing" and is not a price. `overrides` is a list of price sets that replace single prices when
all their conditions hold; of several that hold, the later wins. A key that is missing is not priced apart: cached
and cache-written tokens then cost what prompt tokens cost, reasoning tokens what completion tokens cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from neuralterm.domain.models import TokenUsage
from neuralterm.domain.money import EXACT, parse_usd

_CACHE_WRITE_KEYS = ("input_cache_write", "input_cache_write_1h")


@dataclass(frozen=True, slots=True)
class PriceSet:
    """Prices that hold together, USD per token; `request` is USD per request. None: not priced apart, or unknown."""

    prompt: Decimal | None = None
    completion: Decimal | None = None
    request: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None

    @classmethod
    def from_listing(cls, listing: Mapping[str, Any]) -> PriceSet:
        """Read the price keys of the service. Of two cache-write prices (5 minutes, 1 hour) the higher counts."""
        writes = [price for key in _CACHE_WRITE_KEYS if (price := parse_usd(listing.get(key))) is not None]
        return cls(
            prompt=parse_usd(listing.get("prompt")),
            completion=parse_usd(listing.get("completion")),
            request=parse_usd(listing.get("request")),
            cache_read=parse_usd(listing.get("input_cache_read")),
            cache_write=max(writes, default=None),
            reasoning=parse_usd(listing.get("internal_reasoning")),
        )

    def over(self, base: PriceSet) -> PriceSet:
        """Return this set with what it leaves out taken from `base`."""
        return PriceSet(
            prompt=base.prompt if self.prompt is None else self.prompt,
            completion=base.completion if self.completion is None else self.completion,
            request=base.request if self.request is None else self.request,
            cache_read=base.cache_read if self.cache_read is None else self.cache_read,
            cache_write=base.cache_write if self.cache_write is None else self.cache_write,
            reasoning=base.reasoning if self.reasoning is None else self.reasoning,
        )

    def highest_prompt_price(self) -> Decimal | None:
        """Return the most a prompt token can cost: plain, read from or written to a cache."""
        if self.prompt is None:
            return None
        return max(self.prompt, self.cache_read or Decimal(0), self.cache_write or Decimal(0))

    def highest_completion_price(self) -> Decimal | None:
        """Return the most an output token can cost: visible or reasoning."""
        if self.completion is None:
            return None
        return max(self.completion, self.reasoning or Decimal(0))


@dataclass(frozen=True, slots=True)
class Override:
    """A price set with its conditions. Times are HHMM numbers in UTC, the start included, the end not; they may wrap."""

    prices: PriceSet
    min_prompt_tokens: int | None = None
    utc_start: int | None = None
    utc_end: int | None = None

    def applies(self, prompt_tokens: int, at: datetime) -> bool:
        """Say whether this set replaces the base prices for a prompt of that size at that time (UTC)."""
        if self.min_prompt_tokens is not None and prompt_tokens <= self.min_prompt_tokens:
            return False
        if self.utc_start is None or self.utc_end is None:
            return True
        now = at.hour * 100 + at.minute
        if self.utc_start <= self.utc_end:
            return self.utc_start <= now < self.utc_end
        return now >= self.utc_start or now < self.utc_end


@dataclass(frozen=True, slots=True)
class PriceList:
    """All prices of one model."""

    base: PriceSet
    overrides: tuple[Override, ...] = ()

    @classmethod
    def from_listing(cls, listing: Mapping[str, Any] | None) -> PriceList:
        """Read the `pricing` object of a model; whatever can't be read is left out."""
        listing = listing or {}
        entries = listing.get("overrides")
        return cls(
            base=PriceSet.from_listing(listing),
            overrides=tuple(_override(entry) for entry in entries if isinstance(entry, Mapping))
            if isinstance(entries, list)
            else (),
        )

    @property
    def varies(self) -> bool:
        """True when the price depends on routing, so that no amount can be told in advance."""
        return self.base.prompt is None or self.base.completion is None

    @property
    def is_free(self) -> bool:
        """True when neither prompt nor answer costs anything, whatever the size."""
        return all(prices.prompt == 0 and prices.completion == 0 for prices in self._possible())

    def at(self, prompt_tokens: int, moment: datetime) -> PriceSet:
        """Return the prices for a prompt of that size at that time."""
        prices = self.base
        for override in self.overrides:
            if override.applies(prompt_tokens, moment):
                prices = override.prices.over(prices)
        return prices

    def highest(self) -> PriceSet:
        """Return, key by key, the highest price that any combination of overrides can give."""
        return highest_of(list(self._possible()))

    def cost_of(self, usage: TokenUsage, moment: datetime) -> Decimal | None:
        """Return the list price of a usage in USD; None when it can't be told.

        Counts are clamped: replies were seen whose cached and written tokens together exceed the prompt, and whose
        reasoning tokens exceed the completion.
        """
        prices = self.at(usage.prompt_tokens, moment)
        if prices.prompt is None or prices.completion is None:
            return None
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        written = min(usage.cache_write_tokens, usage.prompt_tokens - cached)
        reasoning = min(usage.reasoning_tokens, usage.completion_tokens)
        parts = (
            (usage.prompt_tokens - cached - written, prices.prompt),
            (cached, _or(prices.cache_read, prices.prompt)),
            (written, _or(prices.cache_write, prices.prompt)),
            (usage.completion_tokens - reasoning, prices.completion),
            (reasoning, _or(prices.reasoning, prices.completion)),
            (1, _or(prices.request, Decimal(0))),
        )
        total = Decimal(0)
        for count, price in parts:
            total = EXACT.add(total, EXACT.multiply(Decimal(count), price))
        return total

    def _possible(self) -> Iterator[PriceSet]:
        yield self.base
        for override in self.overrides:
            yield override.prices.over(self.base)


def worst_case(prices: PriceSet, prompt_tokens: int, output_tokens: int) -> Decimal | None:
    """Return the most that a call of at most these sizes can cost in USD; None when it can't be bounded."""
    prompt, completion = prices.highest_prompt_price(), prices.highest_completion_price()
    if prompt is None or completion is None:
        return None
    total = EXACT.add(
        EXACT.multiply(Decimal(prompt_tokens), prompt), EXACT.multiply(Decimal(output_tokens), completion)
    )
    return EXACT.add(total, prices.request or Decimal(0))


def highest_of(sets: list[PriceSet]) -> PriceSet:
    """Return, key by key, the highest price of several sets; a key that none of them has stays None."""

    def top(name: str) -> Decimal | None:
        known = [price for prices in sets if (price := getattr(prices, name)) is not None]
        return max(known, default=None)

    return PriceSet(
        prompt=top("prompt"),
        completion=top("completion"),
        request=top("request"),
        cache_read=top("cache_read"),
        cache_write=top("cache_write"),
        reasoning=top("reasoning"),
    )


def _or(price: Decimal | None, fallback: Decimal) -> Decimal:
    return fallback if price is None else price


def _override(entry: Mapping[str, Any]) -> Override:
    def whole(key: str) -> int | None:
        value = entry.get(key)
        return int(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None

    return Override(
        prices=PriceSet.from_listing(entry),
        min_prompt_tokens=whole("min_prompt_tokens"),
        utc_start=whole("utc_start"),
        utc_end=whole("utc_end"),
    )
