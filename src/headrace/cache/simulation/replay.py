"""What a policy would have saved: a trace replayed through a cache bounded in bytes."""

import msgspec

from headrace.cache.policy import Policy
from headrace.cache.simulation.trace import Trace


class Score(msgspec.Struct, frozen=True):
    """What was saved, each as a share of what there was.

    Attributes:
        hit_rate: of the requests, how many were answered from the cache.
        byte_hit_rate: of the bytes of all answers, how many.
        saved_usd_share: of the dollars that all calls would cost.
        saved_s_share: of the seconds that all calls would take.
    """

    hit_rate: float
    byte_hit_rate: float
    saved_usd_share: float
    saved_s_share: float


def replay(trace: Trace, policy: Policy[int], capacity_bytes: int) -> Score:
    """Let `policy` decide what a cache of `capacity_bytes` holds, as the memory tier would.

    A miss is stored, then whatever the policy names leaves until the rest fits. An answer larger
    than the cache is not stored. Nothing expires.

    Args:
        trace: what is asked.
        policy: a new one.
        capacity_bytes: what the cache may hold, overhead included.
    """
    held: dict[int, int] = {}
    used_bytes = hits = hit_bytes = 0
    saved_usd = saved_s = 0.0
    touch, insert, evict = policy.touch, policy.insert, policy.evict
    for key, size, cost_usd, latency_s in zip(
        trace.keys, trace.sizes, trace.costs_usd, trace.latencies_s, strict=True
    ):
        if key in held:
            touch(key)
            hits += 1
            hit_bytes += size
            saved_usd += cost_usd
            saved_s += latency_s
        elif size <= capacity_bytes:
            held[key] = size
            used_bytes += size
            insert(key, size, cost_usd)
            while used_bytes > capacity_bytes:
                used_bytes -= held.pop(evict())
    return score(trace, hits, hit_bytes - hits * trace.overhead_bytes, saved_usd, saved_s)


def score(trace: Trace, hits: float, hit_bytes: float, saved_usd: float, saved_s: float) -> Score:
    """What was saved of all there was in `trace`; of nothing, nothing."""
    all_bytes = sum(trace.sizes) - len(trace) * trace.overhead_bytes
    return Score(
        hit_rate=hits / len(trace),
        byte_hit_rate=_share(hit_bytes, all_bytes),
        saved_usd_share=_share(saved_usd, trace.spend_usd),
        saved_s_share=_share(saved_s, sum(trace.latencies_s)),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
