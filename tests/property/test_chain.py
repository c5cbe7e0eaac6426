"""Whatever fails however, a walk ends, and asks no target twice unless it is told to."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from headrace.routing.chain import (
    PASSING,
    Ask,
    Chain,
    Failure,
    GiveText,
    GiveUp,
    LookForStale,
    Move,
    Step,
    Walk,
)

FAILURES: tuple[Failure, ...] = get_args(Failure)
CONDITIONS = st.one_of(st.just(PASSING), st.frozensets(st.sampled_from(FAILURES)))


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    numbers = iter(range(sum(sizes)))
    steps = tuple(
        Step(tuple(f"t{next(numbers)}" for _ in range(size)), draw(CONDITIONS)) for size in sizes
    )
    return Chain(
        steps,
        stale=draw(st.sampled_from(["never", "first", "second", "last"])),
        text=draw(st.sampled_from([None, "Later."])),
        text_after=draw(CONDITIONS),
    )


def walked(
    walk: Walk, failure: Callable[[], Failure], again: Callable[[], bool] = lambda: False
) -> list[Move]:
    """All moves of a walk on which everything fails."""
    moves = [walk.next()]
    while not isinstance(moves[-1], GiveText | GiveUp):
        assert len(moves) < 1000
        if isinstance(moves[-1], LookForStale):
            moves.append(walk.next())
        else:
            moves.append(walk.next(failure(), again=again()))
    return moves


@given(chain=chains(), data=st.data())
def test_walk_ends_and_asks_nobody_twice(chain: Chain, data: st.DataObject) -> None:
    blocks = st.one_of(st.none(), st.sampled_from(["open", "no_room"]))
    walk = Walk(
        chain,
        blocked=lambda _: data.draw(blocks),
        choose=lambda names: data.draw(st.sampled_from(names)),
    )
    moves = walked(walk, lambda: data.draw(st.sampled_from(FAILURES)))
    asked = Counter(move.target for move in moves if isinstance(move, Ask))
    assert set(asked.values()) <= {1}
    assert walk.asked == asked.total()
    assert sum(isinstance(move, LookForStale) for move in moves) <= (chain.stale != "never")
    names = [name for name, _ in walk.tried]
    assert len(set(names)) == len(names)
    order = [number for name in names for number, s in enumerate(chain.steps) if name in s.targets]
    assert order == sorted(order)


@given(chain=chains(), data=st.data())
def test_same_target_is_asked_again_only_when_told_to(chain: Chain, data: st.DataObject) -> None:
    left = iter(data.draw(st.lists(st.booleans(), max_size=20)))
    told = []

    def again() -> bool:
        told.append(next(left, False))
        return told[-1]

    walk = Walk(chain, blocked=lambda _: None)
    moves = walked(walk, lambda: data.draw(st.sampled_from(FAILURES)), again)
    asked = [move.target for move in moves if isinstance(move, Ask)]
    repeats = sum(one == two for one, two in pairwise(asked))
    assert repeats == sum(told)
    assert len(set(asked)) == len(asked) - repeats


@given(chain=chains(), block=st.sampled_from(["open", "no_room"]))
def test_where_all_are_open_nobody_is_asked(chain: Chain, block: Any) -> None:
    walk = Walk(chain, blocked=lambda _: block)
    moves = walked(walk, lambda: "refused")
    assert not any(isinstance(move, Ask) for move in moves)
    wants_stale = chain.stale != "never"
    assert sum(isinstance(move, LookForStale) for move in moves) == wants_stale
    has_text = chain.text is not None and block in chain.text_after
    assert moves[-1] == (GiveText("Later.") if has_text else GiveUp(block, was_asked=False))
    leading = [s for s in chain.steps[1:] if block in s.after]
    assert {name for name, _ in walk.tried} == {
        *(chain.steps[0].targets if block in chain.steps[0].after else chain.steps[0].targets[:1]),
        *(name for step in leading for name in step.targets),
    }


@given(chain=chains(), failure=st.sampled_from(FAILURES), again=st.booleans())
def test_nothing_is_tried_after_the_first_byte(
    chain: Chain, failure: Failure, *, again: bool
) -> None:
    walk = Walk(chain, blocked=lambda _: None)
    if isinstance(walk.next(), LookForStale):
        walk.next()
    over = GiveUp(failure, was_asked=True)
    assert walk.next(failure, again=again, has_begun=True) == over
    assert walk.next() == over
