"""One way of making videos, timed: wall clock and CPU of all children."""

import random
import resource
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter

import msgspec

from headrace import VideoCreator

SCRIPT = (
    "A headrace is the channel that brings the water to the mill.",
    "It brings it at the speed that the wheel needs, in summer and in winter.",
    "What the wheel does not need goes by, and comes to no harm.",
)


class Way(msgspec.Struct, frozen=True):
    """How videos are made.

    Attributes:
        workers: at once.
        threads: of each.
        videos: how many, given as one batch; 0 means two, one after the other.
        simple: plain background or moving gradient.
    """

    workers: int
    threads: int
    videos: int
    simple: bool


class Spent(msgspec.Struct, frozen=True):
    """What a run took, in seconds; the median of several, and the least and the most."""

    wall_s: float
    least_s: float
    most_s: float
    cpu_s: float


def measure(
    ways: Sequence[Way],
    *,
    rounds: int,
    seed: int,
    seconds: float,
    height: int,
    tell: Callable[[str], None],
) -> dict[Way, Spent]:
    """Run each way once in every round, in an order drawn by lot.

    Args:
        ways: what to try.
        rounds: how often.
        seed: of the order.
        seconds: how long each video is.
        height: of its frames; they are 16:9.
        tell: is told what runs.
    """
    chance = random.Random(seed)
    runs: dict[Way, list[tuple[float, float]]] = {way: [] for way in ways}
    for turn in range(rounds):
        for way in chance.sample(list(ways), len(ways)):
            tell(f"round {turn + 1} of {rounds}: {way}")
            runs[way].append(_once(way, seconds, height))
    return {way: _summary(times) for way, times in runs.items()}


def _once(way: Way, seconds: float, height: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="headrace-video-") as folder:
        creator = VideoCreator(
            way.workers,
            threads=way.threads,
            output_dir=folder,
            width=height * 16 // 9,
            height=height,
        )
        with creator:
            creator.create_video("Warm.", duration_s=0.2)  # finds ffmpeg and the font
            began_s, cpu_s = perf_counter(), _cpu_s()
            if way.videos:
                _checked(creator.create_videos_batch(_items(way, way.videos, seconds)))
            else:
                for item in _items(way, 2, seconds):
                    _checked(creator.create_videos_batch([item]))
            return perf_counter() - began_s, _cpu_s() - cpu_s


def _items(way: Way, count: int, seconds: float) -> list[Mapping[str, object]]:
    return [
        {
            "script": SCRIPT,
            "title": f"The mill {number}",
            "use_simple_bg": way.simple,
            "duration_s": seconds,
        }
        for number in range(count)
    ]


def _checked(results: Iterable[object]) -> None:
    for result in results:
        error = getattr(result, "error", None)
        if error is not None:
            raise error


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _summary(times: Sequence[tuple[float, float]]) -> Spent:
    walls = [wall for wall, _ in times]
    cpu_s = statistics.median(cpu for _, cpu in times)
    return Spent(statistics.median(walls), min(walls), max(walls), cpu_s)
