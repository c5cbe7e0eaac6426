"""A profile as https://www.speedscope.app reads it. Pure."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from headrace.observe.profiling.stacks import Profile

_SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"


def speedscope(profile: Profile) -> dict[str, Any]:
    """The document, ready for JSON: sampled stacks, weighed in seconds.

    Args:
        profile: what was seen.
    """
    numbers: dict[str, int] = {}
    samples: list[list[int]] = []
    weights: list[float] = []
    for stack, count in sorted(profile.stacks.items()):
        samples.append([numbers.setdefault(frame, len(numbers)) for frame in stack])
        weights.append(count / profile.rate_hz)
    return {
        "$schema": _SCHEMA,
        "name": profile.title,
        "exporter": "headrace",
        "activeProfileIndex": 0,
        # What speedscope passes over.
        "seconds": profile.seconds,
        "rate_hz": profile.rate_hz,
        "shared": {"frames": [{"name": name} for name in numbers]},
        "profiles": [
            {
                "type": "sampled",
                "name": profile.title,
                "unit": "seconds",
                "startValue": 0,
                "endValue": sum(weights),
                "samples": samples,
                "weights": weights,
            }
        ],
    }


def read_speedscope(data: bytes) -> Profile:
    """A profile that was written by `speedscope`.

    Args:
        data: the document.

    Raises:
        ValueError: it is none, or of another kind than sampled.
    """
    try:
        found = msgspec.json.decode(data, type=_Document)
        (profile,) = found.profiles
        names = [frame.name for frame in found.shared.frames]
        pairs = list(zip(profile.samples, profile.weights, strict=True))
        stacks = {
            tuple(names[at] for at in sample): round(weight * found.rate_hz)
            for sample, weight in pairs
        }
    except (msgspec.MsgspecError, ValueError, IndexError) as error:
        raise ValueError(f"it is no profile that Headrace wrote: {error}") from None
    return Profile(stacks, found.seconds, found.rate_hz, profile.name)


class _Frame(msgspec.Struct):
    name: str


class _Shared(msgspec.Struct):
    frames: list[_Frame]


class _Sampled(msgspec.Struct):
    name: str
    samples: list[list[int]]
    weights: list[float]


class _Document(msgspec.Struct):
    shared: _Shared
    profiles: list[_Sampled]
    seconds: Annotated[float, Meta(gt=0)]
    rate_hz: Annotated[int, Meta(gt=0)]
