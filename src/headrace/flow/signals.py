"""What a limit learns from: waiting times told apart from how much was asked for. Pure.

The time to the first token grows with the input, and the whole call's with the output: neither can
be held against another call's. Each is taken as a multiple of the least that was seen of its like.
"""

from math import inf
from typing import Final

WINDOW_S: Final = 300.0
GROUP: Final = 8
BUCKETS: Final = 24


class LeastSeen:
    """What something takes where nothing queues: the least of the last while.

    The least mean of a few samples in a row, in the current window or the one before it, so that
    what once was is forgotten after one to two windows (a windowed minimum filter, as BBR's for
    the round trip). Single samples would not do: the least of ever more of them goes on falling.

    Args:
        window_s: seconds in a window.
        group: samples to a mean.
    """

    __slots__ = ("_before", "_began_s", "_group", "_now", "_samples", "_sum", "_window_s")

    def __init__(self, window_s: float = WINDOW_S, *, group: int = GROUP) -> None:
        self._window_s = window_s
        self._group = group
        self._began_s = -inf
        self._before = inf
        self._now = inf
        self._samples = 0
        self._sum = 0.0

    def multiple(self, sample: float, now_s: float) -> float | None:
        """How many times the least a sample is; `None` while too few were seen.

        Args:
            sample: above 0.
            now_s: the time.
        """
        age_s = now_s - self._began_s
        if not 0 <= age_s < self._window_s:
            # After a longer silence the window before is of no account either.
            self._before = self._now if age_s < 2 * self._window_s else inf
            self._now = inf
            self._began_s = now_s
        self._samples += 1
        self._sum += sample
        if self._samples >= self._group:
            self._now = min(self._now, self._sum / self._samples)
            self._samples, self._sum = 0, 0.0
        least = min(self._now, self._before)
        return sample / least if least < inf else None


class TtftSignal:
    """Time to the first token, as a multiple of the least for inputs of that size.

    Inputs are told apart by powers of two: up to 1 token, 2, 4, 8 and so on.

    Args:
        window_s: see `LeastSeen`.
    """

    __slots__ = ("_buckets",)

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._buckets = tuple(LeastSeen(window_s) for _ in range(BUCKETS))

    def multiple(self, ttft_s: float, input_tokens: int, now_s: float) -> float | None:
        """The signal; `None` where nothing can be said.

        Args:
            ttft_s: seconds from sending to the first token.
            input_tokens: size of the input, estimated or told.
            now_s: the time.
        """
        if not 0 < ttft_s < inf:
            return None
        bucket = min(max(input_tokens - 1, 0).bit_length(), BUCKETS - 1)
        return self._buckets[bucket].multiple(ttft_s, now_s)


class OutputPaceSignal:
    """Time per output token, as a multiple of the least.

    The first token is not counted: waiting for it is `TtftSignal`'s. Short outputs say nothing, for
    tokens come in clumps.

    Args:
        tokens_min: output tokens that it takes.
        window_s: see `LeastSeen`.
    """

    __slots__ = ("_least", "_tokens_min")

    def __init__(self, tokens_min: int = 8, window_s: float = WINDOW_S) -> None:
        self._least = LeastSeen(window_s)
        self._tokens_min = max(tokens_min, 2)

    def multiple(self, after_first_s: float, output_tokens: int, now_s: float) -> float | None:
        """The signal; `None` where nothing can be said.

        Args:
            after_first_s: seconds from the first token to the last.
            output_tokens: tokens of the output, the first among them.
            now_s: the time.
        """
        if output_tokens < self._tokens_min or not 0 < after_first_s < inf:
            return None
        return self._least.multiple(after_first_s / (output_tokens - 1), now_s)
