"""What keys and addresses may ask: exact waits and headers, by a clock that moves when told to."""

from math import inf
from typing import Any

import pytest
from tests.support.connection import Client

from headrace.cache.entry import Answer, Shape
from headrace.clock import ManualClock
from headrace.errors import RateLimited
from headrace.gateway.reader import Remarks, Source, Told
from headrace.model import CacheResult, Usage
from headrace.server.callers import Caller, Callers, estimate_tokens
from headrace.settings import KeySettings, Secret
from headrace.settings.flow import AddressLimitSettings

WALL_S = 1_700_000_000.0  # 2023-11-14T22:13:20Z
NOBODY = AddressLimitSettings()


def key(name: str = "k", **limits: Any) -> KeySettings:
    return KeySettings(key=Secret(name), tenant="t", name=name, **limits)


def limited(**limits: Any) -> tuple[ManualClock, Callers, Caller]:
    clock = ManualClock(WALL_S)
    callers = Callers(clock)
    callers.change([key(**limits)], NOBODY)
    (caller,) = callers.limited.values()
    return clock, callers, caller


class Asked:
    """A call under way, for a source."""

    found_in = delivered = None

    def told(self, cache: CacheResult, remarks: Remarks) -> Told:
        return Told(cache, "p", "m", 1, remarks=remarks)


def asked(result: CacheResult = CacheResult.MISS) -> Source:
    return Source(result, "p", "m", Asked())


def answered(usage: Usage | None, *, status: int = 200, body: bytes = b"{}") -> Answer:
    shape = Shape.EVENTS if body.startswith(b"data:") else Shape.WHOLE
    return Answer(status, (), body, shape, "p", "m", usage)


def refusal(caller: Caller, body: bytes = b"") -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        caller.enter(body)
    return caught.value


def test_requests_come_back_one_by_one() -> None:
    clock, _, caller = limited(requests_per_minute=60, burst_s=2)
    for _ in range(2):
        caller.enter(b"")
    error = refusal(caller)
    assert (error.code, error.status) == ("rate_limit_requests", 429)
    assert error.retry_after_s == pytest.approx(1)
    assert not caller.has_room()
    clock.advance(error.retry_after_s or 0)
    assert caller.has_room()
    caller.enter(b"")
    refusal(caller)
    assert caller.told()["refused"] == 2


def test_who_asks_too_often_is_told_when_there_are_tokens_too() -> None:
    clock, _, caller = limited(requests_per_minute=60, tokens_per_minute=600, burst_s=1)
    caller.enter(b"x" * 40).reserve()
    caller.settle(0, 100)  # a debt of two bursts
    error = refusal(caller, b"x" * 20)
    assert error.code == "rate_limit_requests"
    assert error.retry_after_s == pytest.approx(1.5)
    clock.advance(1.5)
    caller.enter(b"x" * 20).reserve()


def test_requests_at_once_end() -> None:
    _, _, caller = limited(concurrent=1)
    first = caller.enter(b"")
    assert refusal(caller).code == "rate_limit_concurrent"
    assert caller.has_room()  # a repeat ends as soon as it begins
    first.end()
    caller.enter(b"")


def test_tokens_are_estimated_then_put_right() -> None:
    clock, _, caller = limited(tokens_per_minute=600, requests_per_minute=600)
    admission = caller.enter(b"x" * 400)
    admission.reserve()
    assert caller.told()["tokens_left"] == 500
    usage = Usage(input_tokens=300, output_tokens=350)
    admission.settle(asked(), answered(usage), is_unknown=False)
    admission.settle(asked(), answered(usage), is_unknown=False)  # once is enough
    assert caller.told()["tokens_left"] == 0
    # 650 of 600: a debt of 50, and then what the next will probably take: 1 and 70, the mean.
    late = caller.enter(b"x")
    with pytest.raises(RateLimited) as caught:
        late.reserve()
    assert caught.value.code == "rate_limit_tokens"
    assert caught.value.retry_after_s == pytest.approx((50 + 1 + 70) / 10)
    assert caller.told()["requests_left"] == 599  # what was refused for its tokens is no request
    clock.advance(12.1)
    late.reserve()


