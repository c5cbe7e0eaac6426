"""Plans from YAML: those that ship are whole, and what is wrong with others is told by its line."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.bench.load.faults import PlanInvalid
from headrace.bench.load.plan import Plan, recovery_seconds_least, scaled
from headrace.bench.phases import plans

GOOD = """\
name: mine
phases:
  - name: one
    kind: baseline
    seconds: 5
    users: 3
    slo: {p95_ms: 100}
"""


def shipped(name: str) -> Plan:
    return plans.parse(*plans.find(name))


def test_the_six_plans_ship() -> None:
    assert plans.names() == ("baseline", "compare", "gate", "soak", "spike", "stress")


@pytest.mark.parametrize(
    ("name", "kind", "users"),
    [
        ("baseline", "baseline", 100),
        ("stress", "stress", 1000),
        ("spike", "spike", 2000),
        ("soak", "soak", 500),
    ],
)
def test_a_shipped_plan_has_its_users_and_something_to_keep(
    name: str, kind: str, users: int
) -> None:
    (phase,) = [phase for phase in shipped(name).phases if phase.kind == kind]
    assert phase.users == users
    assert phase.slo.error_share is not None


def test_the_stress_plan_asks_ten_thousand_times_a_minute() -> None:
    assert shipped("stress").phases[-1].rate_per_s * 60 == pytest.approx(10_000)


@pytest.mark.parametrize("name", ["baseline", "stress", "spike", "soak"])
def test_a_short_form_is_over_within_a_minute(name: str) -> None:
    full = shipped(name)
    short = scaled(full, full.short.time, full.short.users)
    assert short.seconds < 60
    assert all(phase.users >= 1 for phase in short.phases)
    assert short.digest() != full.digest()


def test_the_shipped_plans_ask_for_all_that_is_promised() -> None:
    asked = {
        name: {
            field: value
            for phase in shipped(name).phases
            for field, value in msgspec.structs.asdict(phase.slo).items()
            if value is not None
        }
        for name in plans.names()
    }
    usual = {"error_share": 0.01, "hit_share": 0.85, "rss_mb": 2000, "cpu_share": 0.7}
    assert asked["baseline"] == {**usual, "p95_ms": 800}
    assert asked["stress"] == {**usual, "p95_ms": 1000}
    assert asked["soak"] == {**usual, "p95_ms": 1000, "rss_mb_per_min": 0.5}
    assert shipped("spike").phases[2].slo.error_share == 0.05
    assert asked["spike"] == {"error_share": 0.01, "rss_mb": 2000, "recovery_s": 10}
    assert shipped("soak").gateway["cache"]["memory_mb"] < 100


@pytest.mark.parametrize("time", [0.01, 0.1, 0.5, 1.0])
def test_a_shorter_form_can_still_show_that_nothing_recovered(time: float) -> None:
    recovery = scaled(shipped("spike"), time, 0.2).phases[-1]
    assert recovery.slo.recovery_s is not None
    assert recovery.seconds >= recovery_seconds_least(recovery.slo.recovery_s)
    assert recovery.seconds <= shipped("spike").phases[-1].seconds


def test_a_short_form_is_not_asked_for_a_slope_it_cannot_tell() -> None:
    full = shipped("soak")
    assert full.phases[-1].slo.rss_mb_per_min is not None
    assert scaled(full, 0.01, 1.0).phases[-1].slo.rss_mb_per_min is None
    assert scaled(full, 0.5, 1.0).phases[-1].slo.rss_mb_per_min is not None


def test_the_digest_is_of_what_the_plan_says() -> None:
    assert plans.parse(GOOD, "a").digest() == plans.parse(GOOD + "# more\n", "b").digest()
    other = GOOD.replace("users: 3", "users: 4")
    assert plans.parse(GOOD, "a").digest() != plans.parse(other, "a").digest()


def test_what_is_printed_can_be_read_again() -> None:
    plan = scaled(shipped("spike"), 0.1, 0.2)
    assert plans.parse(plans.as_yaml(plan), "printed") == plan


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("- 1\n", "bad:1: the plan: Expected `object`, got `array`"),
        (GOOD.replace("users: 3", "users: many"), "bad:6: phases[0].users: Expected `int`"),
        (GOOD.replace("users: 3", "users: 0"), "bad:6: phases[0].users: Expected `int` >= 1"),
        (GOOD.replace("seconds: 5", "seconds: -1"), "bad:5: phases[0].seconds"),
        (GOOD.replace("seconds: 5", "seconds: .nan"), "bad:5: phases[0].seconds"),
        (GOOD.replace("seconds: 5", "seconds: .inf"), "bad:5: phases[0].seconds"),
        (GOOD.replace("kind: baseline", "kind: party"), "bad:4: phases[0].kind: Invalid enum"),
        (GOOD.replace("p95_ms", "p96_ms"), "phases[0].slo: Object contains unknown field `p96_ms`"),
        (GOOD.replace("    users: 3\n", ""), "bad:3: phases[0]: Object missing required field"),
        ("name: a\nphases: []\n", "bad:2: phases: Expected `array` of length >= 1"),
        (GOOD + "name: again\n", "bad:8: name is written twice"),
        (GOOD + "seed: -1\n", "bad:8: seed"),
        (GOOD + "workload: {mix: {chat: 0, stream: 0, embeddings: 0}}\n", "nothing is left to ask"),
        (GOOD + "phases: [\n", "bad:"),
        (GOOD + "about: 2023-02-31\n", "bad:"),
        (GOOD + "about: &a x\nname2: *a\n", "bad:9: a plan has no aliases"),
        (GOOD + "about: !!python/object:os.system x\n", "bad: "),
        (
            GOOD.replace("p95_ms: 100", "recovery_s: 3").replace("kind: baseline", "kind: spike"),
            "needs a phase of kind baseline",
        ),
        (GOOD + GOOD[GOOD.index("  - name") :], "two phases are called one"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a: \x07", "bad"),
    ],
)
def test_garbage_is_refused_where_it_stands(text: str, message: str) -> None:
    with pytest.raises(PlanInvalid) as refused:
        plans.parse(text, "bad")
    assert message in refused.value.message
    assert "\n" not in refused.value.message


@given(st.text(max_size=200))
def test_any_text_is_a_plan_or_is_refused(text: str) -> None:
    try:
        plan = plans.parse(text, "any")
    except PlanInvalid:
        return
    assert isinstance(plan, Plan)


@given(st.integers(0, len(GOOD) - 1), st.text(max_size=4))
def test_a_plan_with_a_hole_in_it_is_a_plan_or_is_refused(place: int, put: str) -> None:
    try:
        plan = plans.parse(GOOD[:place] + put + GOOD[place + 1 :], "torn")
    except PlanInvalid:
        return
    assert plan.phases


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD)
    assert plans.parse(*plans.find(str(file))).name == "mine"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"name: \xff\n", ":1: is not UTF-8"), (b"#" * 300_000, "larger than a plan")],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(PlanInvalid, match=message):
        plans.find(str(file))


def test_who_asks_for_a_plan_that_is_not_there_is_told_of_those_that_are() -> None:
    with pytest.raises(PlanInvalid, match="baseline, compare, gate, soak, spike, stress"):
        plans.find("nope")
