import hashlib
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.clock import ManualClock
from headrace.errors import KeysUnavailable, SettingsInvalid, Unauthenticated
from headrace.identity.keys import ANONYMOUS, KeyRing, KnownKey, Principal, presented_key
from headrace.settings import KeySettings, Secret
from headrace.settings.values import key_digest

DIGEST = hashlib.blake2b(b"other-key", digest_size=32).hexdigest()
RING = KeyRing.from_settings(
    (
        KeySettings(key=Secret("app-key"), tenant="app", name="laptop"),
        KeySettings(digest=DIGEST, tenant="app", admin=True),
    )
)


def test_keys_and_digests_stand_for_their_tenant() -> None:
    own = hashlib.blake2b(b"app-key", digest_size=32).digest()
    assert RING.authenticate(b"app-key") == Principal("app", "laptop", key_digest=own)
    assert RING.authenticate(b"other-key") == Principal(
        "app", f"key-{DIGEST[:8]}", is_admin=True, key_digest=bytes.fromhex(DIGEST)
    )
    assert not RING.is_open


@pytest.mark.parametrize("presented", [None, b""])
def test_no_key_is_told_apart(presented: bytes | None) -> None:
    with pytest.raises(Unauthenticated) as caught:
        RING.authenticate(presented)
    assert caught.value.code == "missing_api_key"


@given(st.binary(min_size=1))
def test_unknown_keys_are_refused_and_not_repeated(presented: bytes) -> None:
    with pytest.raises(Unauthenticated) as caught:
        RING.authenticate(presented)
    assert caught.value.code == "invalid_api_key"


@pytest.mark.parametrize("presented", [None, b"", b"anything"])
def test_without_keys_everyone_is_the_anonymous_admin(presented: bytes | None) -> None:
    ring = KeyRing.from_settings(())
    assert ring.is_open
    assert ring.authenticate(presented) is ANONYMOUS
    assert (ANONYMOUS.tenant, ANONYMOUS.is_admin) == ("default", True)


def test_who_was_let_in_may_ask_as_long_as_a_key_of_its_name_counts() -> None:
    clock = ManualClock()
    own, other = Principal("app", "k", key_digest=b"1"), Principal("app", "k", key_digest=b"2")
    ends_s = clock.wall_s() + 10.0

    def ring(*keys: KnownKey, **fields: Any) -> KeyRing:
        return KeyRing(keys, wall_s=clock.wall_s, **fields)

    mine = ring(KnownKey(b"1", own, ends_s))
    assert mine.may_ask(own)
    assert mine.may_ask(other)  # as after a rotation
    assert not mine.may_ask(Principal("other", "k", key_digest=b"3"))
    assert not ring(is_closed=True).may_ask(own)
    assert ring(is_closed=True, is_whole=False).may_ask(own)  # which keys there are is not known
    assert ring(is_closed=True, uncounted=[b"1"]).may_ask(own)
    assert ring().may_ask(own)  # anybody may
    assert mine.may_ask(ANONYMOUS)  # let in while there were no keys
    clock.advance(10.0)
    assert not mine.may_ask(own)


def test_a_ring_shows_no_key() -> None:
    assert "app-key" not in repr(RING) + repr(RING.authenticate(b"app-key"))


def test_keys_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(SettingsInvalid, match=r"keys\[1\].*twice"):
        KeyRing.from_settings(
            (
                KeySettings(digest=DIGEST, tenant="a"),
                KeySettings(key=Secret("other-key"), tenant="b"),
            )
        )
    with pytest.raises(SettingsInvalid, match=r"keys\[0\]: expected a key or a digest"):
        KeyRing.from_settings((KeySettings(tenant="a"),))


@pytest.mark.parametrize(
    ("authorization", "x_api_key", "presented"),
    [
        (None, None, None),
        (b"Bearer k", None, b"k"),
        (b"bEARER  k ", b"other", b"k"),
        (b"Bearer", None, None),
        (b"Bearer ", b"x", b"x"),
        (b"Basic dTpw", None, None),
        (b"Basic dTpw", b"x", b"x"),
        (b"Bearerk", None, None),
        (None, b" x ", b"x"),
        (None, b"  ", None),
    ],
)
def test_the_key_is_read_from_either_header(
    authorization: bytes | None, x_api_key: bytes | None, presented: bytes | None
) -> None:
    assert presented_key(authorization, x_api_key) == presented


def test_who_knows_not_all_keys_tells_strangers_to_wait() -> None:
    known = KnownKey(key_digest(b"known"), Principal("a", "known"))
    ring = KeyRing([known], is_whole=False)
    assert ring.authenticate(b"known").tenant == "a"
    with pytest.raises(KeysUnavailable) as caught:
        ring.authenticate(b"unknown")
    assert caught.value.status == 503
    assert caught.value.retry_after_s
    with pytest.raises(Unauthenticated):  # that keys are needed is certain
        ring.authenticate(None)
    with pytest.raises(KeysUnavailable):
        KeyRing([], is_whole=False).authenticate(None)


def test_a_closed_ring_without_keys_lets_nobody_in() -> None:
    ring = KeyRing([], is_closed=True)
    assert not ring.is_open
    for presented in (None, b"", b"anything"):
        with pytest.raises(Unauthenticated):
            ring.authenticate(presented)


def test_a_key_ends_by_the_clock_whichever_way_that_jumps() -> None:
    clock = ManualClock(wall_s=100.0)
    keys = [
        KnownKey(key_digest(name), Principal("a", name.decode()), ends_s)
        for name, ends_s in ((b"soon", 150.0), (b"later", 200.0), (b"never", inf))
    ]
    ring = KeyRing(keys, wall_s=clock.wall_s)
    assert ring.next_end_s(clock.wall_s()) == 150.0
    assert ring.authenticate(b"soon").key_name == "soon"
    clock.advance(50.0)
    with pytest.raises(Unauthenticated) as caught:
        ring.authenticate(b"soon")
    assert caught.value.code == "expired_api_key"
    assert ring.next_end_s(clock.wall_s()) == 200.0
    assert ring.of_digest(key_digest(b"soon").hex()) is None
    clock.advance(-10.0)
    assert ring.authenticate(b"soon").key_name == "soon"
    clock.advance(10**9)
    assert ring.authenticate(b"never").key_name == "never"
    assert ring.next_end_s(clock.wall_s()) == inf