def test_what_no_provider_is_asked_for_takes_no_tokens() -> None:
    _, _, caller = limited(tokens_per_minute=600)
    admission = caller.enter(b"x" * 400)
    assert caller.told()["tokens_left"] == 600
    admission.settle(asked(CacheResult.JOINED), answered(Usage(9, 9)), is_unknown=False)
    assert caller.told()["tokens_left"] == 600


@pytest.mark.parametrize(
    ("answer", "is_unknown", "left"),
    [
        (answered(Usage(30, 20)), False, 550),
        (answered(None), False, 500),  # nobody says: the estimate stands
        (answered(None, body=b"data: 1\n\ndata: 2\n\ndata: [DONE]\n\n"), False, 498),
        (answered(None, status=500), False, 600),
        (None, True, 500),
        (None, False, 600),
    ],
)
def test_what_counts_as_used(answer: Answer | None, is_unknown: bool, left: int) -> None:
    _, _, caller = limited(tokens_per_minute=600)
    admission = caller.enter(b"x" * 400)
    admission.reserve()
    admission.settle(asked(), answer, is_unknown=is_unknown)
    assert caller.told()["tokens_left"] == left


def test_nothing_was_used_where_no_provider_was_reached() -> None:
    _, _, caller = limited(tokens_per_minute=600)
    admission = caller.enter(b"x" * 400)
    admission.reserve()
    admission.settle(Source(CacheResult.MISS, "p", "m"), None, is_unknown=True)
    assert caller.told()["tokens_left"] == 600


def test_what_never_fits_is_told_so() -> None:
    _, _, caller = limited(tokens_per_minute=600, burst_s=10)
    admission = caller.enter(b"x" * 404)
    with pytest.raises(RateLimited, match="about 101 tokens, and key 'k' may use 100") as caught:
        admission.reserve()
    assert (caught.value.code, caught.value.retry_after_s) == ("rate_limit_too_small", None)


def test_long_answers_of_others_make_no_request_too_large() -> None:
    _, _, caller = limited(tokens_per_minute=600, burst_s=10)
    caller.saw_output(100_000)
    caller.enter(b"x" * 400).reserve()


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (b"", 0),
        (b"five!", 2),
        (b'{"url": "data:image/png;base64,%b"}' % (b"iVBORw0KGgo" * 100), 284),
        (b"word " * 10_000, 12_500),
        (b"[%b]" % (b"4711, " * 10_000), 15_001),
    ],
)
def test_texts_are_estimated_by_their_bytes(body: bytes, tokens: int) -> None:
    assert estimate_tokens(body) == tokens


