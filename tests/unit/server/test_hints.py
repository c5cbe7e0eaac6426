"""What callers say about the cache and about time, read from the fields of a head."""

import pytest

from headrace.errors import InvalidRequest
from headrace.gateway.call import Hints
from headrace.server.hints import read_hints


@pytest.mark.parametrize(
    ("value", "hints"),
    [
        (b"", Hints()),
        (b"no-cache", Hints(looks_up=False)),
        (b"no-store", Hints(looks_up=False, stores=False)),
        (b"NO-STORE , max-age=5", Hints(looks_up=False, stores=False, age_s_max=5)),
        (b'max-age="60"', Hints(age_s_max=60)),
        (b"max-age=0", Hints(age_s_max=0)),
        (b"only-if-cached", Hints(cached_only=True)),
        (b"no-transform, private, max-stale=3", Hints()),
        (b",,;", Hints()),
    ],
)
def test_cache_control(value: bytes, hints: Hints):
    assert read_hints({b"cache-control": value}) == hints


def test_times_the_caller_sets():
    fields = {b"x-headrace-ttl": b"90", b"x-headrace-deadline-ms": b"1500"}
    assert read_hints(fields) == Hints(ttl_s=90, deadline_s=1.5)


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"1e3", b"0x1", "²".encode(), b"9" * 13])
@pytest.mark.parametrize("name", [b"x-headrace-ttl", b"x-headrace-deadline-ms"])
def test_what_is_not_a_number_is_refused_by_name(name: bytes, value: bytes):
    with pytest.raises(InvalidRequest) as refused:
        read_hints({name: value})
    assert refused.value.param == name.decode()
