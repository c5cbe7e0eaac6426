"""Several keys of one provider."""

from collections import Counter

import pytest

from headrace.flow.quota.key import KeyQuota, Need, QuotaLimits
from headrace.flow.quota.pick import pick
from headrace.flow.quota.told import Told

ONE = Need.of(0, 0)


def key(name: str, per_minute: float | None) -> KeyQuota:
    return KeyQuota(name, QuotaLimits(requests_per_minute=per_minute, headroom=0), 0.0)


def spread(keys: list[KeyQuota], calls: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for _ in range(calls):
        chosen = pick(keys, ONE, 0.0).key
        assert chosen is not None
        assert chosen.reserve(ONE, 0.0) is not None
        counts[chosen.name] += 1
    return counts


def test_calls_go_where_most_is_left() -> None:
    assert spread([key("small", 60), key("large", 180)], 120) == {"small": 30, "large": 90}


def test_keys_without_limits_share_calls_by_what_is_under_way() -> None:
    assert spread([key("one", None), key("two", None)], 10) == {"one": 5, "two": 5}


def test_a_key_that_is_shut_is_passed_over() -> None:
    shut, other = key("shut", 60), key("other", 60)
    shut.observe(Told((), 30), 0.0, None, 503)
    assert spread([shut, other], 60) == {"other": 60}


def test_where_none_has_room_the_shortest_wait_is_told() -> None:
    slow, fast = key("slow", 60), key("fast", 600)
    spread([slow, fast], 660)
    picked = pick([slow, fast], ONE, 0.0)
    assert picked.key is None
    assert picked.wait_s == pytest.approx(0.1)
    assert pick([slow, fast], ONE, picked.wait_s).key is fast


def test_the_tightest_limit_of_a_key_decides() -> None:
    tokens = KeyQuota(
        "tokens", QuotaLimits(requests_per_minute=600, tokens_per_minute=1000, headroom=0), 0.0
    )
    requests = KeyQuota("requests", QuotaLimits(requests_per_minute=60, headroom=0), 0.0)
    assert pick([tokens, requests], Need.of(10, 10), 0.0).key is requests
    assert pick([tokens, requests], Need.of(1, 1), 0.0).key is tokens
