"""Whom the gateway's own worker stands for."""

import pytest

from headrace.clock import ManualClock
from headrace.errors import Unauthenticated
from headrace.identity.deputy import Deputy
from headrace.identity.keys import KeyRing, KnownKey, Principal
from headrace.settings.values import key_digest

SECRET = "secret of the gateway"


def ring(clock: ManualClock, *keys: tuple[bytes, str, str, float]) -> KeyRing:
    known = [
        KnownKey(key_digest(key), Principal(tenant, name, key_digest=key_digest(key)), ends_s)
        for key, tenant, name, ends_s in keys
    ]
    return KeyRing(known, wall_s=clock.wall_s, is_closed=True)


def asked_for(key: bytes, more: str = "") -> bytes:
    return key_digest(key).hex().encode() + more.encode()


def stands_for(wanted: bytes, keys: KeyRing) -> Principal:
    found = Deputy(SECRET).stands_for(SECRET.encode(), wanted, keys)
    assert found is not None
    return found


def test_a_key_that_was_rotated_is_stood_for_by_the_one_of_its_name() -> None:
    clock = ManualClock(100.0)
    keys = ring(clock, (b"old", "a b", "app/é", 150.0), (b"new", "a b", "app/é", 900.0))
    wanted = asked_for(b"old", ":a%20b:app/%C3%A9")
    assert stands_for(wanted, keys).key_digest == key_digest(b"old")
    clock.advance(100.0)
    assert stands_for(wanted, keys).key_digest == key_digest(b"new")
    # Rotated once more, nobody knows the first one's digest any more.
    later = ring(clock, (b"newest", "a b", "app/é", 900.0))
    assert stands_for(wanted, later).key_digest == key_digest(b"newest")


@pytest.mark.parametrize("more", ["", ":a:app", ":other:web", ":a", "::"])
def test_a_key_that_was_revoked_is_stood_for_by_no_other_one(more: str) -> None:
    keys = ring(ManualClock(100.0), (b"web", "a", "web", 900.0), (b"app", "a", "app", 50.0))
    with pytest.raises(Unauthenticated) as caught:
        stands_for(asked_for(b"old", more), keys)
    assert caught.value.code == "key_revoked"


def test_nobody_else_is_its_deputy() -> None:
    keys = ring(ManualClock(100.0), (b"web", "a", "web", 900.0))
    wanted = asked_for(b"web", ":a:web")
    assert Deputy(SECRET).stands_for(b"a guess", wanted, keys) is None
    assert Deputy("").stands_for(b"", wanted, keys) is None
    assert stands_for(b"tenant:a%20b", keys).tenant == "a b"
