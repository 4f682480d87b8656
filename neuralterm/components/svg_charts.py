"""Charts as SVG, to stand in a page of HTML. Colours and patterns are those of the page, by the names of the series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape

from neuralterm.components.foreign_text import visible
from neuralterm.components.tables import cut_to
from neuralterm.domain.money import EXACT, plain, sum_usd
from neuralterm.domain.record import record
from neuralterm.domain.text import one_line

# All in units of the drawing, in which letters of 12 take 7.2.
_WIDTH, _HEIGHT, _ROW = 800, 240, 24
_RIGHT, _TOP, _BOTTOM = 8, 18, 24
_LABELS, _LABEL_COLUMNS = 236, 31
# The least that amounts have before columns, and behind rows.
_LEFT, _AMOUNTS = Decimal(72), Decimal(116)
_GAP = 6
_LETTER = Decimal("7.2")
_SMALLEST, _WIDEST = Decimal(1), Decimal(48)
_LINES = 4


@record
class Bar:
    """One bar: what it is called, what is said of it when it is pointed at, and the amount of each series, USD.

    `told` is written behind it, where there is room for that; `mark` above it, for what has no amount.
    """

    label: str
    title: str
    amounts: tuple[Decimal, ...]
    told: str = ""
    mark: str = ""

    @property
    def whole(self) -> Decimal:
        """All of it, USD."""
        return sum_usd(self.amounts)


def columns_chart(bars: Sequence[Bar], series: Sequence[str], description: str) -> str:
    """Return upright bars from left to right, with lines of round amounts behind them."""
    top = _round_above(max((bar.whole for bar in bars), default=Decimal(0)))
    scale = [top * number / _LINES for number in range(_LINES + 1)]
    margin = max([_LEFT, *(_length(_dollars(amount)) + 2 * _GAP for amount in scale)])
    width = (_WIDTH - margin - _RIGHT) / max(len(bars), 1)
    parts = list(_lines(scale, margin))
    drawn = min(width * 8 / 10, _WIDEST)
    for number, bar in enumerate(bars):
        left = margin + number * width + (width - drawn) / 2
        parts.append(_group(bar, list(_stacked_up(bar, series, left, drawn, top))))
    parts += _times(bars, margin, width)
    return _svg(parts, _HEIGHT, description)


def rows_chart(bars: Sequence[Bar], series: Sequence[str], description: str) -> str:
    """Return bars one below the other, with their names before and their amounts behind them."""
    largest = max((bar.whole for bar in bars), default=Decimal(0))
    room = _WIDTH - _LABELS - max([_AMOUNTS, *(_length(bar.told) + 2 * _GAP for bar in bars)])
    parts = []
    for number, bar in enumerate(bars):
        top = number * _ROW
        scale = room / largest if largest else Decimal(0)
        drawn, end = _stacked_right(bar, series, Decimal(_LABELS), top + 4, scale)
        name = escape(cut_to(bar.label, _LABEL_COLUMNS))
        parts.append(
            _group(
                bar,
                [
                    f'<text x="{_LABELS - 8}" y="{top + 16}" text-anchor="end">{name}</text>',
                    *drawn,
                    f'<text x="{_number(end + _GAP)}" y="{top + 16}">{_text(bar.told)}</text>',
                ],
            )
        )
    return _svg(parts, max(len(bars), 1) * _ROW, description)


def meter(parts: Sequence[tuple[str, Decimal]], limit: Decimal, description: str) -> str:
    """Return one bar that is full at the limit; what goes beyond is cut off."""
    drawn, left = [f'<rect class="rest" x="0" y="0" width="{_WIDTH}" height="16"/>'], Decimal(0)
    for name, amount in parts:
        width = min(amount * _WIDTH / limit if limit else Decimal(_WIDTH if amount else 0), _WIDTH - left)
        drawn.append(_rect(name, left, Decimal(0), width, Decimal(16)))
        left += width
    return _svg(drawn, 16, description)


def _svg(parts: Sequence[str], height: int, description: str) -> str:
    label = _text(description)
    return f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {height}">\n' + "\n".join(parts) + "\n</svg>"


def _group(bar: Bar, parts: Sequence[str]) -> str:
    return f"<g><title>{_text(bar.title)}</title>{''.join(parts)}</g>"


def _stacked_up(bar: Bar, series: Sequence[str], left: Decimal, width: Decimal, top: Decimal) -> Iterator[str]:
    bottom = Decimal(_HEIGHT - _BOTTOM)
    for name, amount in zip(series, bar.amounts, strict=True):
        if amount > 0:
            height = max(amount * (_HEIGHT - _TOP - _BOTTOM) / top, _SMALLEST)
            bottom -= height
            yield _rect(name, left, bottom, width, height)
    if bar.mark:
        yield f'<text x="{_number(left + width / 2)}" y="{_number(bottom - 3)}" text-anchor="middle">{_text(bar.mark)}</text>'


def _stacked_right(
    bar: Bar, series: Sequence[str], left: Decimal, top: int, scale: Decimal
) -> tuple[list[str], Decimal]:
    drawn = []
    for name, amount in zip(series, bar.amounts, strict=True):
        if amount > 0:
            width = max(amount * scale, _SMALLEST)
            drawn.append(_rect(name, left, Decimal(top), width, Decimal(_ROW - 8)))
            left += width
    return drawn, left


def _lines(scale: Sequence[Decimal], margin: Decimal) -> Iterator[str]:
    for number, amount in enumerate(scale):
        height = _number(_HEIGHT - _BOTTOM - Decimal(_HEIGHT - _TOP - _BOTTOM) * number / _LINES)
        yield f'<line class="line" x1="{_number(margin)}" x2="{_WIDTH - _RIGHT}" y1="{height}" y2="{height}"/>'
        yield f'<text x="{_number(margin - _GAP)}" y="{height}" dy="4" text-anchor="end">{_dollars(amount)}</text>'


def _dollars(amount: Decimal) -> str:
    return f"${plain(amount)}"


def _length(text: str) -> Decimal:
    return len(text) * _LETTER


def _times(bars: Sequence[Bar], margin: Decimal, width: Decimal) -> Iterator[str]:
    """Yield the names of as many bars as there is room for, the first one among them."""
    longest = max((len(bar.label) for bar in bars), default=0)
    step = int((longest + 2) * _LETTER / width) + 1
    free = Decimal(0)
    for number in range(0, len(bars), step):
        half = _length(bars[number].label) / 2
        middle = min(max(margin + number * width + width / 2, half), _WIDTH - half)
        if middle - half >= free:
            free = middle + half + _LETTER
            name = _text(bars[number].label)
            yield f'<text x="{_number(middle)}" y="{_HEIGHT - 6}" text-anchor="middle">{name}</text>'


def _rect(name: str, left: Decimal, top: Decimal, width: Decimal, height: Decimal) -> str:
    sizes = zip(("x", "y", "width", "height"), (left, top, width, height), strict=True)
    return f'<rect class="{name}" ' + " ".join(f'{key}="{_number(value)}"' for key, value in sizes) + "/>"


def _round_above(amount: Decimal) -> Decimal:
    """Return an amount that is not less and whose quarters are short numbers; one dollar for nothing."""
    if amount <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(amount.adjusted())
    return next(factor * power for factor in map(Decimal, (1, 2, 4, 6, 8, 10)) if factor * power >= amount)


def _number(value: Decimal) -> str:
    return format(value.quantize(Decimal("0.01"), context=EXACT).normalize(), "f")


def _text(text: str) -> str:
    return escape(visible(one_line(text)))
