"""Times in cron's fields, against a clock that is watched minute by minute."""

from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.settings.cron import Every, cron_problem, parse_cron

BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
YEAR_2000_S, YEAR_2150_S = 946_684_800, 5_680_281_600
WATCHED_MINUTES = 600


class Field(NamedTuple):
    """A field as it is written, and the numbers it allows."""

    text: str
    numbers: frozenset[int]


@st.composite
def fields(draw: st.DrawFn, first: int, last: int) -> Field:
    items, numbers = [], set()
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(first, last))
        end = draw(st.integers(start, last))
        step = draw(st.integers(1, 99))
        text, allowed = draw(
            st.sampled_from(
                (
                    ("*", range(first, last + 1)),
                    (f"*/{step}", range(first, last + 1, step)),
                    (f"{start}", (start,)),
                    (f"{start}-{end}", range(start, end + 1)),
                    (f"{start}-{end}/{step}", range(start, end + 1, step)),
                )
            )
        )
        items.append(text)
        numbers |= set(allowed)
    return Field(",".join(items), frozenset(numbers))


FIVE = st.tuples(*(fields(*bounds) for bounds in BOUNDS))


def is_time(five: tuple[Field, ...], at_s: float) -> bool:
    """What the five fields say of one minute, read one after the other."""
    when = datetime.fromtimestamp(at_s, UTC)
    minute, hour, day, month, weekday = five
    is_day = when.day in day.numbers
    is_weekday = bool({when.isoweekday(), when.isoweekday() % 7} & weekday.numbers)
    if day.text.startswith("*") or weekday.text.startswith("*"):
        fits = is_day and is_weekday
    else:
        fits = is_day or is_weekday
    return (
        fits
        and when.month in month.numbers
        and when.hour in hour.numbers
        and when.minute in minute.numbers
    )


@settings(max_examples=150, deadline=None)
@given(five=FIVE, after_s=st.floats(YEAR_2000_S, YEAR_2150_S), data=st.data())
def test_the_next_time_is_one_and_none_lies_before_it(
    five: tuple[Field, ...], after_s: float, data: st.DataObject
) -> None:
    text = " ".join(field.text for field in five)
    if cron_problem(text) is not None:  # a day that never comes
        assert max(five[2].numbers) > 28 or not five[2].numbers
        assert min(five[2].numbers) > 28
        return
    next_s = parse_cron(text).next_s(after_s)
    assert next_s > after_s
    assert next_s % 60 == 0
    assert is_time(five, next_s)
    first, last = int(after_s // 60) + 1, int(next_s // 60)
    watched = {*range(first, min(first + WATCHED_MINUTES, last))}
    watched |= {*range(max(first, last - WATCHED_MINUTES), last)}
    if first < last:
        watched |= set(data.draw(st.lists(st.integers(first, last - 1), max_size=50)))
    assert [minute for minute in watched if is_time(five, 60.0 * minute)] == []


@given(text=st.text(max_size=40) | st.from_regex(r"([0-9*,/a-z-]{1,6} ){4}[0-9*,/a-z-]{1,6}"))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    problem = cron_problem(text)
    if problem is None:
        assert parse_cron(text).next_s(YEAR_2000_S) > YEAR_2000_S
    else:
        assert problem.isprintable()


@given(period_s=st.floats(1, 31_536_000), after_s=st.floats(YEAR_2000_S, YEAR_2150_S))
def test_every_so_often_comes_once_a_period(period_s: float, after_s: float) -> None:
    every = Every(period_s)
    next_s = every.next_s(after_s)
    assert after_s < next_s <= after_s + period_s * 1.001
    assert every.next_s(next_s) - next_s == pytest.approx(period_s, rel=0.01)


@pytest.mark.parametrize(
    ("text", "after", "wanted"),
    [
        ("0 4 * * *", "2026-03-01T04:00:00", "2026-03-02T04:00:00"),
        ("0 4 * * *", "2026-03-01T03:59:59", "2026-03-01T04:00:00"),
        ("*/15 9-17 * * mon-fri", "2026-11-20T17:50:00", "2026-11-23T09:00:00"),
        ("0 0 29 feb *", "2096-03-01T00:00:00", "2104-02-29T00:00:00"),
        ("0 0 13 * 5", "2026-11-01T00:00:00", "2026-11-06T00:00:00"),
        ("30 6 1 JAN *", "2026-01-01T06:30:00", "2027-01-01T06:30:00"),
        ("0 12 * * 7", "2026-11-16T00:00:00", "2026-11-22T12:00:00"),
        ("5,10 * * * *", "2026-11-16T00:05:30", "2026-11-16T00:10:00"),
    ],
)
def test_times_as_people_write_them(text: str, after: str, wanted: str) -> None:
    def seconds(time: str) -> float:
        return datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()

    assert parse_cron(text).next_s(seconds(after)) == seconds(wanted)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 4 * *", "expected five fields"),
        ("@daily", "expected five fields"),
        ("60 4 * * *", "minute: expected 0 to 59"),
        ("0 4 0 * *", "day of the month: expected 1 to 31"),
        ("0 4 * foo *", "month: expected 1 to 12 or jan to dec"),
        ("0 4 * * 8", "day of the week: expected 0 to 7 or sun to sat"),
        ("0 17-9 * * *", "hour: a range begins with its smaller end"),
        ("5/15 * * * *", "minute: a step follows * or a range"),
        ("*-5 * * * *", "minute: a step follows * or a range"),
        ("*/0 * * * *", "minute: a step is at least 1"),
        ("1,,2 * * * *", "minute: expected a number"),
        ("0 0 31 2 *", "no day is like that"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, words: str) -> None:
    assert words in str(cron_problem(text))
