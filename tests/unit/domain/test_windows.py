"""When budgets start afresh, and which calls they count."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neuralterm.domain.budget import Scope, Window, matches

CALENDAR = (Window.DAY, Window.WEEK, Window.MONTH)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def bounds(window, now, zone="UTC"):
    """The beginning and the end of the window, as clocks in London in winter show them."""
    zone = UTC if zone == "UTC" else ZoneInfo(zone)
    return tuple(f"{moment:%Y-%m-%d %H:%M}" for moment in (window.start(now, zone), window.end(now, zone)))


class TestInUtc:
    NOW = utc("2026-11-26 15:30:07.000009")  # a Thursday

    @pytest.mark.parametrize(
        ("window", "start", "end"),
        [
            (Window.DAY, "2026-11-26 00:00", "2026-11-27 00:00"),
            (Window.WEEK, "2026-11-23 00:00", "2026-11-30 00:00"),
            (Window.MONTH, "2026-11-01 00:00", "2026-12-01 00:00"),
        ],
    )
    def test_calendar_windows(self, window, start, end):
        assert bounds(window, self.NOW) == (start, end)

    @pytest.mark.parametrize("window", [Window.CALL, Window.TOTAL])
    def test_windows_without_an_end(self, window):
        assert window.start(self.NOW) is None
        assert window.end(self.NOW) is None

    @pytest.mark.parametrize("window", CALENDAR)
    def test_midnight_belongs_to_what_begins(self, window):
        midnight = utc("2027-03-01 00:00")  # a Monday
        assert window.start(midnight) == midnight
        assert window.end(midnight - TICK) == midnight
        assert window.start(midnight - TICK) < midnight

    @pytest.mark.parametrize(
        ("now", "end"),
        [
            ("2028-02-28 23:59", "2028-02-29 00:00"),
            ("2027-02-28 23:59", "2027-03-01 00:00"),
            ("2026-12-31 23:59", "2027-01-01 00:00"),
        ],
    )
    def test_days_at_the_end_of_months(self, now, end):
        assert bounds(Window.DAY, utc(now))[1] == end

    @pytest.mark.parametrize(
        ("month", "following"),
        [("2028-02", "2028-03"), ("2027-02", "2027-03"), ("2026-01", "2026-02"), ("2026-12", "2027-01")],
    )
    def test_months_of_every_length(self, month, following):
        for day in ("01", "28"):
            assert bounds(Window.MONTH, utc(f"{month}-{day}")) == (f"{month}-01 00:00", f"{following}-01 00:00")

    def test_a_week_may_lie_in_two_years(self):
        assert bounds(Window.WEEK, utc("2027-01-01")) == ("2026-12-28 00:00", "2027-01-04 00:00")


class TestInAZone:
    def test_the_zone_of_now_does_not_matter(self):
        now = utc("2026-11-26 23:30")
        elsewhere = now.astimezone(timezone(timedelta(hours=14)))
        assert Window.DAY.start(elsewhere) == Window.DAY.start(now)

    def test_a_day_is_the_zones(self):
        assert bounds(Window.DAY, utc("2026-11-26 15:30"), "Asia/Tokyo") == ("2026-11-26 15:00", "2026-11-27 15:00")

    def test_a_month_may_begin_on_the_day_before_in_utc(self):
        assert bounds(Window.MONTH, utc("2026-10-31 18:30"), "Asia/Kolkata") == ("2026-10-31 18:30", "2026-11-30 18:30")

    @pytest.mark.parametrize(
        ("zone", "now", "start", "hours"),
        [
            ("Europe/Berlin", "2026-03-29 12:00", "2026-03-28 23:00", 23),
            ("Europe/Berlin", "2026-10-25 12:00", "2026-10-24 22:00", 25),
            ("Australia/Lord_Howe", "2026-10-04 12:00", "2026-10-03 13:30", 23.5),
            # Midnight does not exist: clocks go from 24:00 to 01:00.
            ("America/Sao_Paulo", "2018-11-04 12:00", "2018-11-04 03:00", 23),
            ("Asia/Beirut", "2026-03-29 12:00", "2026-03-28 22:00", 23),
            ("Africa/Cairo", "2026-04-24 12:00", "2026-04-23 22:00", 23),
            # The hour before midnight comes twice.
            ("America/Sao_Paulo", "2018-02-17 12:00", "2018-02-17 02:00", 25),
            ("Asia/Beirut", "2026-10-24 12:00", "2026-10-23 21:00", 25),
            ("Africa/Cairo", "2026-10-29 12:00", "2026-10-28 21:00", 25),
            # The hour after midnight comes twice.
            ("America/Havana", "2026-11-01 12:00", "2026-11-01 04:00", 25),
            # Clocks jump over midnight: from 23:30 to 00:30.
            ("America/Toronto", "1919-03-31 12:00", "1919-03-31 04:30", 23.5),
            # Midnight comes twice: one minute later clocks are set back to 23:01.
            ("America/St_Johns", "2010-11-07 12:00", "2010-11-07 02:30", 25),
        ],
    )
    def test_days_on_which_clocks_change(self, zone, now, start, hours):
        begin, end = (edge(utc(now), ZoneInfo(zone)) for edge in (Window.DAY.start, Window.DAY.end))
        assert (begin, end - begin) == (utc(start), hours * HOUR)

    def test_the_hour_that_clocks_show_again_belongs_to_the_new_day(self):
        """Otherwise the old day's budget would be open once more after it had ended."""
        again = utc("2010-11-07 03:00")  # 23:30 on the 6th, after half past two that was already the 7th
        assert again.astimezone(ZoneInfo("America/St_Johns")).day == 6
        assert bounds(Window.DAY, again, "America/St_Johns") == ("2010-11-07 02:30", "2010-11-08 03:30")

    def test_a_day_that_was_left_out_takes_no_time(self):
        """Samoa went from the 29th to the 31st of December."""
        assert bounds(Window.DAY, utc("2011-12-30 09:59"), "Pacific/Apia") == ("2011-12-29 10:00", "2011-12-30 10:00")
        assert bounds(Window.DAY, utc("2011-12-30 10:00"), "Pacific/Apia") == ("2011-12-30 10:00", "2011-12-31 10:00")


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(CALENDAR),
    st.sampled_from(sorted(available_timezones())),
)
@example(utc("2018-11-04 03:00"), Window.DAY, "America/Sao_Paulo")
@example(utc("1919-03-31 04:31"), Window.DAY, "America/Toronto")
@example(utc("2010-11-07 02:30:30"), Window.DAY, "America/St_Johns")
@example(utc("2010-11-07 03:00"), Window.WEEK, "America/St_Johns")
@example(utc("1969-09-30 13:30"), Window.MONTH, "Pacific/Kwajalein")
@example(utc("2011-12-30 10:00"), Window.DAY, "Pacific/Apia")
def test_windows_follow_each_other_without_gap_or_overlap_in_every_zone(now, window, name):
    zone = ZoneInfo(name)
    start, end = window.start(now, zone), window.end(now, zone)
    assert start <= now < end
    assert window.start(start, zone) == window.start(end - TICK, zone) == start
    assert window.end(start, zone) == window.start(end, zone) == end
    assert window.end(start - TICK, zone) == start


