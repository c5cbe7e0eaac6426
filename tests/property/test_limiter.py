"""Whatever happens to permits and clocks: counts are right and limits within bounds."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.clock import ManualClock
from headrace.flow.limit.aimd import AimdLimit
from headrace.flow.limit.base import Limit
from headrace.flow.limit.cubic import CubicLimit
from headrace.flow.limit.fixed import FixedLimit
from headrace.flow.limit.gradient import GradientLimit
from headrace.flow.limit.gradient2 import Gradient2Limit
from headrace.flow.limit.lowest import LowestLimit
from headrace.flow.limit.vegas import VegasLimit
from headrace.flow.limit.windowed import WindowedLimit
from headrace.flow.limiter import Limiter, Permit

LEAST, MOST = 2, 50
PERMIT_S_MAX, RETRY_AFTER_S_MAX = 100.0, 20.0

Make = Callable[[], Limit]


def gradient() -> Limit:
    return GradientLimit(initial=10, limit_min=LEAST, limit_max=MOST)


MAKERS: tuple[Make, ...] = (
    lambda: AimdLimit(initial=10, limit_min=LEAST, limit_max=MOST),
    lambda: CubicLimit(initial=10, limit_min=LEAST, limit_max=MOST),
    gradient,
    lambda: Gradient2Limit(initial=10, limit_min=LEAST, limit_max=MOST),
    lambda: VegasLimit(uniform=Random(1).random, initial=10, limit_min=LEAST, limit_max=MOST),
    lambda: WindowedLimit(
        GradientLimit(initial=10, limit_min=LEAST, limit_max=MOST), window_s=0.1, samples_min=2
    ),
    lambda: LowestLimit((FixedLimit(20), CubicLimit(limit_min=LEAST, limit_max=MOST))),
)

SECONDS = st.floats(allow_nan=True, allow_infinity=True)
SAMPLES = st.tuples(
    st.floats(min_value=0, max_value=1e12),
    st.integers(1, 1000),
    st.booleans(),
    st.floats(min_value=-1e9, max_value=1e9),
)


@pytest.mark.heavy
@given(st.sampled_from(MAKERS), st.lists(SAMPLES, max_size=200))
@example(gradient, [(180143985096.0, 1, False, 0.0), (2.2250738585e-313, 5, False, 0.0)])
def test_a_limit_stays_within_its_bounds_whatever_it_is_told(
    make: Make, samples: list[tuple[float, int, bool, float]]
) -> None:
    limit = make()
    for rtt_s, inflight, is_drop, now_s in samples:
        limit.update(rtt_s, inflight, is_drop=is_drop, now_s=now_s)
        assert LEAST <= limit.limit <= MOST


@given(
    st.sampled_from(MAKERS),
    st.lists(
        st.one_of(
            st.tuples(st.just("take"), st.just(0.0)),
            st.tuples(st.sampled_from(("success", "drop")), SECONDS),
            st.tuples(st.just("ignore"), st.just(0.0)),
            st.tuples(st.just("again"), st.just(0.0)),
            st.tuples(st.just("wait"), st.floats(-300, 300)),
            st.tuples(st.just("reclaim"), st.just(0.0)),
        ),
        max_size=120,
    ),
)
def test_permits_are_counted_right_whatever_happens(
    make: Make, acts: list[tuple[str, float]]
) -> None:
    clock = ManualClock()
    limiter = Limiter(
        make(), clock=clock, permit_s_max=PERMIT_S_MAX, retry_after_s_max=RETRY_AFTER_S_MAX
    )
    out: list[Permit] = []
    ended: list[Permit] = []
    for act, value in acts:
        if act == "wait":
            clock.advance(value)
        elif act == "reclaim":
            limiter.reclaim()
        elif act == "take":
            permit = limiter.try_acquire()
            assert permit is None or limiter.inflight <= limiter.limit
            out += [permit] if permit else []
        elif act == "again":
            for permit in ended:
                permit.success()
        elif out:
            permit = out.pop(0)
            ended.append(permit)
            permit.ignore() if act == "ignore" else getattr(permit, act)(value)
        stats = limiter.stats()
        assert stats.inflight == limiter.inflight >= 0
        assert stats.closed_s >= 0
        assert stats.successes + stats.ignored + stats.drops <= len(ended)
    for permit in out:
        permit.ignore()
    assert limiter.inflight == 0
    # Whatever gate was set on whatever clock: in the longest that is believed it is open.
    clock.advance(RETRY_AFTER_S_MAX)
    assert limiter.try_acquire() is not None


@given(st.lists(st.sampled_from(("success", "ignore", "drop")), min_size=1, max_size=50))
def test_who_waits_hears_of_every_permit_that_comes_back(ends: list[str]) -> None:
    limiter = Limiter(FixedLimit(1), clock=ManualClock())
    heard = []
    limiter.on_free = lambda: heard.append(1)
    for end in ends:
        permit = limiter.try_acquire()
        assert permit is not None
        getattr(permit, end)()
    assert len(heard) == len(ends)
