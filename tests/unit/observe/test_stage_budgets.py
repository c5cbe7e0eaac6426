"""Stages that take longer than is declared, and no others, are told."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.observe.families import OVERRUN
from headrace.observe.stage_budgets import Overrun, StageBudgets
from headrace.settings.stages import StageSettings

STAGES = ("validate", "route", "look_up", "send")
TIMES = st.lists(st.floats(0, 1e6), min_size=len(STAGES), max_size=len(STAGES))
LIMITS = st.dictionaries(st.sampled_from(STAGES), st.floats(0.001, 1e6))


@given(LIMITS, TIMES)
def test_what_takes_longer_is_told_and_nothing_else(
    limits_ms: dict[str, float], times_ms: list[float]
) -> None:
    budgets = StageBudgets(limits_ms)
    told = list(budgets.overruns(STAGES, times_ms))
    took = dict(zip(STAGES, times_ms, strict=True))
    over = [stage for stage in STAGES if stage in limits_ms and took[stage] > limits_ms[stage]]
    assert told == [Overrun(stage, took[stage], limits_ms[stage]) for stage in over]
    marked = budgets.marked(STAGES, times_ms)
    assert [name.split(";")[0] for name in marked] == list(STAGES)
    assert [name for name in marked if "over" in name] == [
        f'{stage};desc="over {limits_ms[stage]:g} ms"' for stage in over
    ]


def test_a_stream_has_a_time_until_it_starts() -> None:
    budgets = StageBudgets({"stream_start": 100.0})
    assert list(budgets.overruns((), (), 100.0)) == []
    assert list(budgets.overruns((), (), None)) == []
    assert list(budgets.overruns((), (), 100.5)) == [Overrun("stream_start", 100.5, 100.0)]


def test_the_settings_name_every_stage_that_is_timed() -> None:
    every = StageSettings(**dict.fromkeys(StageSettings.__struct_fields__, 1.0))
    assert set(every.by_stage()) == set(OVERRUN.values)
    assert StageSettings().by_stage() == {}
    assert StageSettings(route_ms=2.5).by_stage() == {"route": 2.5}
