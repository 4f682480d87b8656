"""How far the output cap of a call must shrink to fit what a budget has left."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

from neuralterm.domain.budget import SMALLEST_OUTPUT_CAP
from neuralterm.domain.money import EXACT
from neuralterm.domain.pricing import PriceSet, worst_case
from neuralterm.domain.record import record


@record
class Admission:
    """What a call may do: at most `output_cap` output tokens (None: any number, they are free), so at most `at_most_usd`."""

    output_cap: int | None
    at_most_usd: Decimal
    cap_was_reduced: bool


def fit_output_cap(
    prices: PriceSet,
    *,
    prompt_tokens: int,
    wanted_output_tokens: int | None,
    remaining_usd: Decimal,
    floor: int = SMALLEST_OUTPUT_CAP,
) -> Admission | None:
    """Return the largest output cap whose worst case fits what is left.

    `prompt_tokens` is an upper bound; `wanted_output_tokens` is the cap that the user or the model sets anyway (None:
    none). Returns None when not even `floor` (or the smaller wanted cap) fits, and when the prices can't be bounded.
    """
    fixed = worst_case(prices, prompt_tokens, 0)
    price = prices.highest_completion_price()
    if fixed is None or price is None:
        return None
    left = EXACT.subtract(remaining_usd, fixed)
    if left < 0:
        return None
    if price == 0:
        return Admission(wanted_output_tokens, fixed, cap_was_reduced=False)
    cap = int(EXACT.divide(left, price).to_integral_value(ROUND_FLOOR))
    reduced = wanted_output_tokens is None or cap < wanted_output_tokens
    if wanted_output_tokens is not None:
        cap, floor = min(cap, wanted_output_tokens), min(floor, wanted_output_tokens)
    if cap < floor:
        return None
    bound = worst_case(prices, prompt_tokens, cap)
    assert bound is not None
    return Admission(cap, bound, reduced)
