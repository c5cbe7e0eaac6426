"""How busy a target is, as its balancer sees it. Pure."""

from math import exp
from typing import Final

EWMA_DECAY_S: Final = 10.0
# What counts for a target that is under way with its first call: it is not to have all the others.
UNKNOWN_S: Final = 1.0
# As what a call that fails at once counts at most: it is forgotten within a minute.
FAILED_S_MAX: Final = 30.0


class Load:
    """A target: what it was given, and how fast it was. One owner, no lock.

    Its time is a moving average that follows a slow answer at once and forgets it slowly, so that
    a target in trouble is avoided after one answer (peak EWMA: Finagle's
    `com.twitter.finagle.loadbalancer.PeakEwma`). Times are those to the first token: that of the
    whole answer is a matter of its length.

    Args:
        name: `provider/model`, or an endpoint, or a key's name.
        weight: its share of the calls, where shares are wanted; above 0.
        cost: what a call costs, in any unit that is the same for all.
        decay_s: seconds in which all but a third of a time is forgotten.

    Attributes:
        inflight: calls under way, as whoever counts them said last.
        quota_left: the share of its quota that is left, 0 to 1; told by whoever keeps it.
        turn: what a weighted balancer has for it.

    Raises:
        ValueError: the weight is not above 0.
    """

    __slots__ = (
        "_decay_s",
        "_ewma_s",
        "_seen_s",
        "cost",
        "inflight",
        "name",
        "quota_left",
        "turn",
        "weight",
    )

    def __init__(
        self,
        name: str,
        *,
        weight: float = 1.0,
        cost: float = 0.0,
        decay_s: float = EWMA_DECAY_S,
    ) -> None:
        if not 0 < weight < float("inf"):
            raise ValueError(f"the weight of {name} is above 0, and not {weight}")
        self.name = name
        self.weight = weight
        self.cost = cost
        self.inflight = 0
        self.quota_left = 1.0
        self.turn = 0.0
        self._decay_s = decay_s
        self._ewma_s = 0.0
        self._seen_s = 0.0

    def observe(self, ttft_s: float, now_s: float) -> None:
        """A first token has come.

        Args:
            ttft_s: seconds since the call was sent.
            now_s: monotonic seconds.
        """
        if ttft_s > self._ewma_s:
            self._ewma_s = ttft_s
        else:
            kept = exp((self._seen_s - now_s) / self._decay_s) if now_s > self._seen_s else 1.0
            self._ewma_s = self._ewma_s * kept + ttft_s * (1 - kept)
        self._seen_s = now_s

    def failed(self, after_s: float, now_s: float) -> None:
        """A call has failed, which counts as a slow one, and slower each time.

        Otherwise whoever fails at once would look fast, and get every call.

        Args:
            after_s: seconds since the call was sent.
            now_s: monotonic seconds.
        """
        slower_s = max(UNKNOWN_S, min(2 * self._ewma_s, FAILED_S_MAX))
        self.observe(max(after_s, slower_s), now_s)

    def latency_s(self, now_s: float) -> float:
        """Its time; 0 for one that is not known.

        It is forgotten bit by bit while nobody asks, so that whoever was slow is tried again: by
        one call, for while that one is under way the old time counts.
        """
        if self.inflight:
            return self._ewma_s or UNKNOWN_S
        if not self._ewma_s or now_s <= self._seen_s:
            return self._ewma_s
        return self._ewma_s * exp((self._seen_s - now_s) / self._decay_s)

    def waiting_s(self, now_s: float) -> float:
        """What one more call would wait for: its time, for each call under way and the new one."""
        return self.latency_s(now_s) * (self.inflight + 1)
