"""Service levels in the settings file."""

import pytest

from headrace.errors import SettingsInvalid
from headrace.settings import parse_settings
from headrace.settings.slos import (
    EDGES_MS,
    REQUEST_S,
    USUAL_SLOS,
    Reaction,
    Slo,
    edge_s,
    slo_problems,
)


def parsed(*lines: str) -> tuple[Slo, ...]:
    text = "providers: {a: {dialect: openai, base_url: 'http://127.0.0.1:1/v1'}}\nslos:\n"
    return parse_settings(text + "\n".join(f"  - {line}" for line in lines), {}, "f").slos


def test_levels_are_read() -> None:
    assert parsed(
        "{name: up, kind: availability, objective: 0.999}",
        "{name: quick, kind: latency, threshold_ms: 450, objective: 0.95, window_days: 7}",
    ) == (
        Slo(name="up", kind="availability", objective=0.999),
        Slo(name="quick", kind="latency", threshold_ms=450, objective=0.95, window_days=7),
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{name: a, kind: latency, threshold_ms: 700, objective: 0.9}", "slos[0].threshold_ms"),
        ("{name: a, kind: ttft, objective: 0.9}", "slos[0].threshold_ms"),
        ("{name: a, kind: availability, threshold_ms: 500, objective: 0.9}", "knows no time"),
        ("{name: a, kind: availability, objective: 1}", "slos[0].objective"),
        ("{name: A b, kind: availability, objective: 0.9}", "slos[0].name"),
    ],
)
def test_levels_that_cannot_be_kept_are_refused(line: str, problem: str) -> None:
    with pytest.raises(SettingsInvalid, match=problem.replace("[", r"\[").replace("]", r"\]")):
        parsed(line)


def test_names_differ_and_there_are_not_too_many() -> None:
    line = "{name: up, kind: availability, objective: 0.9}"
    with pytest.raises(SettingsInvalid, match="stands twice"):
        parsed(line, line)
    with pytest.raises(SettingsInvalid, match="more than 8"):
        parsed(*(line.replace("up", f"up{at}") for at in range(9)))


def test_the_usual_levels_can_be_kept() -> None:
    assert list(slo_problems(enumerate(USUAL_SLOS))) == []


def test_every_edge_is_found_by_its_milliseconds() -> None:
    told = [
        edge_s(Slo(name="a", kind="latency", objective=0.9, threshold_ms=edge)) for edge in EDGES_MS
    ]
    assert told == list(REQUEST_S)


UP = "name: up, kind: availability, objective: 0.99"


def test_a_reaction_is_read_with_its_usual_terms() -> None:
    (slo,) = parsed(f"{{{UP}, reaction: {{action: shed}}}}")
    assert slo.reaction == Reaction(action="shed")
    assert (slo.reaction.fast_s, slo.reaction.slow_s, slo.reaction.share_max) == (300, 3600, 0.9)
    assert slo.start_rate == pytest.approx(10)
    (tight,) = parsed(f"{{{UP}9, reaction: {{action: shed}}}}")
    assert tight.start_rate == 14.4
    (own,) = parsed(f"{{{UP}, reaction: {{action: shed, burn_rate: 3}}}}")
    assert own.start_rate == 3


@pytest.mark.parametrize(
    ("reaction", "problem"),
    [
        ("{action: flee}", "reaction.action"),
        ("{action: shed, burn_rate: 100}", "never burns faster than 100"),
        ("{action: shed, burn_rate: 2, rest_rate: 2}", "expected less than burn_rate"),
        ("{action: shed, fast_s: 600, slow_s: 300}", "no more than slow_s"),
        ("{action: shed, model: small}", "only action: degrade"),
        ("{action: template}", "no model has a fallback_text"),
        ("{action: shed, share_max: 0}", "reaction.share_max"),
    ],
)
def test_reactions_that_cannot_be_are_refused(reaction: str, problem: str) -> None:
    with pytest.raises(SettingsInvalid, match=problem):
        parsed(f"{{{UP}, reaction: {reaction}}}")


def test_a_cheaper_model_has_to_be_there() -> None:
    text = (
        "providers: {a: {dialect: openai, base_url: 'http://127.0.0.1:1/v1'}}\n"
        "models: {big: {targets: [a/big]}}\n"
        f"slos: [{{{UP}, reaction: {{action: degrade, model: NAME}}}}]\n"
    )
    with pytest.raises(SettingsInvalid, match="no model of this name"):
        parse_settings(text.replace("NAME", "small"), {}, "f")
    for name in ("big", "a/small"):
        assert parse_settings(text.replace("NAME", name), {}, "f").slos[0].reaction is not None


@pytest.mark.parametrize("number", [".nan", "nan", ".inf", "-.inf", "1e999"])
@pytest.mark.parametrize(
    "field", ["objective", "threshold_ms", "burn_rate", "rest_rate", "look_s", "share_max"]
)
def test_what_is_no_number_is_none_of_its_numbers(field: str, number: str) -> None:
    values = {"objective": "0.9", "threshold_ms": "500"}
    reaction = {"action": "shed"}
    (values if field in values else reaction)[field] = number
    told = ", ".join(f"{name}: {value}" for name, value in values.items())
    acts = ", ".join(f"{name}: {value}" for name, value in reaction.items())
    with pytest.raises(SettingsInvalid, match=field):
        parsed(f"{{name: a, kind: latency, {told}, reaction: {{{acts}}}}}")
