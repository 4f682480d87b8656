from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.domain.models import TokenUsage
from neuralterm.domain.money import parse_usd
from neuralterm.domain.pricing import PriceList, PriceSet, Span, highest_of, worst_case
from tests.unit.domain.listings import LISTINGS, MOMENTS, USAGES

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(hour, minute=0):
    return NOON.replace(hour=hour, minute=minute)


@pytest.mark.parametrize(
    "value", [None, "-1", -1, "", "free", "NaN", "Infinity", True, [], {}, Decimal("-0.1"), "1e999999", "1e-999999"]
)
def test_what_is_no_price(value):
    assert parse_usd(value) is None


@pytest.mark.parametrize("value", ["0", "0.0000000416666666666667", Decimal("0.5"), 3, "1e-7"])
def test_what_is_a_price_keeps_its_digits(value):
    assert parse_usd(value) == Decimal(value)


def test_of_two_cache_write_prices_the_higher_counts():
    prices = PriceSet.from_listing({"input_cache_write": "2", "input_cache_write_1h": "3"})
    assert prices.cache_write == 3


class TestOverrides:
    PRICES = PriceList.from_listing(
        {
            "prompt": "1",
            "completion": "10",
            "overrides": [
                {"min_prompt_tokens": 200, "prompt": "2"},
                {"min_prompt_tokens": 400, "prompt": "3", "completion": "30"},
            ],
        }
    )

    @pytest.mark.parametrize(
        ("prompt_tokens", "prompt", "completion"),
        [(200, 1, 10), (201, 2, 10), (400, 2, 10), (401, 3, 30)],
    )
    def test_a_minimum_of_prompt_tokens_is_strict_and_the_later_entry_wins(self, prompt_tokens, prompt, completion):
        prices = self.PRICES.at(prompt_tokens, NOON)
        assert (prices.prompt, prices.completion) == (prompt, completion)

    def test_the_long_price_holds_for_the_whole_prompt(self):
        assert self.PRICES.cost_of(TokenUsage(201, 1, 202), NOON) == 201 * 2 + 10

    @pytest.mark.parametrize(
        ("moment", "applies"),
        [(at(16, 29), False), (at(16, 30), True), (at(23, 59), True), (at(0, 29), True), (at(0, 30), False)],
    )
    def test_a_window_may_wrap_midnight(self, moment, applies):
        listing = {"prompt": "1", "completion": "1", "overrides": [{"utc_start": 1630, "utc_end": 30, "prompt": "2"}]}
        assert PriceList.from_listing(listing).at(1, moment).prompt == (2 if applies else 1)

    @pytest.mark.parametrize(
        ("moment", "applies"), [(at(0, 59), False), (at(1), True), (at(1, 59), True), (at(2), False)]
    )
    def test_a_window_within_a_day(self, moment, applies):
        listing = {"prompt": "1", "completion": "1", "overrides": [{"utc_start": 100, "utc_end": 200, "prompt": "2"}]}
        assert PriceList.from_listing(listing).at(1, moment).prompt == (2 if applies else 1)

    def test_all_conditions_must_hold(self):
        entry = {"utc_start": 1100, "utc_end": 1300, "min_prompt_tokens": 5, "prompt": "2"}
        prices = PriceList.from_listing({"prompt": "1", "completion": "1", "overrides": [entry]})
        assert prices.at(6, NOON).prompt == 2
        assert prices.at(5, NOON).prompt == 1
        assert prices.at(6, at(13)).prompt == 1

    @pytest.mark.parametrize("overrides", [None, "x", {}, [None, "x", 3], [{"prompt": "-1"}]])
    def test_what_can_not_be_read_is_left_out(self, overrides):
        prices = PriceList.from_listing({"prompt": "1", "completion": "1", "overrides": overrides})
        assert prices.at(10**6, NOON).prompt == 1


def test_a_listing_may_be_missing():
    prices = PriceList.from_listing(None)
    assert prices.varies
    assert prices.cost_of(TokenUsage(1, 1, 2), NOON) is None
    assert worst_case(prices.highest(), 1, 1) is None


