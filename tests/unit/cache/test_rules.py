"""What may be cached: a test for every row of the table."""

import msgspec
import pytest

from headrace.cache.rules import (
    Refusal,
    StoreRules,
    request_cacheable,
    storable,
    store_refusal,
)
from headrace.model import ReplyFacts, RequestView

GOOD = ReplyFacts(complete=True, empty=False, finish_reasons=("stop",))
ANYTHING = StoreRules()


def changed(**fields: bool) -> ReplyFacts:
    return msgspec.structs.replace(GOOD, **fields)


ROWS = [
    (Refusal.STATUS, GOOD, 201, ANYTHING),
    (Refusal.STATUS, GOOD, 500, ANYTHING),
    (Refusal.ERROR, changed(is_error=True), 200, ANYTHING),
    (Refusal.INCOMPLETE, changed(complete=False), 200, ANYTHING),
    (Refusal.TRUNCATED, changed(truncated=True), 200, ANYTHING),
    (Refusal.FILTERED, changed(filtered=True), 200, ANYTHING),
    (Refusal.EMPTY, changed(empty=True), 200, ANYTHING),
    (Refusal.TOOL_CALLS, changed(has_tool_calls=True), 200, StoreRules(tool_calls=False)),
]


@pytest.mark.parametrize(("refusal", "facts", "status", "rules"), ROWS)
def test_each_row_refuses_for_its_own_reason(
    refusal: Refusal, facts: ReplyFacts, status: int, rules: StoreRules
) -> None:
    assert store_refusal(facts, status, rules) is refusal
    assert not storable(facts, status, rules)


def test_every_reason_has_a_row() -> None:
    assert {row[0] for row in ROWS} == set(Refusal)


@pytest.mark.parametrize(
    ("facts", "rules"),
    [
        (GOOD, ANYTHING),
        (GOOD, StoreRules(tool_calls=False)),
        (changed(has_tool_calls=True), ANYTHING),
        (changed(has_usage_event=True), ANYTHING),
    ],
)
def test_a_whole_good_answer_is_stored(facts: ReplyFacts, rules: StoreRules) -> None:
    assert store_refusal(facts, 200, rules) is None
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
