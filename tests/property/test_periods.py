"""Every instant lies in one day and one month of every time zone, and they follow one another."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.identity.periods import Calendar, Period

ZONES = st.sampled_from(sorted(available_timezones()))
# From when zones have rules to when rules are all that is known.
INSTANTS = st.floats(datetime(1900, 1, 2, tzinfo=UTC).timestamp(), 4e9)
PERIODS = st.sampled_from(Period)
HOUR_S = 3600


def near_a_change(zone: ZoneInfo, around_s: float) -> float:
    """The last instant before clocks change next, or the given one, where they do not."""
    before = datetime.fromtimestamp(around_s, zone)
    for _ in range(400):
        after = before + timedelta(days=1)
        if after.utcoffset() != before.utcoffset():
            low, high = before.timestamp(), after.timestamp()
            while high - low > 1:
                middle = (low + high) // 2
                is_before = datetime.fromtimestamp(middle, zone).utcoffset() == before.utcoffset()
                low, high = (middle, high) if is_before else (low, middle)
            return low
        before = after
    return around_s


@given(ZONES, INSTANTS, PERIODS)
def test_an_instant_lies_in_the_window_that_it_is_given(
    name: str, wall_s: float, period: Period
) -> None:
    window = Calendar(ZoneInfo(name)).window(period, wall_s)
    assert window.start_s <= wall_s < window.end_s


@given(ZONES, INSTANTS, PERIODS, st.floats(-36 * HOUR_S, 36 * HOUR_S))
def test_windows_follow_one_another(
    name: str, around_s: float, period: Period, off_s: float
) -> None:
    zone = ZoneInfo(name)
    wall_s = near_a_change(zone, around_s) + off_s
    window = Calendar(zone).window(period, wall_s)
    following = Calendar(zone).window(period, window.end_s)
    before = Calendar(zone).window(period, window.start_s - 0.5)
    assert following.start_s == window.end_s
    assert before.end_s == window.start_s
    assert before.number < window.number < following.number
    assert following.number <= window.number + 2  # one date was left out in Samoa


@given(ZONES, INSTANTS, PERIODS)
def test_a_calendar_that_is_asked_twice_says_the_same(
    name: str, wall_s: float, period: Period
) -> None:
    calendar = Calendar(ZoneInfo(name))
    window = calendar.window(period, wall_s)
    later = calendar.window(period, window.end_s)
    assert calendar.window(period, wall_s) == window
    assert calendar.window(period, window.end_s) == later != window


@given(ZONES, INSTANTS)
def test_days_are_dates_and_months_are_months(name: str, wall_s: float) -> None:
    zone, calendar = ZoneInfo(name), Calendar(ZoneInfo(name))
    day, month = (calendar.window(period, wall_s) for period in Period)
    first = datetime.fromtimestamp(day.start_s, zone).date()
    assert first.toordinal() >= day.number  # later, where the date itself is left out
    assert abs(first.toordinal() - day.number) <= 1
    begins = datetime.fromtimestamp(month.start_s, zone)
    assert begins.year * 12 + begins.month - 1 == month.number
    assert month.start_s <= day.start_s < day.end_s <= month.end_s


@pytest.mark.parametrize(
    ("zone", "ymd", "hours"),
    [
        ("UTC", (2026, 3, 29), 24),
        ("Europe/Berlin", (2026, 3, 29), 23),
        ("Europe/Berlin", (2026, 10, 25), 25),
        ("Africa/Cairo", (2023, 4, 28), 23),  # has no midnight
        ("America/Havana", (2025, 11, 2), 25),  # has two
        ("America/St_Johns", (2006, 10, 29), 25),  # clocks were put back over midnight
        ("America/Toronto", (1919, 3, 31), 23.5),  # began at half past midnight
        ("Australia/Lord_Howe", (2026, 4, 5), 24.5),
    ],
)
def test_days_are_as_long_as_they_are(zone: str, ymd: tuple[int, int, int], hours: float) -> None:
    noon_s = datetime(*ymd, 12, tzinfo=ZoneInfo(zone)).timestamp()
    day = Calendar(ZoneInfo(zone)).window(Period.DAY, noon_s)
    assert (day.end_s - day.start_s) / HOUR_S == hours
    assert day.number == date(*ymd).toordinal()


def test_a_month_ends_at_the_tenants_midnight() -> None:
    calendar = Calendar(ZoneInfo("America/New_York"))
    end_s = datetime(2026, 12, 1, 5, tzinfo=UTC).timestamp()
    assert calendar.window(Period.MONTH, end_s - 1).end_s == end_s
    assert calendar.window(Period.MONTH, end_s).number == 2026 * 12 + 11
