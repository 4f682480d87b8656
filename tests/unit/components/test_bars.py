from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.components.bars import bar, sparkline

AMOUNTS = st.decimals(min_value=0, max_value=100, places=12)


@pytest.mark.parametrize(
    ("amount", "width", "expected"),
    [
        ("4", 4, "████"),
        ("2", 4, "██"),
        ("1.125", 4, "█▏"),
        ("1.9", 4, "█▉"),
        ("0.0000001", 4, "▏"),
        ("0", 4, ""),
    ],
)
def test_a_bar_counts_eighths(amount, width, expected):
    assert bar(Decimal(amount), Decimal(4), width) == expected


def test_nothing_has_no_bar():
    assert bar(Decimal(0), Decimal(0), 10) == ""


@given(AMOUNTS, AMOUNTS, st.integers(1, 60))
def test_a_bar_is_as_long_as_its_share(one, other, width):
    largest = max(one, other)
    drawn = bar(one, largest, width)

    assert len(drawn) <= width
    assert bool(drawn) is (one > 0)
    if largest:
        assert len(drawn) <= one * width / largest + 1


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ("", ""),
        ("0 0", "▁▁"),
        ("7 0 1", "█▁▂"),
        ("1 2 3 4 5 6 7", "▂▃▄▅▆▇█"),
        ("100 0.000000000001", "█▂"),
        ("0.001", "█"),
        ("-1 1", "▁█"),
    ],
)
def test_a_sparkline(amounts, expected):
    assert sparkline([Decimal(each) for each in amounts.split()]) == expected


@given(st.lists(AMOUNTS, max_size=40))
def test_a_sparkline_keeps_the_order_of_amounts(amounts):
    drawn = sparkline(amounts)

    assert len(drawn) == len(amounts)
    for one, shown in zip(amounts, drawn, strict=True):
        assert (shown == "▁") is (one == 0)
        assert all(shown <= other_shown for other, other_shown in zip(amounts, drawn, strict=True) if one <= other)
