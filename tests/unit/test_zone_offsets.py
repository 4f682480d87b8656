from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.infrastructure.columns import from_ms, to_ms
from neuralterm.infrastructure.zone_offsets import zone_offsets

HOUR = 3_600_000
NAMES = st.sampled_from(["Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca", "Etc/UTC"])
TIMES = st.integers(0, 10**9).map(lambda seconds: 10**12 + 1000 * seconds)


@pytest.mark.parametrize(
    ("zone", "year", "changes"),
    [
        ("Europe/Berlin", 2026, [("2026-03-29T01:00", 2), ("2026-10-25T01:00", 1)]),
        ("America/New_York", 2026, [("2026-03-08T07:00", -4), ("2026-11-01T06:00", -5)]),
        ("Australia/Lord_Howe", 2026, [("2026-04-04T15:00", 10.5), ("2026-10-03T15:30", 11)]),
        ("Asia/Kolkata", 2026, []),
        ("Pacific/Apia", 2011, [("2011-04-02T14:00", -11), ("2011-09-24T14:00", -10), ("2011-12-30T10:00", 14)]),
    ],
)
def test_changes_are_found_to_the_quarter_of_an_hour(zone, year, changes):
    start, end = (to_ms(datetime(each, 1, 1, tzinfo=UTC)) for each in (year, year + 1))

    first, *found = zone_offsets(ZoneInfo(zone), start, end)

    assert first[0] == start
    assert [(f"{from_ms(at):%Y-%m-%dT%H:%M}", offset / HOUR) for at, offset in found] == changes


@given(NAMES, TIMES, st.integers(0, 400 * 24 * HOUR), st.lists(st.integers(0, 10**6), max_size=20))
def test_offsets_hold_for_every_time(name, start, length, samples):
    zone = ZoneInfo(name)
    found = zone_offsets(zone, start, start + length)

    for sample in samples:
        at = start + length * sample // 10**6
        (*_, offset) = [offset for since, offset in found if since <= at]
        assert from_ms(at).astimezone(zone).utcoffset().total_seconds() * 1000 == offset
