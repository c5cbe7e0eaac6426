"""What a key of the store may, what may be asked for one, and which keys it makes."""

from math import inf
from typing import Any

import pytest

from headrace.errors import InvalidRequest
from headrace.identity.key_records import KeyRecord, KeyTerms, known_of, read_wish
from headrace.settings.values import key_digest

NOW_S = 1_700_000_000.0
NEW, OLD = (key_digest(text).hex() for text in (b"new", b"old"))


def record(**more: Any) -> KeyRecord:
    settled = {"id": "key_1", "name": "app", "tenant": "acme", "digest": NEW, "created_s": NOW_S}
    return KeyRecord(**{"terms": KeyTerms(), **settled, **more})


def test_a_key_that_was_rotated_makes_two_of_one_limit() -> None:
    rotated = record(old_digest=OLD, old_until_s=NOW_S + 60, expires_s=NOW_S + 90)
    new, old = known_of([rotated])
    assert (new.digest.hex(), new.ends_s) == (NEW, NOW_S + 90)
    assert (old.digest.hex(), old.ends_s) == (OLD, NOW_S + 60)
    assert old.principal == new.principal
    assert new.principal.key_digest.hex() == NEW


def test_an_old_key_outlives_no_expiry() -> None:
    _, old = known_of([record(old_digest=OLD, old_until_s=NOW_S + 60, expires_s=NOW_S + 30)])
    assert old.ends_s == NOW_S + 30


def test_a_revoked_key_makes_none() -> None:
    assert list(known_of([record(revoked_s=NOW_S, old_digest=OLD, old_until_s=inf)])) == []


def test_states() -> None:
    assert record().state(NOW_S) == "active"
    assert record(expires_s=NOW_S).state(NOW_S) == "expired"
    assert record(expires_s=NOW_S, revoked_s=NOW_S).state(NOW_S) == "revoked"


def test_it_stands_for_a_key_and_a_budget_of_the_settings() -> None:
    terms = KeyTerms(concurrent=3, day_usd=2.0, cheaper="small", models=("a*",))
    stored = record(terms=terms)
    settings, budget = stored.settings(), stored.budget()
    assert (settings.digest_bytes().hex(), settings.shown_name) == (NEW, "app")
    assert (settings.concurrent, settings.models, settings.is_limited) == (3, ("a*",), True)
    assert budget is not None
    assert (budget.key, budget.tenant, budget.day_usd, budget.cheaper) == (
        "app",
        "acme",
        2.0,
        "small",
    )
    assert record().budget() is None


def test_what_is_told_holds_no_digest() -> None:
    told = str(record(old_digest=OLD, old_until_s=NOW_S).told(NOW_S))
    assert NEW not in told
    assert OLD not in told


def test_a_wish_changes_what_it_names() -> None:
    before = KeyTerms(concurrent=3, day_usd=2.0)
    after = read_wish({"day_usd": None, "models": ["a"]}).terms(before)
    assert after == KeyTerms(concurrent=3, models=("a",))


@pytest.mark.parametrize(
    "wish",
    [
        {"nmae": "app"},
        {"name": ""},
        {"name": "a\nb"},
        {"name": "x" * 65},
        {"tenant": " "},
        {"tenant": None},
        {"admin": "yes"},
        {"models": ["a b"]},
        {"models": "gpt*"},
        {"models": ["a"] * 257},
        {"requests_per_minute": 0},
        {"requests_per_minute": -1},
        {"requests_per_minute": True},
        {"concurrent": 0.5},
        {"burst_s": 61},
        {"day_usd": -0.01},
        {"day_usd": 1e300},
        {"soft_share": 1.1},
        {"expires_s": 0},
        {"expires_s": -5},
        {"cheaper": "two words"},
        {"digest": NEW},
        {"id": "key_2"},
    ],
)
def test_what_no_key_takes_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_wish(wish)
    assert caught.value.code == "bad_key"
