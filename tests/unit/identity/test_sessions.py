"""Sessions of browsers: signed, bounded in time, of one key, and of no use to other sites."""

import pytest

from headrace.errors import Forbidden, Unauthenticated
from headrace.identity.keys import KeyRing, Principal, known_keys
from headrace.identity.sessions import LIFE_S, Session, Sessions, read_cookie
from headrace.settings import KeySettings, Secret

KNOWN = known_keys(
    [KeySettings(key=Secret("hr-boss"), tenant="operations", name="boss", admin=True)]
)
RING = KeyRing(KNOWN)
NOW_S = 1_000_000.0


class Watch:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def wall_s(self) -> float:
        return self.now_s


def boss() -> Principal:
    return RING.authenticate(b"hr-boss")


def fields(session: Session, **more: str) -> dict[bytes, bytes]:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in more.items()}
    return {b"cookie": f"theme=dark; headrace_session={session.cookie}".encode(), **named}


def test_a_session_stands_for_its_key_at_any_worker():
    session = Sessions("secret", Watch().wall_s).begin(boss(), {})
    assert Sessions("secret", Watch().wall_s).caller(b"GET", fields(session), RING) == boss()
    assert session.ends_s == NOW_S + LIFE_S
    assert "hr-boss" not in session.cookie


def test_it_ends_in_time_with_its_key_and_with_the_gateway():
    watch = Watch()
    sessions = Sessions("secret", watch.wall_s)
    session = sessions.begin(boss(), {})
    other = KeyRing.from_settings([KeySettings(key=Secret("hr-other"), tenant="t")])
    for ended in (
        lambda: sessions.caller(b"GET", fields(session), other),
        lambda: Sessions("another", watch.wall_s).caller(b"GET", fields(session), RING),
    ):
        with pytest.raises(Unauthenticated) as refused:
            ended()
        assert refused.value.code == "session_over"
    watch.now_s += LIFE_S - 1
    assert sessions.caller(b"GET", fields(session), RING) == boss()
    watch.now_s += 1
    with pytest.raises(Unauthenticated):
        sessions.caller(b"GET", fields(session), RING)
    assert sessions.resume(fields(session)[b"cookie"]) is None


@pytest.mark.parametrize("at", [0, 10, 66, 80, -1])
def test_nobody_changes_what_it_says(at: int):
    sessions = Sessions("secret", Watch().wall_s)
    session = sessions.begin(boss(), {})
    changed = list(session.cookie)
    changed[at] = "0" if changed[at] != "0" else "1"
    assert sessions.resume(b"headrace_session=" + "".join(changed).encode()) is None


@pytest.mark.parametrize(
    "cookies",
    [
        *(b"", b"headrace_session", b"headrace_session=", b"headrace_session=..", b"a=b; c"),
        *(b"headrace_session=" + b"a." * 300, "headrace_session=é".encode()),
        b"xheadrace_session=a.1.b.c",
    ],
)
def test_what_is_no_session_is_none(cookies: bytes):
    assert Sessions("secret", Watch().wall_s).resume(cookies) is None


def test_who_sends_no_cookie_of_ours_is_left_to_their_key():
    sessions = Sessions("secret", Watch().wall_s)
    assert sessions.caller(b"GET", {b"cookie": b"theme=dark"}, RING) is None
    assert sessions.caller(b"GET", {}, RING) is None
    open_ring = KeyRing(())
    assert sessions.caller(b"GET", fields(sessions.begin(boss(), {})), open_ring) is None


@pytest.mark.parametrize("method", [b"POST", b"DELETE", b"PATCH", b"PUT"])
def test_a_change_wants_the_token(method: bytes):
    sessions = Sessions("secret", Watch().wall_s)
    session, other = sessions.begin(boss(), {}), sessions.begin(boss(), {})
    for sent in ({}, {"x_headrace_csrf": ""}, {"x_headrace_csrf": other.csrf}):
        with pytest.raises(Forbidden) as refused:
            sessions.caller(method, fields(session, **sent), RING)
        assert refused.value.code == "csrf_refused"
    sent = {"x_headrace_csrf": session.csrf}
    assert sessions.caller(method, fields(session, **sent), RING) == boss()


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_other_sites_and_ports_have_no_use_of_it(site: str):
    sessions = Sessions("secret", Watch().wall_s)
    session = sessions.begin(boss(), {})
    sent = {"sec_fetch_site": site, "x_headrace_csrf": session.csrf}
    with pytest.raises(Forbidden):
        sessions.caller(b"GET", fields(session, **sent), RING)
    assert sessions.caller(b"GET", fields(session, sec_fetch_site="same-origin"), RING)


def test_the_cookie_is_found_among_others():
    assert read_cookie(b"a=b;headrace_session=one ; c=d") == "one"


def test_one_that_was_ended_is_over_and_others_of_its_key_are_not():
    watch = Watch()
    sessions = Sessions("secret", watch.wall_s)
    session, other = sessions.begin(boss(), {}), sessions.begin(boss(), {})
    ring = KeyRing(KNOWN, ended={session.id: session.ends_s})
    with pytest.raises(Unauthenticated) as refused:
        sessions.caller(b"GET", fields(session), ring)
    assert refused.value.code == "session_over"
    assert sessions.caller(b"GET", fields(other), ring) == boss()


def test_all_of_a_key_that_were_begun_by_then_are_over():
    watch = Watch()
    sessions = Sessions("secret", watch.wall_s)
    earlier, now = sessions.begin(boss(), {}), NOW_S + 60.5
    watch.now_s = now
    ended = {boss().key_digest.hex(): float(int(now) + LIFE_S)}
    ring = KeyRing(KNOWN, ended=ended)
    for session in (earlier, sessions.begin(boss(), {})):
        with pytest.raises(Unauthenticated):
            sessions.caller(b"GET", fields(session), ring)
    # Whoever signs in again in the same second is let in.
    assert sessions.caller(b"GET", fields(sessions.begin(boss(), ended)), ring) == boss()
    assert not earlier.is_over({"another key": now + LIFE_S})
