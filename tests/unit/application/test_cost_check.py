from decimal import Decimal

import pytest

from neuralterm.application.cost_check import CostCheck, require_within
from neuralterm.application.records import CallFilter, CallTotals
from neuralterm.application.reports import CostReport
from neuralterm.domain.exceptions import BudgetExceededError


def check(known, maximum, unsettled=0, bound="0", upstream="0"):
    total = CallTotals(
        calls=3,
        by_source={"billed": Decimal(known), "estimated": Decimal(0)},
        unsettled_calls=unsettled,
        unsettled_at_most_usd=None if bound is None else Decimal(bound),
        upstream_usd=Decimal(upstream),
    )
    return CostCheck(CostReport(CallFilter(), "UTC", (), total), Decimal(maximum))


@pytest.mark.parametrize(
    ("arguments", "at_most"),
    [(("0.05", "0.05"), "0.05"), (("0", "0"), "0"), (("0.01", "0.05", 2, "0.04"), "0.05")],
)
def test_what_is_within_passes(arguments, at_most):
    checked = check(*arguments)

    assert (checked.ok, checked.at_most_usd) == (True, Decimal(at_most))
    require_within(checked)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("0.050000000001", "0.05"), "cost $0.050000000001, which is more than $0.05"),
        (("0.000000000001", "0"), "cost $0.000000000001, which is more than $0"),
        (("0.01", "0.05", 1, "0.040000000001"), "may cost up to $0.050000000001, "),
        (("0.07", "0.05", 1, "1"), "cost $0.07"),
        (("0", "1000", 1, None), "no upper bound"),
    ],
)
def test_what_is_over_or_may_be_fails_before_anything_is_spent(arguments, said):
    checked = check(*arguments)

    assert not checked.ok
    with pytest.raises(BudgetExceededError) as caught:
        require_within(checked)
    assert caught.value.code == "OVER_MAXIMUM"
    assert caught.value.mid_answer is False
    assert caught.value.spent_usd == checked.spent_usd
    assert (caught.value.hint is not None) is (len(arguments) > 2)
    assert said in caught.value.message


def test_what_providers_charge_to_own_keys_counts_as_it_does_in_budgets():
    assert check("0.25", "1", 1, "0.25", upstream="0.5").at_most_usd == 1
    assert not check("0", "0.5", upstream="0.75").ok


def test_a_cost_without_a_bound_is_never_a_number():
    assert check("1", "9", 1, None).at_most_usd is None
