from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.domain.budget import SMALLEST_OUTPUT_CAP
from neuralterm.domain.output_caps import fit_output_cap
from neuralterm.domain.pricing import PriceList, PriceSet, worst_case
from tests.unit.domain.listings import LISTINGS

PRICES = PriceSet(prompt=Decimal("0.001"), completion=Decimal("0.01"))
MONEY = st.decimals(0, 10, places=12, allow_nan=False) | st.decimals(0, "0.01", places=12, allow_nan=False)


def fit(remaining, wanted=None, prompt_tokens=100, prices=PRICES, **more):
    return fit_output_cap(
        prices, prompt_tokens=prompt_tokens, wanted_output_tokens=wanted, remaining_usd=Decimal(remaining), **more
    )


class TestFittingTheCap:
    def test_what_is_wanted_is_left_alone_where_it_fits(self):
        admission = fit("1.10", wanted=100)
        assert (admission.output_cap, admission.at_most_usd, admission.cap_was_reduced) == (100, Decimal("1.1"), False)

    def test_it_shrinks_to_what_is_left(self):
        admission = fit("1.0999", wanted=100)
        assert (admission.output_cap, admission.at_most_usd, admission.cap_was_reduced) == (99, Decimal("1.09"), True)

    def test_without_a_wish_it_is_what_is_left(self):
        admission = fit("0.30")
        assert (admission.output_cap, admission.cap_was_reduced) == (20, True)

    def test_too_short_an_answer_is_none(self):
        assert fit("0.26").output_cap == SMALLEST_OUTPUT_CAP
        assert fit("0.2599") is None

    def test_a_short_answer_that_is_wanted_is_enough(self):
        assert fit("0.13", wanted=3).output_cap == 3
        assert fit("0.1299", wanted=3) is None

    def test_the_prompt_must_fit_too(self):
        assert fit("0.0999") is None

    def test_a_longer_floor_can_be_set(self):
        assert fit("0.30", floor=20).output_cap == 20
        assert fit("0.30", floor=21) is None
        assert fit("0.30", wanted=19, floor=21).output_cap == 19

    def test_output_that_costs_nothing_needs_no_cap(self):
        free = PriceSet(prompt=Decimal(0), completion=Decimal(0))
        assert fit("0", prices=free).output_cap is None
        assert not fit("0", prices=free).cap_was_reduced
        assert fit("0", prices=free, wanted=50).output_cap == 50

    def test_a_fee_per_request_counts(self):
        prices = PriceSet(prompt=Decimal(0), completion=Decimal("0.01"), request=Decimal("0.5"))
        assert fit("0.66", prices=prices).output_cap == 16
        assert fit("0.49", prices=prices) is None

    @pytest.mark.parametrize("prices", [PriceSet(), PriceSet(prompt=Decimal(1)), PriceSet(completion=Decimal(1))])
    def test_what_has_no_price_has_no_bound(self, prices):
        assert fit("1000", prices=prices) is None


@given(LISTINGS, st.integers(0, 200_000), st.none() | st.integers(1, 300_000), MONEY)
def test_what_is_admitted_is_within_what_is_left_and_as_much_as_that_allows(listing, prompt_tokens, wanted, remaining):
    prices = PriceList.from_listing(listing).highest()
    admission = fit(remaining, wanted, prompt_tokens, prices)
    floor = min(SMALLEST_OUTPUT_CAP, wanted or SMALLEST_OUTPUT_CAP)
    if admission is None:
        assert worst_case(prices, prompt_tokens, floor) > remaining
        return
    assert admission.at_most_usd == worst_case(prices, prompt_tokens, admission.output_cap or 0) <= remaining
    if admission.output_cap is None:
        assert (wanted, prices.highest_completion_price()) == (None, 0)
        return
    assert admission.output_cap >= floor
    if wanted is not None and not admission.cap_was_reduced:
        assert admission.output_cap == wanted
    elif prices.highest_completion_price() > 0:
        assert worst_case(prices, prompt_tokens, admission.output_cap + 1) > remaining
