"""Samples of a program: which stacks of calls were seen, and how often. Pure."""

import re
from collections import Counter
from collections.abc import Mapping
from math import sqrt
from typing import Final

import msgspec

Stack = tuple[str, ...]
"""Functions from the outermost to the innermost."""

# Where in a function a sample was taken is left out: the same function is one box.
_LINE: Final = re.compile(r":\d+\)$")
# Workers do the same, and their numbers differ from run to run.
_PROCESS: Final = "process "
# Of a normal distribution, for 95 %.
_Z: Final = 1.96


class Profile(msgspec.Struct, frozen=True):
    """Samples of one run.

    Attributes:
        stacks: how often each was seen at work.
        seconds: how long samples were taken.
        rate_hz: how many were taken in a second, of each thread.
        title: what was profiled.
    """

    stacks: dict[Stack, int]
    seconds: float
    rate_hz: int
    title: str

    @property
    def samples(self) -> int:
        """All of them."""
        return sum(self.stacks.values())


class FunctionShare(msgspec.Struct, frozen=True):
    """How much of the time a function has.

    Attributes:
        name: as the sampler tells it, with its file.
        own: share of samples that were taken in it, 0 to 1.
        whole: share of samples in it or in what it called.
    """

    name: str
    own: float
    whole: float


class ShareChange(msgspec.Struct, frozen=True):
    """How a function's share differs between two profiles.

    Attributes:
        name: of the function.
        before: its own share in the first.
        after: in the second.
        low: lower end of a 95 % interval of `after - before`.
        high: upper end.
    """

    name: str
    before: float
    after: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def read_collapsed(text: str) -> dict[Stack, int]:
    """Stacks of `a;b;c 12` lines, as Brendan Gregg's stackcollapse and py-spy's `raw` write them.

    Lines that are none are passed over.

    Args:
        text: one stack a line, the outermost function first, and how often it was seen.
    """
    counts: Counter[Stack] = Counter()
    for line in text.splitlines():
        frames, _, count = line.rpartition(" ")
        stack = tuple(
            _LINE.sub(")", frame) for frame in frames.split(";") if not frame.startswith(_PROCESS)
        )
        if frames and stack and count.isdigit():
            counts[stack] += int(count)
    return dict(counts)


def shares(profile: Profile) -> list[FunctionShare]:
    """Every function's share, those with most of their own first."""
    own, whole = _tallies(profile.stacks)
    samples = profile.samples or 1
    found = [
        FunctionShare(name, own.get(name, 0) / samples, count / samples)
        for name, count in whole.items()
    ]
    return sorted(found, key=lambda each: (-each.own, -each.whole, each.name))


def changes(before: Profile, after: Profile) -> list[ShareChange]:
    """How the functions' own shares differ, the largest differences first.

    The interval is Wald's for two proportions, with Agresti and Caffo's correction (The American
    Statistician 54, 2000). Samples that follow each other are not independent, so it is rather too
    narrow than too wide.

    Args:
        before: the first profile.
        after: the second one.
    """
    first, _ = _tallies(before.stacks)
    second, _ = _tallies(after.stacks)
    found = [
        _change(name, (first.get(name, 0), before.samples), (second.get(name, 0), after.samples))
        for name in first.keys() | second.keys()
    ]
    return sorted(found, key=lambda each: (-abs(each.after - each.before), each.name))


def _change(name: str, before: tuple[int, int], after: tuple[int, int]) -> ShareChange:
    (a, m), (b, n) = before, after
    p, q = (a + 1) / (m + 2), (b + 1) / (n + 2)
    half = _Z * sqrt(p * (1 - p) / (m + 2) + q * (1 - q) / (n + 2))
    return ShareChange(name, a / m if m else 0.0, b / n if n else 0.0, q - p - half, q - p + half)


def _tallies(stacks: Mapping[Stack, int]) -> tuple[Counter[str], Counter[str]]:
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for stack, count in stacks.items():
        own[stack[-1]] += count
        for name in set(stack):  # one that calls itself counts once
            whole[name] += count
    return own, whole
