"""Whatever calls, keys and time do, every call is told once how it goes on, and nothing is lost."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gateway.gates.test_quotas import Call, Desk

from headrace.flow.quota.told import NOTHING, Told

CALLS = st.tuples(st.just("call"), st.floats(0, 2000), st.integers(0, 3), st.floats(0.1, 200))
STEPS = st.lists(
    st.one_of(
        CALLS,
        CALLS,
        st.tuples(st.just("pass"), st.floats(-5, 60)),
        st.tuples(st.just("leave"), st.integers(0, 50)),
        st.tuples(st.just("end"), st.integers(0, 50), st.floats(0, 3000)),
        st.tuples(st.just("shut"), st.integers(0, 50), st.floats(0, 90)),
    ),
    max_size=60,
)


def step(desk: Desk, calls: list[Call], what: tuple[Any, ...]) -> None:
    kind, *values = what
    if kind == "call":
        tokens, priority, within_s = values
        due_s = desk.clock.monotonic_s() + within_s
        if desk.allowance.waiting and desk.allowance.ahead(priority) is None:
            return  # nobody has a turn
        calls.append(desk.call(tokens, priority, due_s))
    elif kind == "pass":
        desk.pass_time(values[0])
    elif calls:
        call = calls[values[0] % len(calls)]
        if kind == "leave":
            desk.allowance.leave(call)
            call.has_left = True
        elif call.reservation is not None and call.quota is not None:
            if kind == "shut":
                now_s = desk.clock.monotonic_s()
                call.quota.observe(Told((), values[1]), now_s, call.reservation, 429)
            call.quota.observe(NOTHING, desk.clock.monotonic_s(), call.reservation)
            call.reservation.settle(values[1], 0)
            call.is_settled = True


@given(steps=STEPS, keys=st.lists(st.integers(1, 120), min_size=1, max_size=3))
def test_every_call_is_told_once(steps: list[tuple[Any, ...]], keys: list[int]) -> None:
    async def test() -> None:
        desk = Desk(*keys, tokens=3000)
        calls: list[Call] = []
        for what in steps:
            step(desk, calls, what)
        for _ in range(len(calls) + 1):
            desk.pass_time(200)
        assert desk.allowance.waiting == 0
        for call in calls:
            told = (call.key is not None) + (call.gave_up_s is not None)
            assert told == 1 or (call.has_left and told == 0)
            if call.gave_up_s is not None:
                assert call.gave_up_s > 0
        under_way = sum(call.key is not None and not call.is_settled for call in calls)
        shown = sum(each["inflight"] for each in desk.keys.told())
        assert shown == under_way

    asyncio.run(test())