@pytest.mark.parametrize("size", [4_000, 1_000_000])
def test_pictures_count_the_same_whatever_their_size(size: int) -> None:
    text = b"What is on these? " * 100
    picture = b"data:image/png;base64," + b"iVBORw0KGgo" * (size // 11)
    body = b'{"text": "%b", "urls": ["%b", "%b"]}' % (text, picture, picture)
    assert 2000 + 450 <= estimate_tokens(body) <= 2000 + 450 + 2 * 600


def test_how_limits_stand_in_both_dialects() -> None:
    _, _, caller = limited(requests_per_minute=120, tokens_per_minute=6000, burst_s=30)
    caller.enter(b"x " * 1000).reserve()
    assert caller.lines("openai").decode().splitlines() == [
        "x-ratelimit-limit-requests: 120",
        "x-ratelimit-remaining-requests: 59",
        "x-ratelimit-reset-requests: 500ms",
        "x-ratelimit-limit-tokens: 6000",
        "x-ratelimit-remaining-tokens: 2500",
        "x-ratelimit-reset-tokens: 5s",
    ]
    assert caller.lines("anthropic").decode().splitlines() == [
        "anthropic-ratelimit-requests-limit: 120",
        "anthropic-ratelimit-requests-remaining: 59",
        "anthropic-ratelimit-requests-reset: 2023-11-14T22:13:21Z",
        "anthropic-ratelimit-tokens-limit: 6000",
        "anthropic-ratelimit-tokens-remaining: 2500",
        "anthropic-ratelimit-tokens-reset: 2023-11-14T22:13:25Z",
    ]


def test_a_reload_keeps_what_was_asked() -> None:
    clock, callers, caller = limited(requests_per_minute=60)
    under_way = [caller.enter(b"") for _ in range(10)]
    callers.change([key(requests_per_minute=600), key("other")], NOBODY)
    assert list(callers.limited.values()) == [caller]  # who has no limits is not looked at
    assert caller.told() == {
        "name": "k",
        "tenant": "t",
        "inflight": 10,
        "refused": 0,
        "requests_left": 500,
    }
    callers.change([key()], NOBODY)
    assert callers.limited == {}
    callers.change([key(concurrent=10)], NOBODY)
    assert refusal(caller).code == "rate_limit_concurrent"
    for each in under_way:
        each.end()
    callers.change([key()], NOBODY)
    clock.advance(1)
    callers.change([key(requests_per_minute=60)], NOBODY)
    assert callers.told()["keys"][0]["requests_left"] == 60


@pytest.mark.parametrize("step_s", [-3600.0, -0.5, 1e9])
def test_clocks_that_jump(step_s: float) -> None:
    clock, _, caller = limited(requests_per_minute=60, burst_s=1)
    clock.advance(10_000)
    caller.enter(b"")
    clock.advance(step_s)
    if step_s < 0:
        assert (refusal(caller).retry_after_s or inf) <= 1
    clock.advance(2)
    caller.enter(b"")


ADDRESS = AddressLimitSettings(requests_per_minute=60, burst_s=2)
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"


def test_addresses_are_counted_before_keys_are_looked_at() -> None:
    client = Client(address=ADDRESS, keys=(key(),), peer="192.0.2.1")
    for _ in range(2):
        client.ask("/v1/models", "authorization: Bearer wrong")
        assert client.transport.held.startswith(b"HTTP/1.1 401 ")
        client.transport.take()
    for given in ("wrong", "k"):  # which of them is right is not told
        client.ask("/v1/models", f"authorization: Bearer {given}")
        head, _, body = client.transport.held.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 429 ")
        assert b"\r\nretry-after: 1\r\nretry-after-ms: 1000\r\n" in head
        assert b'"code":"rate_limit_address"' in body
        client.transport.take()
    client.connection.data_received(HEALTH)
    assert client.transport.held.startswith(b"HTTP/1.1 200 ")
    client.transport.take()
    client.wait(1)
    client.ask("/v1/models", "authorization: Bearer k")
    assert len(client.waiting) == 1
    assert client.callers.told()["addresses"] == 1


def test_a_network_of_ipv6_is_one_address() -> None:
    callers = Callers(ManualClock())
    callers.change([], AddressLimitSettings(requests_per_minute=60, burst_s=1))
    assert callers.limits_addresses
    assert callers.knock("2001:db8::1") is None
    assert callers.knock("2001:db8::2") is not None
    assert callers.knock("2001:db8:0:1::1") is None
    assert callers.knock("") is None  # who has none is nobody's neighbour
    callers.change([], AddressLimitSettings(requests_per_minute=60, burst_s=1))
    assert callers.knock("2001:db8::2") is not None
    callers.change([], NOBODY)
    assert callers.knock("2001:db8::2") is None


def test_model_lists_are_requests_too() -> None:
    client = Client(keys=(key(requests_per_minute=60, burst_s=1, concurrent=1),), peer="192.0.2.1")
    client.ask("/v1/models", "authorization: Bearer k", "anthropic-version: 2023-06-01")
    client.waiting.pop().send(200, b"", b"[]")
    assert b"\r\nanthropic-ratelimit-requests-remaining: 0\r\n" in client.transport.held
    client.transport.take()
    client.ask("/v1/models", "authorization: Bearer k")
    assert client.transport.held.startswith(b"HTTP/1.1 429 ")
    assert b"\r\nx-ratelimit-remaining-requests: 0\r\n" in client.transport.held
    assert b'"code":"rate_limit_requests"' in client.transport.held
    assert client.callers.told()["keys"][0]["inflight"] == 0


def test_who_goes_away_gives_its_place_back() -> None:
    client = Client(keys=(key(concurrent=1),), peer="192.0.2.1")
    client.ask("/v1/models", "authorization: Bearer k")
    assert client.callers.told()["keys"][0]["inflight"] == 1
    client.connection.connection_lost(None)
    assert client.callers.told()["keys"][0]["inflight"] == 0
