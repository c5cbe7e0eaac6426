"""Buckets of a provider's key, under anything that calls, clocks and headers can do."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from headrace.flow.quota.key import HOLD_S_MAX, KeyQuota, Need, QuotaLimits, Reservation
from headrace.flow.quota.pick import pick
from headrace.flow.quota.told import Kind, read_told
from headrace.flow.quota.values import SPAN_S_MAX, span_s
from headrace.flow.steady import STEP_BACK_S_MAX

LIMITS = st.builds(
    QuotaLimits,
    requests_per_minute=st.none() | st.floats(1, 1e4),
    tokens_per_minute=st.none() | st.floats(1, 1e6),
    input_tokens_per_minute=st.none() | st.floats(1, 1e6),
    output_tokens_per_minute=st.none() | st.floats(1, 1e6),
    burst_s=st.floats(0.1, 60),
    headroom=st.sampled_from([0.0, 0.05]),
    share=st.floats(0.05, 1),
    is_refunding=st.just(True),
)
TOKENS = st.integers(0, 100_000)
NAMES = st.sampled_from(
    [
        f"{family}-{part}".encode()
        for family in ("anthropic-ratelimit-requests", "anthropic-ratelimit-input-tokens")
        for part in ("limit", "remaining", "reset")
    ]
    + [
        f"x-ratelimit-{part}-{kind}".encode()
        for part in ("limit", "remaining", "reset")
        for kind in ("requests", "tokens")
    ]
    + [b"retry-after", b"retry-after-ms", b"date"]
)
VALUES = (
    st.binary(max_size=40)
    | st.integers().map(lambda value: str(value).encode())
    | st.floats().map(lambda value: str(value).encode())
    | st.sampled_from([b"6m0s", b"1s", b"12ms", b"2026-01-27T12:00:00Z", b"60", b"30"])
)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=8)
CLOCK = st.floats(-1e7, 1e7) | st.floats(0, 60)


def capacity_of(limits: QuotaLimits, kind: Kind, per_minute: float) -> float:
    """What may be used at once of a process's part; a call may in any case."""
    capacity = per_minute * limits.burst_s * (1 - limits.headroom) / 60
    return max(1.0, capacity) if kind is Kind.REQUESTS else capacity


@given(
    limits=LIMITS,
    steps=st.lists(
        st.tuples(CLOCK, TOKENS, TOKENS, HEADERS, st.sampled_from([200, 429, 503]), st.booleans()),
        max_size=25,
    ),
)
def test_no_header_no_usage_and_no_clock_breaks_a_key(
    limits: QuotaLimits,
    steps: list[tuple[float, int, int, list[tuple[bytes, bytes]], int, bool]],
) -> None:
    quota = KeyQuota("k", limits, 0.0)
    held: list[Reservation] = []
    for now_s, asked, used, headers, status, is_settled in steps:
        reservation = quota.reserve(Need.of(asked, asked), now_s)
        if reservation is not None:
            held.append(reservation)
        told = read_told(headers, 1.7e9)
        quota.observe(told, now_s, held[-1] if held else None, status)
        if is_settled and held:
            held.pop().settle(used, used)
        for each in quota.left(now_s):
            capacity = capacity_of(limits, each.kind, each.per_minute)
            assert 0 < each.per_minute <= 1e12 * limits.share
            assert each.left <= capacity * (1 + 1e-9)
        # Never shut for longer than the bound, the debt of a minute and a full bucket take.
        wait_s = quota.wait_s(Need.of(asked, asked), now_s)
        full_s = (
            max(
                (capacity_of(limits, each.kind, each.per_minute) / each.per_minute * 60)
                for each in quota.left(now_s)
            )
            if quota.left(now_s)
            else 0.0
        )
        assert 0 <= wait_s <= HOLD_S_MAX + 60.001 + 2 * max(60.001, full_s)
        # A small step back is a second at most during which time stands still.
        later_s = now_s + wait_s + STEP_BACK_S_MAX + 1e-3
        assert pick([quota], Need.of(asked, asked), later_s).key is quota


@given(
    limits=LIMITS,
    calls=st.lists(st.tuples(st.floats(0, 20), TOKENS, TOKENS), min_size=1, max_size=25),
)
def test_no_window_holds_more_than_the_burst_and_the_rate(
    limits: QuotaLimits, calls: list[tuple[float, int, int]]
) -> None:
    quota = KeyQuota("k", limits, 0.0)
    log: list[tuple[float, Need]] = []
    now_s = 0.0
    for step_s, input_tokens, output_tokens in calls:
        now_s += step_s
        need = Need.of(input_tokens, output_tokens)
        if quota.reserve(need, now_s) is not None:
            log.append((now_s, need))
    for kind, per_minute in enumerate(limits.per_minute):
        if per_minute is None:
            continue
        per_s = per_minute * limits.share / 60
        for first, (start_s, _) in enumerate(log):
            total = 0.0
            for end_s, need in log[first:]:
                capacity = capacity_of(limits, Kind(kind), per_s * 60)
                # A call larger than all there is takes that and a minute's worth at most.
                most = capacity + max(capacity, per_s * 60)
                total += min(need[kind], most)
                over = max(0.0, min(need[kind], most) - capacity)
                allowed = capacity + per_s * (end_s - start_s + 1e-5)
                assert total <= allowed * (1 + 1e-9) + over


@given(
    limits=LIMITS,
    calls=st.lists(st.tuples(TOKENS, st.floats(0, 1), st.booleans()), min_size=1, max_size=20),
)
def test_settling_returns_exactly_what_was_not_used(
    limits: QuotaLimits, calls: list[tuple[int, float, bool]]
) -> None:
    quota, plain = KeyQuota("a", limits, 0.0), KeyQuota("b", limits, 0.0)
    for asked, part, is_cancelled in calls:
        used = 0 if is_cancelled else int(asked * part)
        reservation = quota.reserve(Need.of(asked, asked), 0.0)
        if reservation is None:
            continue
        capacity = min(
            (each.per_minute * limits.burst_s / 70 for each in quota.left(0.0)), default=inf
        )
        if is_cancelled or 2 * asked > capacity:
            reservation.cancel()
        else:
            reservation.settle(used, used)
            other = plain.reserve(Need.of(used, used), 0.0)
            assert other is not None
    for mine, theirs in zip(quota.left(0.0), plain.left(0.0), strict=True):
        assert abs(mine.left - theirs.left) <= 1e-6 * theirs.per_minute


@given(
    limits=LIMITS,
    asked=st.lists(TOKENS, min_size=1, max_size=20),
    start_s=st.floats(0, 1e6),
)
def test_the_wait_is_exact(limits: QuotaLimits, asked: list[int], start_s: float) -> None:
    quota = KeyQuota("k", limits, start_s)
    for tokens in asked:
        need = Need.of(tokens, tokens)
        wait_s = quota.wait_s(need, start_s)
        if wait_s > 0:
            assert quota.reserve(need, start_s + wait_s * 0.99 - 2e-5) is None
            start_s += wait_s
        assert quota.reserve(need, start_s) is not None


@given(text=st.binary(max_size=70))
def test_any_bytes_are_a_span_within_bounds_or_none(text: bytes) -> None:
    value = span_s(text, 1.7e9)
    assert value is None or 0 <= value <= SPAN_S_MAX