class TestScope:
    HERE, ELSEWHERE = UUID(int=1), UUID(int=2)

    @pytest.mark.parametrize(
        ("scope", "counts"),
        [
            (Scope(), True),
            (Scope(tag="ci"), True),
            (Scope(tag="CI"), False),
            (Scope(tag="c*"), False),
            (Scope(model="openai/*"), True),
            (Scope(model="anthropic/*"), True),
            (Scope(model="google/*"), False),
            (Scope(conversation=HERE), True),
            (Scope(conversation=ELSEWHERE), False),
            (Scope(tag="ci", model="openai/*", conversation=HERE), True),
            (Scope(tag="ci", model="google/*", conversation=HERE), False),
            (Scope(tag="x", model="openai/*", conversation=HERE), False),
            (Scope(tag="ci", model="openai/*", conversation=ELSEWHERE), False),
        ],
    )
    def test_all_parts_must_fit(self, scope, counts):
        models = ["openai/gpt-4o", "anthropic/claude-haiku-4.5"]
        assert scope.covers(("docs", "ci"), models, self.HERE) is counts

    def test_a_call_outside_any_conversation(self):
        assert Scope().covers((), ["a/b"], None)
        assert not Scope(conversation=self.HERE).covers((), ["a/b"], None)

    @pytest.mark.parametrize(
        ("pattern", "fits"),
        [
            ("openai/gpt-4o", True),
            ("OpenAI/GPT-4o", True),
            ("openai/gpt-4", False),
            ("gpt-4o", False),
            ("*gpt*", True),
            ("openai/gpt-?o", True),
            ("openai/gpt-[45]o", True),
            ("openai/gpt-[!4]o", False),
            ("", False),
        ],
    )
    def test_patterns(self, pattern, fits):
        assert matches("openai/GPT-4o", pattern) is fits

    @pytest.mark.parametrize("model", ["a/b:nitro", "a/b:floor:online", "A/B:Exacto", "a/b"])
    def test_a_suffix_of_routing_is_no_way_round_a_budget(self, model):
        assert matches(model, "a/b")
        assert matches(model, model)

    def test_a_variant_is_a_model_of_its_own(self):
        assert not matches("a/b:free", "a/b")
        assert matches("a/b:free:nitro", "a/b:free")
