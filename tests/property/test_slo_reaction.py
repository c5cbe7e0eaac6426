"""The share that gives way is bounded, steps are, and it follows what it is shown."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.observe.slo_reaction import (
    LOOKS_WAITED_MAX,
    STEP_MAX,
    Looked,
    ReactionCourse,
    is_due,
    shares,
)
from headrace.settings.slos import Reaction, Slo

rates = st.floats(0, 1000)
looks = st.builds(Looked, st.floats(0, 1e6), rates, rates, rates, st.floats(0, 1e6))
part = st.floats(0, 1)
START = 5.0
CALM_LOOKS = 25


def course(share_max: float = 0.9, share: float = 0.0) -> ReactionCourse:
    return ReactionCourse(Reaction(action="shed", share_max=share_max), START, share)


@given(st.lists(looks, max_size=60), st.floats(0.01, 1))
def test_every_step_is_bounded_whatever_is_seen(seen: list[Looked], share_max: float) -> None:
    one = course(share_max)
    for each in seen:
        before = one.share
        one.look(each)
        assert 0 <= one.share <= share_max
        assert abs(one.share - before) <= STEP_MAX + 1e-9


@given(st.lists(looks, max_size=20), looks)
def test_it_never_rises_at_rest(seen: list[Looked], last: Looked) -> None:
    one = course()
    for each in seen:
        one.look(each)
    before = one.share
    one.look(last)
    if one.share > before + 1e-9 and before > 0.0:
        assert last.every > 0
        assert last.burn > 1


@given(looks)
def test_it_begins_only_where_both_windows_burn(seen: Looked) -> None:
    one = course()
    one.look(seen)
    burns = min(seen.burn, seen.fast, seen.slow) > START and seen.every > 0 and seen.bad >= 5
    assert (one.share > 0) == burns


@given(st.lists(looks, max_size=40))
def test_it_is_over_soon_after_what_burns_is(seen: list[Looked]) -> None:
    one = course(share_max=1)
    for each in seen:
        one.look(each)
    # Whatever the windows still remember.
    calm = Looked(100, 0.0, 1000, 1000, 1000)
    course_of = []
    for _ in range(CALM_LOOKS):
        one.look(calm)
        course_of.append(one.share)
    assert course_of[-1] == 0
    assert course_of == sorted(course_of, reverse=True)


@given(st.lists(looks, max_size=40), looks)
def test_it_lets_go_where_nothing_is_answered_any_more(seen: list[Looked], last: Looked) -> None:
    one = course()
    for each in seen:
        one.look(each)
    for _ in range(CALM_LOOKS):
        one.look(last._replace(every=0.0))
    assert one.share == 0


@given(part, st.floats(0, 1e6), st.floats(0, 1e6))
def test_classes_together_give_way_as_much_as_is_decided(
    share: float, low: float, normal: float
) -> None:
    of_low, of_normal = shares(share, low, normal)
    assert 0 <= of_low <= 1
    assert 0 <= of_normal <= 1
    assert of_normal == 0 or of_low == 1  # low priority first
    if low > 1e-3 and normal > 1e-3:
        given_way = of_low * low + of_normal * normal
        assert abs(given_way - share * (low + normal)) <= 1e-6 * (low + normal)


@given(st.floats(0, 100), st.floats(0, 1000), st.floats(0.25, 600))
def test_it_looks_in_time(every: float, waited_s: float, look_s: float) -> None:
    due = is_due(every, waited_s, look_s)
    assert not (due and waited_s < look_s)
    assert due or waited_s < LOOKS_WAITED_MAX * look_s


@given(st.floats(0.5, 0.99999))
def test_a_reaction_begins_where_it_can(objective: float) -> None:
    slo = Slo(name="a", kind="availability", objective=objective, reaction=Reaction(action="shed"))
    assert 1 < slo.start_rate < 1 / slo.budget
