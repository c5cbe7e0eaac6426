"""What may be cached: a test for every row of the table."""

import msgspec
import pytest

from headrace.cache.rules import (
    Body,
    Refusal,
    StoreRules,
    request_cacheable,
    storable,
    store_refusal,
)
from headrace.model import ReplyFacts, RequestView

GOOD = ReplyFacts(complete=True, empty=False, finish_reasons=("stop",))
ANYTHING = StoreRules()
FINE = Body(10, is_kept=True, is_as_asked=True, whole=lambda: b'{"text": "All is well."}')


def changed(**fields: bool) -> ReplyFacts:
    return msgspec.structs.replace(GOOD, **fields)


def holding(text: str) -> Body:
    return msgspec.structs.replace(FINE, whole=text.encode)


ROWS = [
    (Refusal.STATUS, GOOD, 201, ANYTHING, FINE),
    (Refusal.STATUS, GOOD, 500, ANYTHING, FINE),
    (Refusal.ERROR, changed(is_error=True), 200, ANYTHING, FINE),
    (Refusal.INCOMPLETE, changed(complete=False), 200, ANYTHING, FINE),
    (Refusal.TRUNCATED, changed(truncated=True), 200, ANYTHING, FINE),
    (Refusal.FILTERED, changed(filtered=True), 200, ANYTHING, FINE),
    (Refusal.EMPTY, changed(empty=True), 200, ANYTHING, FINE),
    (Refusal.TOOL_CALLS, changed(has_tool_calls=True), 200, StoreRules(tool_calls=False), FINE),
    (Refusal.TOO_LARGE, GOOD, 200, StoreRules(bytes_max=9), FINE),
    (Refusal.TOO_LARGE, GOOD, 200, ANYTHING, msgspec.structs.replace(FINE, is_kept=False)),
    (Refusal.SHAPE, GOOD, 200, ANYTHING, msgspec.structs.replace(FINE, is_as_asked=False)),
    (Refusal.UNSAFE, GOOD, 200, StoreRules(unsafe=("WELL",)), FINE),
    (Refusal.UNSAFE, GOOD, 200, StoreRules(unsafe=("fußnote",)), holding('"Die FU\\u00dfNOTE."')),
    (Refusal.UNSAFE, GOOD, 200, StoreRules(unsafe=("no", 'a "b"')), holding('{"a \\"b\\"": 1}')),
    (Refusal.UNSAFE, GOOD, 200, StoreRules(unsafe=("a",)), holding("no JSON")),
]


@pytest.mark.parametrize(("refusal", "facts", "status", "rules", "body"), ROWS)
def test_each_row_refuses_for_its_own_reason(
    refusal: Refusal, facts: ReplyFacts, status: int, rules: StoreRules, body: Body
) -> None:
    assert store_refusal(facts, status, rules, body) is refusal


def test_every_reason_has_a_row() -> None:
    assert {row[0] for row in ROWS} == set(Refusal)


@pytest.mark.parametrize(
    ("facts", "rules"),
    [
        (GOOD, ANYTHING),
        (GOOD, StoreRules(tool_calls=False)),
        (changed(has_tool_calls=True), ANYTHING),
        (changed(has_usage_event=True), ANYTHING),
        (GOOD, StoreRules(unsafe=("well and good",))),
        (GOOD, StoreRules(bytes_max=10)),
    ],
)
def test_a_whole_good_answer_is_stored(facts: ReplyFacts, rules: StoreRules) -> None:
    assert store_refusal(facts, 200, rules, FINE) is None
    assert storable(facts, 200, rules)


def test_unread_facts_are_never_stored() -> None:
    assert not storable(ReplyFacts(), 200, ANYTHING)


@pytest.mark.parametrize(
    ("temperature", "temperature_max", "cacheable"),
    [
        (None, None, True),
        (2.0, None, True),
        (0.0, 0.0, True),
        (0.1, 0.0, False),
        (0.5, 0.5, True),
        (None, 0.5, False),
        (None, 1.0, True),
    ],
)
def test_the_temperature_decides_where_it_is_bounded(
    temperature: float | None, temperature_max: float | None, cacheable: bool
) -> None:
    view = RequestView(model="m", temperature=temperature)
    assert request_cacheable(view, temperature_max) is cacheable
