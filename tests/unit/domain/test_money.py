from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.domain.money import dollars, from_pico, plain, to_pico, to_pico_ceiling

AMOUNTS = st.decimals(-(10**6), 10**6, allow_nan=False, allow_infinity=False, places=22)
PICO = st.integers(-(10**18), 10**18)


@given(PICO)
def test_pico_dollars_come_back_exactly(pico):
    assert to_pico(from_pico(pico)) == to_pico_ceiling(from_pico(pico)) == pico


@given(AMOUNTS)
def test_rounding_to_pico_dollars(usd):
    half, step = Decimal("0.0000000000005"), Decimal("0.000000000001")
    assert abs(from_pico(to_pico(usd)) - usd) <= half
    assert 0 <= from_pico(to_pico_ceiling(usd)) - usd < step


def test_halves_go_to_the_even_pico_dollar():
    assert to_pico(Decimal("0.0000000000005")) == 0
    assert to_pico(Decimal("0.0000000000015")) == 2
    assert to_pico_ceiling(Decimal("0.0000000000001")) == 1


@given(AMOUNTS | st.decimals(0, "1e-6", allow_nan=False))
def test_plain_keeps_every_digit_and_has_no_exponent(usd):
    text = plain(usd)
    assert Decimal(text) == usd
    assert not set(text) - set("-0123456789.")
    assert text == plain(Decimal(text))
    assert text != "-0"
    assert not (text.endswith(("0", ".")) and "." in text)


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        ("0", "0"),
        ("-0.00", "0"),
        ("12", "12"),
        ("1E+3", "1000"),
        ("4.10E-5", "0.000041"),
        ("0E-12", "0"),
        ("1.50", "1.5"),
    ],
)
def test_plain(usd, text):
    assert plain(Decimal(usd)) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        ("0", "$0.00"),
        ("0E-12", "$0.00"),
        ("0.0412", "$0.0412"),
        ("0.05", "$0.05"),
        ("0.5", "$0.50"),
        ("1", "$1.00"),
        ("1.005", "$1.00"),
        ("12.345", "$12.34"),
        ("1234.5", "$1234.50"),
        ("0.000041234", "$0.00004123"),
        ("0.00000000004", "$0.00000000004"),
        ("0.99999", "$1.00"),
    ],
)
def test_dollars(usd, text):
    assert dollars(Decimal(usd)) == text


@given(st.decimals("1e-15", 10**6, allow_nan=False))
def test_dollars_are_right_to_four_digits_and_never_nothing(usd):
    shown = Decimal(dollars(usd).removeprefix("$"))
    assert shown > 0
    assert abs(shown - usd) <= max(usd * Decimal("0.0005"), Decimal("0.005") if usd >= 1 else Decimal(0))
