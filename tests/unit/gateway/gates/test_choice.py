"""In which order the targets of a model are asked."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.flow.breaker import Breaker, BreakerTerms
from headrace.gateway.gates.choice import Choice, Way
from headrace.gateway.gates.gate import Gate
from headrace.model import Failure
from headrace.routing.balance import BalanceName, make_balance
from headrace.routing.directory import Target
from headrace.routing.load import Load
from headrace.routing.sticky import StickyBalance


def target(provider: str, *after: Failure, weight: float = 1.0) -> Target:
    return Target.parse(f"{provider}/m", weight, frozenset(after) if after else None)


def way(each: Target) -> Way:
    def limit(initial: int | None) -> None:
        pytest.fail(f"nothing was refused, and a limit is made: {initial}")

    breaker = Breaker(BreakerTerms(row_max=1), uniform=lambda: 0.0)
    gate = Gate(breaker, limit, is_limited=False, hedges=None)  # type: ignore[arg-type]
    return Way(gate, Load(each.provider, weight=each.weight))


def make(targets: tuple[Target, ...], balance: BalanceName | None = None, out: str = "") -> Choice:
    return Choice(
        None if balance is None else make_balance(balance, Random(1).random),
        {each: way(each) for each in targets},
        lambda provider: provider in out.split(),
        is_sticky=balance == "sticky",
    )


def order(choice: Choice, targets: tuple[Target, ...], session: bytes = b"") -> str:
    return " ".join(each.provider for each in choice.ranked(targets, session, 0.0))


A, B, C = target("a"), target("b"), target("c")
WHEN_OPEN, WHEN_DENIED = target("open", "open", "timeout"), target("denied", "denied")


@pytest.mark.parametrize(
    ("out", "wanted"),
    [
        ("", "a b open denied"),
        ("a", "b a open denied"),
        ("a b", "open a b denied"),
        ("a b open", "a b open denied"),
        ("a b open denied", "a b open denied"),
        ("open", "a b open denied"),
    ],
)
def test_who_is_out_comes_behind_and_reserves_stand_in(out: str, wanted: str) -> None:
    targets = (A, B, WHEN_OPEN, WHEN_DENIED)
    assert order(make(targets, out=out), targets) == wanted


def test_weights_go_by_those_that_are_ready() -> None:
    targets = (target("a", weight=2), B, C, WHEN_DENIED)
    choice = make(targets, "weighted")
    firsts = [order(choice, targets).split()[0] for _ in range(8)]
    assert [firsts.count(name) for name in ("a", "b", "c", "denied")] == [4, 2, 2, 0]
    breaker = choice.ways[targets[0]].gate.breaker
    breaker.failed(breaker.try_pass(0.0), 0.1, 0.0)
    firsts = [order(choice, targets).split()[0] for _ in range(8)]
    assert firsts.count("a") == 0
    assert set(firsts) == {"b", "c"}


def test_none_that_is_ready_leaves_the_order_alone() -> None:
    choice = make((A, B), "weighted")
    for each in choice.ways.values():
        breaker = each.gate.breaker
        breaker.failed(breaker.try_pass(0.0), 0.1, 0.0)
    assert order(choice, (A, B)) == "a b"


@given(
    out=st.sets(st.sampled_from("abcd")),
    balance=st.sampled_from(
        [None, "weighted", "least-loaded", "latency", "cost", "quota", "sticky"]
    ),
    reserve=st.integers(1, 4),
    session=st.binary(max_size=4),
)
def test_nobody_is_lost_and_nobody_is_asked_twice(
    out: set[str], balance: BalanceName | None, reserve: int, session: bytes
) -> None:
    targets = tuple(
        target(name) if at < reserve else target(name, "open") for at, name in enumerate("abcd")
    )
    ranked = make(targets, balance, " ".join(out)).ranked(targets, session, 0.0)
    assert sorted(each.provider for each in ranked) == list("abcd")
    assert ranked[0].provider not in out or out >= set("abcd")


def test_session_is_what_prompt_caches_begin_with() -> None:
    sticky, plain = make((A, B), "sticky"), make((A, B), "weighted")
    system, first = {"role": "system", "content": "S"}, {"role": "user", "content": "1"}
    more = [{"role": "assistant", "content": "2"}, {"role": "user", "content": "3"}]
    beginning = sticky.session(b"", {"messages": [system, first]})
    assert sticky.session(b"", {"messages": [system, first, *more]}) == beginning
    assert sticky.session(b"", {"messages": [first, *more]}) != beginning
    assert sticky.session(b"", {"system": "S", "messages": [first]}) != beginning
    assert sticky.session(b"named", {"messages": [system, first]}) == b"named"
    assert sticky.session(b"", {"input": "text"}) == b""
    assert plain.session(b"named", {"messages": [first]}) == b""


def test_long_prompts_stay_together_where_only_those_shall() -> None:
    balance = StickyBalance(make_balance("weighted", Random(1).random))
    ways = {each: way(each) for each in (A, B)}
    choice = Choice(balance, ways, lambda _: False, is_sticky=True, prefix_bytes_min=4096)
    short, long = ({"messages": [{"role": "user", "content": "x" * n}]} for n in (9, 4096))
    assert choice.session(b"", short) == b""
    session = choice.session(b"", long)
    assert session
    assert choice.session(b"", {**short, "tools": [{"name": "x" * 4096}]})
    assert choice.session(b"named", short) == b"named"
    assert len({order(choice, (A, B), session) for _ in range(4)}) == 1
    assert len({order(choice, (A, B)) for _ in range(4)}) == 2
