"""Hits and misses of a gateway whose cache has everything on, beside one with defaults and nginx.

Everything: the policy that chooses, learnt lifetimes, a Valkey, the durable tier, and answers by
meaning with the simulated provider's embedder; and a third one without these, which tells their
part of a miss. What Valkey and the embedder themselves take is theirs, and not in the figures; what
asking them takes is.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from benchmarks import bars, gateway, load_case, nginx, simulator, valkey
from benchmarks.gateway import Gateway, Wants
from benchmarks.load_case import LoadPlan, LoadTarget
from benchmarks.progress import Steps
from benchmarks.records import Bar, LoadRow
from benchmarks.workload import Call, new_nonce
from headrace.settings.schema import CacheSettings

CONTROL = "nginx, A/A"
DEFAULTS_HIT, DEFAULTS_MISS = "defaults, hit", "defaults, miss"
HIT, MISS = "everything on, hit", "everything on, miss"
WORDS_MISS = "all but meaning, miss"
EMBEDDER = "embedder"
# Hits that are asked again in the background: a tenth of them would be a mistake.
CHECK_SHARE = 0.01
CALLS_SHARE_MAX = 3 * CHECK_SHARE


def parts() -> list[str]:
    """The parts of the cache that settings turn on, those to come among them."""
    defaults = CacheSettings()
    return [
        name for name in defaults.__struct_fields__ if hasattr(getattr(defaults, name), "enabled")
    ]


def cache_settings(shared: str) -> Mapping[str, object]:
    """Settings of a cache with everything on.

    Args:
        shared: URL of a Valkey.
    """
    return {
        **{part: {"enabled": True} for part in parts()},
        "policy": "auto",
        "adaptive": {"enabled": True, "check_share": CHECK_SHARE},
        "shared": shared,
        "durable": True,
        "stale_s": 60,
        "stale_if_error_s": 600,
        "unsafe": ["a word that no answer has"],
        "semantic": {
            "enabled": True,
            "embedder": f"{EMBEDDER}/sim-embed",
            "dimensions": 384,
            "asks_dimensions": True,
        },
    }


def measure(plan: LoadPlan, directory: Path, dice: random.Random, steps: Steps) -> list[LoadRow]:
    """Load both gateways and nginx in the same rounds.

    Args:
        plan: how much.
        directory: where children keep their files.
        dice: order of the targets.
        steps: progress.

    Raises:
        ChildFailed: something did not start, or answers what it should not.
    """
    with ExitStack() as stack:
        mock = stack.enter_context(nginx.mock(directory))
        targets = []
        for name, short in ((bars.YARDSTICK, "nginx"), (CONTROL, "nginx-again")):
            proxy = stack.enter_context(nginx.proxy(short, directory, mock.port))
            targets.append(LoadTarget(name, proxy.child, Call(proxy.port), proxy.log))
        plain = stack.enter_context(gateway.serving("defaults", directory, mock.port))
        targets += _targets(plain, DEFAULTS_HIT, DEFAULTS_MISS, 0.0)
        shared = stack.enter_context(valkey.serving(directory))
        everything = Wants(
            cache=cache_settings(shared.url),
            providers=stack.enter_context(_embedder(directory)),
            data_dir=directory / "data",
        )
        full = stack.enter_context(
            gateway.serving("everything", directory, mock.port, wants=everything)
        )
        targets += _targets(full, HIT, MISS, CALLS_SHARE_MAX)
        by_words = {name: part for name, part in everything.cache.items() if name != "semantic"}
        wants = msgspec.structs.replace(everything, cache=by_words, data_dir=directory / "words")
        words = stack.enter_context(gateway.serving("words", directory, mock.port, wants=wants))
        targets.append(_missed(words, WORDS_MISS))
        return load_case.measure(targets, bars.YARDSTICK, mock.port, plan, directory, dice, steps)


def judge(rows: Sequence[LoadRow]) -> list[Bar]:
    """The promise about memory hits, with everything on; nothing where nothing was run."""
    return [
        bars.at_most(
            f"memory hit, CPU, {row.name.removesuffix(', hit')}",
            row.ratio,
            bars.HIT_RATIO_MAX,
            "x nginx",
            row.void,
        )
        for row in rows
        if row.name in {DEFAULTS_HIT, HIT}
    ]


def _targets(served: Gateway, hit: str, miss: str, calls_share_max: float) -> list[LoadTarget]:
    missed = _missed(served, miss)
    remembered = msgspec.structs.replace(
        missed,
        name=hit,
        remembers=True,
        nonce=new_nonce(),
        cache_header="l1",
        calls_share_max=calls_share_max,
    )
    return [remembered, missed]


def _missed(served: Gateway, name: str) -> LoadTarget:
    return LoadTarget(
        name, served.child, served.call, served.log, cache_header="miss", settles=True
    )


@contextmanager
def _embedder(directory: Path) -> Iterator[Mapping[str, object]]:
    with simulator.serving(directory) as port:
        yield {EMBEDDER: {"dialect": "openai", "base_url": f"http://127.0.0.1:{port}/v1"}}
