"""Exact amounts of US dollars.

In Python an amount is a `Decimal`; in SQLite it is an INTEGER of pico-dollars (1 USD = 10**12), so that SQL can
add amounts without rounding. Prices of the service go down to 10**-22 USD a token, charges down to 10**-9.
"""

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import reduce

PICO_PER_USD = 10**12

# The largest amount that an INTEGER of SQLite holds.
LARGEST_USD = Decimal(2**63 - 1).scaleb(-12)

# Wide enough that no sum or product of prices and token counts is ever rounded.
EXACT = Context(prec=60)


# Beyond these powers of ten a number is no amount or price of this world, and exact arithmetic with it never ends.
_EXPONENTS = range(-45, 9)


def parse_usd(value: object) -> Decimal | None:
    """Return an amount or a price with the digits it was written with; None for what is none: negative ones too."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0:
        return None
    if amount.adjusted() in _EXPONENTS:
        return amount
    return None if amount else Decimal(0)


def to_pico(usd: Decimal) -> int:
    """Return the amount in pico-dollars, rounded half to even below one pico-dollar."""
    return int(EXACT.multiply(usd, Decimal(PICO_PER_USD)).to_integral_value(ROUND_HALF_EVEN))


def to_pico_ceiling(usd: Decimal) -> int:
    """Return the amount in pico-dollars, rounded up: for upper bounds."""
    return int(EXACT.multiply(usd, Decimal(PICO_PER_USD)).to_integral_value(ROUND_CEILING))


def to_pico_floor(usd: Decimal) -> int:
    """Return the amount in pico-dollars, rounded down: for limits."""
    return int(EXACT.multiply(usd, Decimal(PICO_PER_USD)).to_integral_value(ROUND_FLOOR))


def from_pico(pico: int) -> Decimal:
    """Return pico-dollars as US dollars, exactly."""
    return EXACT.divide(Decimal(pico), Decimal(PICO_PER_USD))


def sum_usd(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum of amounts, 0 of none."""
    return reduce(EXACT.add, amounts, Decimal(0))


def plain(usd: Decimal) -> str:
    """Write an amount for machines: all its digits, no exponent, no trailing zeros (`0.000041`, `12`, `0`)."""
    text = format(usd, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def dollars(usd: Decimal) -> str:
    """Write an amount for people: `$0.0412`, two decimals or more, four significant digits below one dollar."""
    if usd == 0:
        return "$0.00"
    digits = 2 if abs(usd) >= 1 else 3 - usd.adjusted()
    shown = plain(usd.quantize(Decimal(1).scaleb(-digits), context=EXACT))
    whole, _, fraction = shown.partition(".")
    return f"${whole}.{fraction:0<2}"
