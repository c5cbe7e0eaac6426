"""What `cache.warm` of a settings file wants: a file, one time, and a tenant that there is."""

import pytest

from headrace.errors import SettingsInvalid
from headrace.settings import Settings, parse_settings

PROVIDER = "providers: {a: {dialect: openai, base_url: 'http://127.0.0.1:9/v1'}}\n"
KEYS = "\nkeys: [{key: k1, tenant: default}, {key: k2, tenant: ops}]"


def read(warm: str, keys: str = "") -> Settings:
    return parse_settings(f"{PROVIDER}cache: {{warm: {warm}}}{keys}", {})


def problem(warm: str, keys: str = "") -> str:
    with pytest.raises(SettingsInvalid) as caught:
        read(warm, keys)
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("warm", "complaint"),
    [
        ("{at: 0 4 * * *}", "the key file is missing"),
        ("{file: a}", "cache.warm: expected either at or every_s"),
        ("{file: a, at: 0 4 * * *, every_s: 60}", "cache.warm: expected either at or every_s"),
        ("{file: a, at: 0 25 * * *}", "cache.warm.at: hour: expected 0 to 23"),
        ("{file: a, at: 0 0 30 2 *}", "cache.warm.at: no day is like that"),
        ("{file: a, every_s: 0}", "cache.warm.every_s: expected at least 1"),
        ("{file: a, every_s: 60, tenant: x}", "no key is of this tenant, so nobody would profit"),
        ("{file: a, every_s: 60, tenant: x}", "there are default, ops"),
        ("{file: a, every_s: 60, tenant: defalt}", "did you mean default?"),
    ],
)
def test_what_warming_needs_is_said(warm: str, complaint: str) -> None:
    assert complaint in problem(warm, KEYS)


def test_without_keys_there_is_one_tenant() -> None:
    told = problem("{file: a, at: 0 4 * * *, tenant: ops}")
    assert told.endswith("cache.warm.tenant: without keys every caller is default")


def test_a_key_that_cannot_be_read_is_the_only_problem() -> None:
    told = problem("{file: a, every_s: 60, tenant: ops}", "\nkeys: [{key: a b, tenant: ops}]")
    assert "keys[0].key" in told


def test_what_is_not_said_has_its_default() -> None:
    warm = read("{file: a, at: '*/5 * * * *', tenant: ops}", KEYS).cache.warm
    assert warm is not None
    assert (warm.usd_max, warm.concurrency, warm.ahead_s) == (1.0, 4, 0.0)
    assert warm.timetable.next_s(0.0) == 300.0
    warm = read("{file: a, every_s: 90, usd_max: null}").cache.warm
    assert warm is not None
    assert (warm.usd_max, warm.tenant, warm.timetable.next_s(0.0)) == (None, "default", 90.0)


def test_an_empty_variable_is_no_file() -> None:
    assert "cache.warm" in problem("{file: '', every_s: 60}")
