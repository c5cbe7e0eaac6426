"""What comes next when something failed; tests/property walks chains of every shape."""

from collections.abc import Sequence
from typing import get_args

import pytest

from headrace.routing.chain import (
    Ask,
    Chain,
    Failure,
    GiveText,
    GiveUp,
    LookForStale,
    Step,
    Walk,
    failure_of_fault,
    failure_of_status,
)
from headrace.upstream.faults import FaultKind

PLAIN = Chain((Step(("one",)), Step(("two",)), Step(("three",))), text="Later.")


def free(_: str) -> Failure | None:
    return None


def test_goes_down_the_chain_and_ends_with_the_text() -> None:
    walk = Walk(PLAIN, blocked=free)
    assert walk.next() == Ask("one")
    assert walk.next("server_error") == Ask("two")
    assert walk.next("timeout") == Ask("three")
    assert walk.next("broken") == GiveText("Later.")
    assert walk.tried == [("one", "server_error"), ("two", "timeout"), ("three", "broken")]
    assert walk.asked == 3


@pytest.mark.parametrize("failure", ["refused", "denied", "too_long", "filtered"])
def test_what_the_request_is_to_blame_for_leads_nowhere(failure: Failure) -> None:
    walk = Walk(PLAIN, blocked=free)
    walk.next()
    assert walk.next(failure) == GiveUp(failure, was_asked=True)


def test_steps_are_taken_after_their_failures_only() -> None:
    long = Step(("long",), frozenset({"too_long"}))
    other = Step(("other",), frozenset({"rate_limited", "filtered"}))
    chain = Chain((Step(("one",)), long, other))
    walk = Walk(chain, blocked=free)
    walk.next()
    assert walk.next("rate_limited") == Ask("other")
    walk = Walk(chain, blocked=free)
    walk.next()
    assert walk.next("too_long") == Ask("long")
    assert walk.next("filtered") == Ask("other")
    assert walk.next("filtered") == GiveUp("filtered", was_asked=True)


def test_reason_survives_a_target_that_cannot_be_asked() -> None:
    after = frozenset[Failure]({"too_long"})
    chain = Chain((Step(("one",)), Step(("two",), after), Step(("three",), after)))
    walk = Walk(chain, blocked=lambda name: "open" if name == "two" else None)
    walk.next()
    assert walk.next("too_long") == Ask("three")
    assert walk.tried == [("one", "too_long"), ("two", "open")]


def test_all_targets_of_a_step_come_before_the_next_step() -> None:
    asked: list[Sequence[str]] = []

    def last(names: Sequence[str]) -> str:
        asked.append(tuple(names))
        return names[-1]

    walk = Walk(Chain((Step(("a", "b", "c")), Step(("d",)))), blocked=free, choose=last)
    order = [walk.next(), *(walk.next("broken") for _ in range(3))]
    assert order == [Ask("c"), Ask("b"), Ask("a"), Ask("d")]
    assert asked == [("a", "b", "c"), ("a", "b")]


@pytest.mark.parametrize(
    ("stale", "place"), [("never", None), ("first", 0), ("second", 1), ("last", 3)]
)
def test_stale_answer_is_looked_for_where_it_is_wished(stale: str, place: int | None) -> None:
    walk = Walk(Chain(PLAIN.steps, stale=stale), blocked=free)  # type: ignore[arg-type]
    moves = []
    failure: Failure | None = None
    while not moves or not isinstance(moves[-1], GiveUp):
        moves.append(walk.next(failure))
        failure = "timeout" if isinstance(moves[-1], Ask) else None
    assert [at for at, move in enumerate(moves) if move == LookForStale()] == (
        [] if place is None else [place]
    )


def test_stale_answer_comes_before_the_second_where_the_first_is_open() -> None:
    chain = Chain(PLAIN.steps, stale="second")
    walk = Walk(chain, blocked=lambda name: "open" if name == "one" else None)
    assert walk.next() == LookForStale()
    assert walk.next() == Ask("two")


def test_no_stale_answer_for_a_wrong_request() -> None:
    for stale in ("second", "last"):
        walk = Walk(Chain(PLAIN.steps, stale=stale), blocked=free)  # type: ignore[arg-type]
        walk.next()
        assert walk.next("refused") == GiveUp("refused", was_asked=True)


def test_all_open_gives_what_needs_no_target() -> None:
    walk = Walk(Chain(PLAIN.steps, stale="last", text="Later."), blocked=lambda _: "open")
    assert walk.next() == LookForStale()
    assert walk.next() == GiveText("Later.")
    walk = Walk(Chain(PLAIN.steps), blocked=lambda _: "no_room")
    assert walk.next() == GiveUp("no_room", was_asked=False)
    assert walk.asked == 0


def test_same_target_is_tried_again_when_told_to() -> None:
    walk = Walk(PLAIN, blocked=free)
    walk.next()
    assert walk.next("broken", again=True) == Ask("one")
    assert walk.next("broken") == Ask("two")
    assert walk.asked == 3


def test_nothing_after_the_first_byte() -> None:
    walk = Walk(PLAIN, blocked=free)
    walk.next()
    assert walk.next("broken", again=True, has_begun=True) == GiveUp("broken", was_asked=True)


def test_failures_of_nobody_are_refused() -> None:
    walk = Walk(PLAIN, blocked=free)
    with pytest.raises(ValueError, match="asked last"):
        walk.next("broken")
    walk.next()
    with pytest.raises(ValueError, match="asked last"):
        walk.next()


@pytest.mark.parametrize(
    "steps", [(), (Step(()),), (Step(("a",)), Step(("b", "a"))), (Step(("a", "a")),)]
)
def test_chains_that_make_no_sense_are_refused(steps: tuple[Step, ...]) -> None:
    with pytest.raises(ValueError, match="chain"):
        Chain(steps)


def test_statuses_and_faults_have_their_names() -> None:
    named = {status: failure_of_status(status) for status in (400, 401, 404, 408, 413, 422, 429)}
    assert named == {
        400: "refused",
        401: "denied",
        404: "denied",
        408: "timeout",
        413: "too_long",
        422: "refused",
        429: "rate_limited",
    }
    assert {failure_of_status(s) for s in (500, 501, 502, 520)} == {"server_error"}
    assert {failure_of_status(s) for s in (503, 529)} == {"overloaded"}
    assert failure_of_status(504) == "timeout"
    assert {failure_of_fault(kind) for kind in get_args(FaultKind)} == {
        "unreachable",
        "timeout",
        "broken",
    }