def test_every_part_has_its_price():
    prices = PriceList.from_listing(
        {
            "prompt": "1",
            "input_cache_read": "0.1",
            "input_cache_write": "1.5",
            "completion": "5",
            "internal_reasoning": "7",
            "request": "1000",
        }
    )
    usage = TokenUsage(100, 50, 150, reasoning_tokens=20, cached_tokens=30, cache_write_tokens=10)
    assert prices.cost_of(usage, NOON) == 60 * 1 + 3 + 15 + 30 * 5 + 20 * 7 + 1000


def test_parts_without_a_price_cost_what_the_whole_costs():
    prices = PriceList.from_listing({"prompt": "1", "completion": "5"})
    usage = TokenUsage(100, 50, 150, reasoning_tokens=20, cached_tokens=30, cache_write_tokens=10)
    assert prices.cost_of(usage, NOON) == 100 + 250


def test_counts_that_contradict_each_other_are_clamped():
    prices = PriceList.from_listing(
        {"prompt": "1", "completion": "5", "input_cache_read": "0.1", "input_cache_write": "2"}
    )
    seen = TokenUsage(2168, 10, 2178, reasoning_tokens=11, cached_tokens=2161, cache_write_tokens=2161)
    assert prices.cost_of(seen, NOON) == Decimal("216.1") + 7 * 2 + 50


def test_free_is_free_at_every_size():
    assert PriceList.from_listing({"prompt": "0", "completion": "0"}).is_free
    later = {"prompt": "0", "completion": "0", "overrides": [{"min_prompt_tokens": 9, "prompt": "1"}]}
    assert not PriceList.from_listing(later).is_free
    assert not PriceList.from_listing({}).is_free


@pytest.mark.parametrize("key", ["request", "input_cache_write", "internal_reasoning"])
def test_what_is_priced_apart_is_not_free(key):
    assert PriceList.from_listing({"prompt": "0", "completion": "0", key: "0"}).is_free
    assert not PriceList.from_listing({"prompt": "0", "completion": "0", key: "0.01"}).is_free


def test_the_highest_of_several():
    first = PriceSet(prompt=Decimal(1), completion=Decimal(9))
    second = PriceSet(prompt=Decimal(2), request=Decimal(3))
    assert highest_of([first, second]) == PriceSet(prompt=Decimal(2), completion=Decimal(9), request=Decimal(3))
    assert highest_of([]) == PriceSet()


@given(LISTINGS, USAGES, MOMENTS, st.integers(0, 10_000), st.integers(0, 3000), st.integers(0, 3000))
def test_a_cost_is_never_negative_and_never_above_the_worst_case(listing, usage, moment, room, before, after):
    prices = PriceList.from_listing(listing)
    cost = prices.cost_of(usage, moment)
    bound = usage.prompt_tokens + room
    span = Span(moment - timedelta(minutes=before), moment + timedelta(minutes=after))
    highest = worst_case(prices.highest(bound, span), bound, usage.completion_tokens)
    if cost is None:
        assert prices.varies or any(override.uncertain for override in prices.overrides)
    else:
        assert 0 <= cost <= highest
    assert highest <= worst_case(prices.highest(), bound, usage.completion_tokens)


@given(LISTINGS, USAGES, st.integers(0, 1000), st.integers(0, 1000))
def test_the_worst_case_grows_with_the_call(listing, usage, more_prompt, more_output):
    prices = PriceList.from_listing(listing).highest()
    smaller = worst_case(prices, usage.prompt_tokens, usage.completion_tokens)
    assert smaller <= worst_case(prices, usage.prompt_tokens + more_prompt, usage.completion_tokens + more_output)


