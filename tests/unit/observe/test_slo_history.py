"""Counts over sliding windows: as a list of all samples would tell them."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.observe.slo_history import COARSE_STEP_S, FINE_S, SloHistory, Totals

LONGEST_S = 6 * 3600.0


@given(
    st.lists(
        st.tuples(
            st.sampled_from([5.0, 60.0, 290.0, 4000.0]), st.integers(0, 9), st.integers(0, 9)
        ),
        min_size=1,
        max_size=300,
    ),
    st.sampled_from([300.0, 3600.0, LONGEST_S]),
)
def test_windows_are_those_of_all_samples(
    steps: list[tuple[float, int, int]], window_s: float
) -> None:
    now = Totals(1000.0, 7.0, 11.0)
    every = [now]
    history = SloHistory(now, LONGEST_S)
    for after_s, good, bad in steps:
        now = Totals(now.at_s + after_s, now.good + good, now.every + good + bad)
        every.append(now)
        history.add(now)
    told = history.over(window_s, now)
    from_s = now.at_s - window_s
    since = next((each for each in reversed(every) if each.at_s <= from_s), every[0])
    if window_s <= FINE_S:
        assert told.at_s == since.at_s
    else:
        # Longer windows may begin earlier, by no more than a step and one sample.
        assert told.at_s <= since.at_s < told.at_s + COARSE_STEP_S + 4000.0
    began = next(each for each in every if each.at_s == told.at_s)
    assert told.good == now.good - began.good
    assert told.every == now.every - began.every


def test_what_was_counted_before_is_not_told() -> None:
    history = SloHistory(Totals(0.0, 90.0, 100.0), LONGEST_S)
    assert history.over(300.0, Totals(10.0, 91.0, 102.0)) == Totals(0.0, 1.0, 2.0)


def test_months_take_no_more_room_than_they_need() -> None:
    history = SloHistory(Totals(0.0, 0.0, 0.0), LONGEST_S)
    for at in range(5, 200_000, 5):
        history.add(Totals(float(at), 0.0, 0.0))
    assert len(history._fine) < FINE_S / 5 + 100
    assert len(history._coarse) < LONGEST_S / COARSE_STEP_S + 100
    assert history.over(LONGEST_S, Totals(200_000.0, 0.0, 0.0)).at_s > 200_000 - LONGEST_S - 400
