"""What the store knows of service levels, as all workers of a gateway see it."""

from headrace.observe.cells import COMMON_CELLS
from headrace.observe.slo_history import Totals
from headrace.observe.slo_kept import (
    KEPT_CELLS,
    KNOWN_S_MAX,
    STEP_S,
    Heard,
    SloKept,
    steps_in,
    windows_s,
)
from headrace.settings.slos import EDGES_MS, LEVELS_MAX, Slo, level_number

UP = Slo(name="up", kind="availability", objective=0.9)
QUICK = Slo(name="quick", kind="latency", threshold_ms=500, objective=0.9)
NOON_S = STEP_S * 1000
SIX_HOURS_S = 21_600.0


def made() -> SloKept:
    return SloKept([0.0] * COMMON_CELLS)


def test_all_cells_have_room() -> None:
    assert KEPT_CELLS <= COMMON_CELLS


def test_every_kind_and_threshold_has_a_number_of_its_own() -> None:
    slos = [UP]
    for kind in ("latency", "ttft"):
        slos += [
            Slo(name="x", kind=kind, threshold_ms=edge, objective=0.9)  # type: ignore[arg-type]
            for edge in EDGES_MS
        ]
    assert sorted(map(level_number, slos)) == list(range(LEVELS_MAX))


def test_a_step_counts_what_came_since_it_began() -> None:
    kept = made()
    assert kept.step(NOON_S) == 1000
    # What was counted before anybody asked is nobody's.
    assert kept.counted(UP, Totals(0.0, 90.0, 100.0)) == Totals(0.0, 0.0, 0.0)
    now = Totals(10.0, 95.0, 106.0)
    assert kept.counted(UP, now) == Totals(10.0, 5.0, 6.0)
    kept.turn({level_number(UP): now}, NOON_S + STEP_S - 1)
    assert kept.step(NOON_S + STEP_S) == 1000  # until it is told of to its end
    kept.turn({level_number(UP): now}, NOON_S + STEP_S)
    assert kept.step(NOON_S + STEP_S) == 1001
    assert kept.counted(UP, Totals(20.0, 96.0, 108.0)) == Totals(20.0, 1.0, 2.0)
    assert kept.round == 0


def test_a_step_that_comes_again_is_told_of_in_other_rows() -> None:
    kept = made()
    kept.step(NOON_S)
    kept.turn({}, NOON_S - 5 * STEP_S)
    assert (kept.step(NOON_S - 5 * STEP_S), kept.round) == (995, 1)


def test_a_level_nobody_asked_about_for_a_step_is_begun_anew() -> None:
    kept = made()
    kept.step(NOON_S)
    kept.counted(UP, Totals(0.0, 0.0, 0.0))
    kept.turn({}, NOON_S + STEP_S)
    assert kept.counted(UP, Totals(900.0, 50.0, 60.0)).every == 0


def test_another_worker_adds_what_came_since_the_store_was_heard() -> None:
    common = [0.0] * COMMON_CELLS
    kept, other = SloKept(common), SloKept(common)
    assert other.over(UP, 0, UP.window_s, Totals(50.0, 9.0, 10.0)) is None
    assert other.stored(UP, 0) is None
    kept.hear(
        UP, 0, Totals(50.0, 9.0, 10.0), [Heard(990.0, 1000.0, 86_400.0), Heard(99.0, 100.0, 600.0)]
    )
    now = Totals(60.0, 10.0, 13.0)
    assert other.over(UP, 0, UP.window_s, now) == Totals(50.0 - 86_400.0, 991.0, 1003.0)
    assert other.over(UP, 0, SIX_HOURS_S, now) == Totals(50.0 - 600.0, 100.0, 103.0)
    assert other.stored(UP, 0) == 1000
    assert other.over(UP, 0, 3600.0, now) is None  # that is not asked of the store
    assert other.over(UP, 0, UP.window_s, Totals(51.0 + KNOWN_S_MAX, 10.0, 13.0)) is None


def test_what_was_heard_of_another_level_under_the_same_name_is_not_told() -> None:
    kept, now = made(), Totals(50.0, 9.0, 10.0)
    kept.hear(UP, 0, now, [Heard(1.0, 2.0, 3.0)] * len(windows_s(UP)))
    assert kept.over(QUICK, 0, UP.window_s, now) is None
    assert kept.stored(QUICK, 0) is None
    # Nor what was heard of a window that is another now.
    week = Slo(name="up", kind="availability", objective=0.9, window_days=7)
    assert kept.over(week, 0, week.window_s, now) is None


def test_a_window_takes_in_the_step_under_way() -> None:
    assert steps_in(SIX_HOURS_S) == 24
    assert steps_in(STEP_S + 1) == 2
