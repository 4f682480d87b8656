from datetime import date, timedelta
from decimal import Decimal
from textwrap import dedent

from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.records import CallTotals
from neuralterm.components.calendar_view import calendar_text
from neuralterm.components.text_width import columns_of
from neuralterm.domain.record import replace


def on(day, usd="0", unsettled=0):
    return CallTotals((day,), calls=1, by_source={"billed": Decimal(usd)} if usd else {}, unsettled_calls=unsettled)


DAYS = [
    on("2026-10-29", "0.10"),
    on("2026-11-02", "0.20"),
    on("2026-11-03", "0.30"),
    on("2026-11-08", "4"),
    on("2026-11-10", "0"),
    on("2026-11-11", "", unsettled=1),
]


def test_a_calendar_of_three_weeks():
    expected = """\
               Nov
        Mon      ▒ ·
        Tue      ▓ 0
        Wed      · ?
        Thu  ░   ·
        Fri  ·   ·
        Sat  ·   ·
        Sun  ·   █

        ░ to $0.10  ▒ to $0.20  ▓ to $0.30  █ to $4.00  0 for free  ? not settled yet  · no calls
        most on 2026-11-08: $4.00
        2026-10-29 to 2026-11-11"""
    drawn = calendar_text(DAYS, date(2026, 10, 29), date(2026, 11, 11))

    # The first week has three days before the first one; a column is two wide.
    assert [line.split() for line in drawn.splitlines()] == [line.split() for line in dedent(expected).splitlines()]
    thursday = next(line for line in drawn.splitlines() if line.startswith("Thu"))
    assert thursday == "Thu  ░ ·"


def test_a_day_that_only_providers_charged_is_not_free():
    day = replace(on("2026-11-02"), upstream_usd=Decimal("0.5"))
    drawn = calendar_text([day, on("2026-11-03")], date(2026, 11, 2), date(2026, 11, 4)).splitlines()

    assert drawn[1:3] == ["Mon  +", "Tue  0"]
    assert "0 for free  + charged to your own keys only  · no calls" in drawn


def test_few_amounts_have_few_shades():
    drawn = calendar_text([on("2026-11-02", "1"), on("2026-11-03", "1")], date(2026, 11, 2), date(2026, 11, 4))

    assert drawn.splitlines()[1:4] == ["Mon  ░", "Tue  ░", "Wed  ·"]
    assert "░ to $1.00  · no calls" in drawn


def test_a_narrow_terminal_has_the_last_weeks_and_says_so():
    first, last = date(2025, 1, 1), date(2026, 11, 26)
    days = [on((first + timedelta(days=number)).isoformat(), str(number + 1)) for number in range((last - first).days)]

    whole = calendar_text(days, first, last)
    assert "earlier weeks" not in whole
    assert columns_of(whole.splitlines()[1]) == 5 + 2 * 100 - 1

    for width in (40, 80, 110, 150):
        drawn = calendar_text(days, first, last, width)
        assert columns_of("\n".join(drawn.splitlines()[:8])) <= width
        assert ("earlier weeks don't fit" in drawn) is (width < 105)
    narrow = calendar_text(days, first, last, 40)
    assert "2026-03-30 to 2026-11-26; earlier weeks don't fit" in narrow
    assert narrow.splitlines()[9:11] == ["░ to $514.00  ▒ to $574.00  ▓ to $634.00", "█ to $694.00  · no calls"]
    assert narrow.splitlines()[0].split() == ["Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov"]


@given(
    st.dates(date(2020, 1, 1), date(2026, 12, 31)),
    st.integers(0, 500),
    st.integers(1, 200),
    st.dictionaries(st.integers(0, 500), st.decimals(0, 100, places=6), max_size=30),
)
def test_every_day_has_its_place(first, length, width, amounts):
    last = first + timedelta(days=length)
    days = [on((first + timedelta(days=n)).isoformat(), str(usd)) for n, usd in amounts.items() if n <= length]

    drawn = calendar_text(days, first, last).splitlines()

    cells = "".join("".join(line[5:].split()) for line in drawn[1:8])
    assert len(cells) == length + 1
    assert sum(cell in "░▒▓█" for cell in cells) == sum(usd > 0 for n, usd in amounts.items() if n <= length)
    assert calendar_text(days, first, last, width)
