"""Price lists of the service, and what a call costs by them.

The service lists decimal strings, USD per token (per request, image or search where the name says so). A price of
`-1` means "depends on routing" and is not a price. `overrides` is a list of price sets that replace single prices when
all their conditions hold; of several that hold, the later wins. A key that is missing is not priced apart: cached
and cache-written tokens then cost what prompt tokens cost, reasoning tokens what completion tokens cost. A `discount` is a
number, and all prices are meant times one minus it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from neuralterm.domain.models import TokenUsage
from neuralterm.domain.money import EXACT, parse_usd
from neuralterm.domain.record import record

_CACHE_WRITE_KEYS = ("input_cache_write", "input_cache_write_1h")
# What text in and text out can be charged by; a listing may have further keys, for images, sounds and searches.
_TEXT_KEYS = ("prompt", "completion", "request", "input_cache_read", "internal_reasoning", *_CACHE_WRITE_KEYS)
_PRICE_KEYS = frozenset(
    {*_TEXT_KEYS, "audio", "audio_output", "image", "image_output", "image_token", "input_audio_cache", "web_search"}
)
_CONDITIONS = ("min_prompt_tokens", "utc_start", "utc_end")

_ONE_DAY = timedelta(days=1)


@record
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

    def times(self, factor: Decimal) -> PriceSet:
        """Return all prices times a factor."""

        def scaled(price: Decimal | None) -> Decimal | None:
            return None if price is None else EXACT.multiply(price, factor)

        return PriceSet(
            prompt=scaled(self.prompt),
            completion=scaled(self.completion),
            request=scaled(self.request),
            cache_read=scaled(self.cache_read),
            cache_write=scaled(self.cache_write),
            reasoning=scaled(self.reasoning),
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


@record
class ChargedTokens:
    """The tokens of one request, or of several, by what they are charged at. No token is in two of them."""

    plain: int
    cached: int
    written: int
    visible: int
    reasoning: int
    requests: int = 1

    @classmethod
    def of(cls, usage: TokenUsage) -> ChargedTokens:
        """Take a usage apart.

        Counts are clamped: replies were seen whose cached and written tokens together exceed the prompt, and whose
        reasoning tokens exceed the completion.
        """
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        written = min(usage.cache_write_tokens, usage.prompt_tokens - cached)
        reasoning = min(usage.reasoning_tokens, usage.completion_tokens)
        return cls(
            usage.prompt_tokens - cached - written, cached, written, usage.completion_tokens - reasoning, reasoning
        )


@record
class Span:
    """A time, `start` and `end` included, in UTC."""

    start: datetime
    end: datetime


@record
class Override:
    """A price set with its conditions. Times are HHMM numbers in UTC, the start included, the end not; they may wrap.

    `uncertain` is true when there are conditions that this program does not know, or whose meaning nobody has told, such as
    a time that ends when it begins.
    """

    prices: PriceSet
    min_prompt_tokens: int | None = None
    utc_start: int | None = None
    utc_end: int | None = None
    uncertain: bool = False

    def applies(self, prompt_tokens: int, at: datetime) -> bool:
        """Say whether this set replaces the base prices for a prompt of that size at that time (UTC).

        Conditions that are not known are taken to hold.
        """
        return self.may_apply(prompt_tokens, Span(at, at))

    def may_apply(self, prompt_bound: int | None, span: Span | None) -> bool:
        """Say whether this set may hold for a prompt of at most that size at any time of a span; None: of any, at any."""
        if prompt_bound is not None and self.min_prompt_tokens is not None and prompt_bound <= self.min_prompt_tokens:
            return False
        if span is None or self.utc_start is None or self.utc_end is None:
            return True
        if span.end - span.start >= _ONE_DAY:
            return True
        first, last = _hhmm(span.start), _hhmm(span.end)
        return self._holds_at(first) or self._holds_at(last) or _between(self.utc_start, first, last, span)

    def _holds_at(self, now: int) -> bool:
        assert self.utc_start is not None
        assert self.utc_end is not None
        if self.utc_start < self.utc_end:
            return self.utc_start <= now < self.utc_end
        return now >= self.utc_start or now < self.utc_end


def _between(moment: int, first: int, last: int, span: Span) -> bool:
    """Say whether a time of the day, HHMM, comes within a span of less than a day."""
    if span.start.date() == span.end.date():
        return first <= moment <= last
    return moment >= first or moment <= last


def _hhmm(at: datetime) -> int:
    return at.hour * 100 + at.minute


@record
class PriceList:
    """All prices of one model. `unpriced` are keys of the listing whose value is no price: it depends on routing."""

    base: PriceSet
    overrides: tuple[Override, ...] = ()
    discount: Decimal = Decimal(0)
    unpriced: tuple[str, ...] = ()

    @classmethod
    def from_listing(cls, listing: Mapping[str, Any] | None) -> PriceList:
        """Read the `pricing` object of a model; whatever can't be read is left out."""
        listing = listing or {}
        listed = listing.get("overrides")
        entries = [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
        return cls(
            base=PriceSet.from_listing(listing),
            overrides=tuple(_override(entry) for entry in entries),
            discount=_discount(listing.get("discount")),
            unpriced=tuple(dict.fromkeys(key for entry in (listing, *entries) for key in _unpriced(entry))),
        )

    @property
    def varies(self) -> bool:
        """True when the price depends on routing or is missing, so that no amount can be told in advance."""
        return self.base.prompt is None or self.base.completion is None or bool(self.unpriced)

    @property
    def is_free(self) -> bool:
        """True when neither prompt nor answer nor the request itself costs anything, whatever the size."""
        return all(
            prices.highest_prompt_price() == 0 and prices.highest_completion_price() == 0 and not prices.request
            for prices in self._possible(None, None)
        )

    def at(self, prompt_tokens: int, moment: datetime) -> PriceSet:
        """Return the prices for a prompt of that size at that time, without the discount."""
        prices = self.base
        for override in self.overrides:
            if override.applies(prompt_tokens, moment):
                prices = override.prices.over(prices)
        return prices

    def highest(self, prompt_bound: int | None = None, span: Span | None = None) -> PriceSet:
        """Return, key by key, the highest price that a prompt of at most that size can meet in that span of time.

        Without them: of any size, at any time. A discount lowers nothing here, because it may end at any time.
        """
        highest = highest_of(list(self._possible(prompt_bound, span)))
        return highest.times(EXACT.subtract(Decimal(1), self.discount)) if self.discount < 0 else highest

    def cost_of(self, usage: TokenUsage, moment: datetime) -> Decimal | None:
        """Return the list price of a usage in USD; None when it can't be told."""
        return self.cost_of_tokens(ChargedTokens.of(usage), usage.prompt_tokens, moment)

    def cost_of_tokens(self, tokens: ChargedTokens, prompt_tokens: int, moment: datetime) -> Decimal | None:
        """Return the list price in USD of requests that the prices for a prompt of that size at that time hold for."""
        prices = self.at(prompt_tokens, moment)
        if prices.prompt is None or prices.completion is None or self.varies:
            return None
        if any(each.uncertain and each.applies(prompt_tokens, moment) for each in self.overrides):
            return None
        parts = (
            (tokens.plain, prices.prompt),
            (tokens.cached, _or(prices.cache_read, prices.prompt)),
            (tokens.written, _or(prices.cache_write, prices.prompt)),
            (tokens.visible, prices.completion),
            (tokens.reasoning, _or(prices.reasoning, prices.completion)),
            (tokens.requests, _or(prices.request, Decimal(0))),
        )
        total = Decimal(0)
        for count, price in parts:
            total = EXACT.add(total, EXACT.multiply(Decimal(count), price))
        return EXACT.multiply(total, EXACT.subtract(Decimal(1), self.discount)) if self.discount else total

    def _possible(self, prompt_bound: int | None, span: Span | None) -> Iterator[PriceSet]:
        yield self.base
        for override in self.overrides:
            if override.may_apply(prompt_bound, span):
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


def _unpriced(listing: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys that have a value which is no price, such as `-1`."""
    for key in _TEXT_KEYS:
        value = listing.get(key)
        if value not in (None, "") and parse_usd(value) is None:
            yield key


def _discount(value: object) -> Decimal:
    """Return a discount (a surcharge when it is negative), 0 for what is none; one of everything is not believed."""
    try:
        discount = Decimal(str(value))
    except ArithmeticError:
        return Decimal(0)
    return discount if discount.is_finite() and -100 < discount < 1 else Decimal(0)


def _override(entry: Mapping[str, Any]) -> Override:
    def whole(key: str) -> int | None:
        value = entry.get(key)
        return int(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None

    conditions = {key: whole(key) for key in _CONDITIONS}
    unread = [key for key in _CONDITIONS if entry.get(key) is not None and conditions[key] is None]
    unknown = [key for key in entry if key not in conditions and key not in _PRICE_KEYS and key != "discount"]
    start, end = conditions["utc_start"], conditions["utc_end"]
    half = (start is None) != (end is None)
    never_or_always = start is not None and start == end
    uncertain = bool(unread or unknown or half or never_or_always)
    return Override(prices=PriceSet.from_listing(entry), uncertain=uncertain, **conditions)