class TestSpans:
    """What may apply while a call runs: a window counts as soon as one moment of the call lies in it."""

    NIGHT = PriceList.from_listing(
        {
            "prompt": "1",
            "completion": "1",
            "overrides": [{"utc_start": 2330, "utc_end": 100, "prompt": "5"}],
        }
    )

    @pytest.mark.parametrize(
        ("start", "minutes", "prompt"),
        [
            (at(12), 60, 1),
            (at(22), 89, 1),
            (at(22), 90, 5),
            (at(23, 30), 0, 5),
            (at(0, 59), 0, 5),
            (at(1), 0, 1),
            (at(1), 22 * 60 + 29, 1),
            (at(1), 22 * 60 + 30, 5),
            (at(23, 59), 10, 5),
            (at(12), 24 * 60, 5),
        ],
    )
    def test_a_window_counts_when_the_call_may_touch_it(self, start, minutes, prompt):
        assert self.NIGHT.highest(span=Span(start, start + timedelta(minutes=minutes))).prompt == prompt

    def test_a_window_without_wrapping_may_lie_within_the_call(self):
        prices = PriceList.from_listing(
            {"prompt": "1", "completion": "1", "overrides": [{"utc_start": 1300, "utc_end": 1330, "prompt": "5"}]}
        )
        assert prices.highest(span=Span(at(12), at(14))).prompt == 5
        assert prices.highest(span=Span(at(13, 30), at(14))).prompt == 1
        assert prices.highest(span=Span(at(23), at(12) + timedelta(days=1))).prompt == 1

    def test_a_size_counts_when_the_prompt_may_have_it(self):
        prices = TestOverrides.PRICES
        assert prices.highest(200).prompt == 1
        assert prices.highest(201).prompt == 2
        assert prices.highest(401).prompt == 3
        assert prices.highest().prompt == 3


class TestWhatCantBeTold:
    @pytest.mark.parametrize("key", ["request", "input_cache_read", "input_cache_write_1h", "internal_reasoning"])
    def test_a_part_that_depends_on_routing_makes_the_whole_vary(self, key):
        prices = PriceList.from_listing({"prompt": "1", "completion": "1", key: "-1"})
        assert prices.varies
        assert prices.unpriced == (key,)
        assert prices.cost_of(TokenUsage(1, 1, 2), NOON) is None

    def test_so_does_one_in_an_override(self):
        listing = {"prompt": "1", "completion": "1", "overrides": [{"min_prompt_tokens": 5, "prompt": "-1"}]}
        assert PriceList.from_listing(listing).varies

    @pytest.mark.parametrize(
        "condition",
        [
            {"utc_days": [1, 2]},
            {"utc_start": 100},
            {"utc_start": 100, "utc_end": 100},
            {"min_prompt_tokens": "many"},
        ],
    )
    def test_a_condition_that_is_not_known_is_in_the_bound_and_not_in_a_computed_cost(self, condition):
        prices = PriceList.from_listing({"prompt": "1", "completion": "1", "overrides": [{"prompt": "5", **condition}]})
        assert prices.highest(1, Span(NOON, NOON)).prompt == 5
        assert prices.cost_of(TokenUsage(1, 1, 2), NOON) is None

    def test_a_minimum_beside_an_unknown_condition_still_counts(self):
        entry = {"prompt": "5", "utc_days": [1], "min_prompt_tokens": 10}
        prices = PriceList.from_listing({"prompt": "1", "completion": "1", "overrides": [entry]})
        assert prices.cost_of(TokenUsage(10, 1, 11), NOON) == 11
        assert prices.cost_of(TokenUsage(11, 1, 12), NOON) is None


class TestDiscount:
    def test_it_lowers_a_computed_cost_and_no_bound(self):
        prices = PriceList.from_listing({"prompt": "1", "completion": "2", "discount": Decimal("0.25")})
        assert prices.cost_of(TokenUsage(4, 4, 8), NOON) == 9
        assert prices.highest().prompt == 1

    def test_a_surcharge_raises_both(self):
        prices = PriceList.from_listing({"prompt": "1", "completion": "2", "request": "1", "discount": "-0.5"})
        assert prices.cost_of(TokenUsage(4, 4, 8), NOON) == Decimal("19.5")
        assert worst_case(prices.highest(), 4, 4) == Decimal("19.5")

    @pytest.mark.parametrize("value", [None, "", "some", 1, 2, "NaN", [], {}])
    def test_what_is_none(self, value):
        assert PriceList.from_listing({"prompt": "1", "completion": "1", "discount": value}).discount == 0
