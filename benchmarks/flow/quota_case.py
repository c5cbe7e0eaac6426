"""How much of a provider's quota is used, and how often the provider refuses.

Callers ask for half more than the quota, at random; calls have very different lengths, and what
they will use is only guessed. Nothing is timed: the clock is simulated, the product's parts decide.
Every seed meets every case.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final

import msgspec

from benchmarks.flow.quota_world import Client, Flavour, Job, Line, Provider
from headrace.cache.simulation.estimate import Estimate, estimate
from headrace.flow.quota.key import QuotaLimits

SEEDS: Final = range(101, 113)
WARM_UP_S: Final = 120.0
MEASURED_S: Final = 600.0
DEMAND: Final = 1.5
USED_SHARE_MIN: Final = 0.95
REFUSED_SHARE_MAX: Final = 0.01

# A call's means: what it sends, what it asks for at most, what it produces.
_INPUT, _ASKED, _OUTPUT = 900.0, 750.0, 262.0
_RPM: Final = 300.0


class Case(msgspec.Struct, frozen=True):
    """One provider, and who asks it.

    Attributes:
        name: for the table.
        flavour: how it counts.
        limits: what each client knows of each key; None for no quotas at all.
        keys: how large each key's quota is, as parts of the flavour's.
        clients: how many processes share the calls.
        stranger_share: how much of the quota somebody else uses.
        is_promised: whether the promise is for this case.
    """

    name: str
    flavour: Flavour
    limits: Callable[[float], QuotaLimits] | None
    keys: tuple[float, ...] = (1.0,)
    clients: int = 1
    stranger_share: float = 0.0
    is_promised: bool = True


def _openai(tokens_each: float) -> Flavour:
    counted = {"requests": _RPM, "tokens": _RPM * tokens_each}
    return Flavour(counted, "asked", "openai")


REQUESTS_BIND: Final = _openai(4000)
TOKENS_BIND: Final = _openai(1000)
AZURE: Final = Flavour(TOKENS_BIND.counted, "refunded", "azure", burst_s=10)
ANTHROPIC: Final = Flavour(
    {"requests": 2 * _RPM, "input-tokens": 2 * _RPM * _INPUT, "output-tokens": _RPM * _OUTPUT},
    "used",
    "anthropic",
)
SILENT: Final = Flavour({"requests": _RPM, "input-tokens": _RPM * 2000}, "used", "none")


def _known(flavour: Flavour, share: float = 1.0) -> Callable[[float], QuotaLimits]:
    def limits(part: float) -> QuotaLimits:
        told = {name: limit * part for name, limit in flavour.counted.items()}
        return QuotaLimits(
            requests_per_minute=told.get("requests"),
            tokens_per_minute=told.get("tokens"),
            input_tokens_per_minute=told.get("input-tokens"),
            output_tokens_per_minute=told.get("output-tokens"),
            burst_s=flavour.burst_s,
            share=share,
        )

    return limits


CASES: Final = (
    Case("OpenAI, requests bind", REQUESTS_BIND, _known(REQUESTS_BIND)),
    Case("OpenAI, tokens bind", TOKENS_BIND, _known(TOKENS_BIND)),
    Case("OpenAI, learnt from headers", TOKENS_BIND, lambda _: QuotaLimits()),
    Case("Azure, bursts of 10 s", AZURE, _known(AZURE)),
    Case("Anthropic, output binds", ANTHROPIC, _known(ANTHROPIC)),
    Case("no headers", SILENT, _known(SILENT)),
    Case("three keys", TOKENS_BIND, _known(TOKENS_BIND), keys=(0.6, 0.3, 0.1)),
    Case("two processes, half each", TOKENS_BIND, _known(TOKENS_BIND, 0.5), clients=2),
    Case(
        "a stranger uses a fifth",
        REQUESTS_BIND,
        _known(REQUESTS_BIND),
        stranger_share=0.2,
    ),
    Case("nothing but retry-after", TOKENS_BIND, None, is_promised=False),
)


class Run(msgspec.Struct, frozen=True):
    """One case with one seed; shares of 1.

    Attributes:
        used: of the quota that binds.
        refused: of the calls that were sent.
        given_up: of the calls of callers: refused three times.
    """

    used: float
    refused: float
    given_up: float


class Row(msgspec.Struct, frozen=True):
    """What is told of a case: means over seeds, with their intervals, and the worst seed."""

    name: str
    used: Estimate
    refused: Estimate
    given_up: Estimate
    used_min: float
    refused_max: float
    is_kept: bool | None


def measure(seeds: Sequence[int], told: Callable[[str], object]) -> Iterator[Row]:
    """Simulate every case with every seed.

    Args:
        seeds: at least one.
        told: hears which case is next.
    """
    for case in CASES:
        told(case.name)
        runs = [simulate(case, seed) for seed in seeds]
        used, refused = estimate([r.used for r in runs]), estimate([r.refused for r in runs])
        given_up = estimate([r.given_up for r in runs])
        is_kept = (
            used.low >= USED_SHARE_MIN
            and refused.high < REFUSED_SHARE_MAX
            and not any(run.given_up for run in runs)
        )
        yield Row(
            case.name,
            used,
            refused,
            given_up,
            min(run.used for run in runs),
            max(run.refused for run in runs),
            is_kept if case.is_promised else None,
        )


def simulate(case: Case, seed: int) -> Run:
    """Ten minutes of one case, after two to warm up."""
    random, line = Random(f"{case.name} {seed}"), Line()
    providers = [Provider(_scaled(case.flavour, part)) for part in case.keys]
    clients = [
        Client(line, providers, case.limits and [case.limits(part) for part in case.keys], random)
        for _ in range(case.clients)
    ]
    _ask(case, line, clients, random)
    if case.stranger_share:
        _disturb(case, line, providers[0], random)
    line.run(WARM_UP_S)
    granted = [{name: each.granted for name, each in p.counts.items()} for p in providers]
    before = [(c.sent, c.refused, c.given_up) for c in clients]
    line.run(WARM_UP_S + MEASURED_S)
    used = max(
        sum(p.counts[name].granted - was[name] for p, was in zip(providers, granted, strict=True))
        / (limit / 60 * MEASURED_S)
        for name, limit in case.flavour.counted.items()
    )
    sent = sum(c.sent - was[0] for c, was in zip(clients, before, strict=True))
    refused = sum(c.refused - was[1] for c, was in zip(clients, before, strict=True))
    given_up = sum(c.given_up - was[2] for c, was in zip(clients, before, strict=True))
    return Run(used, refused / sent, given_up / sent)


def _scaled(flavour: Flavour, part: float) -> Flavour:
    counted = {name: limit * part for name, limit in flavour.counted.items()}
    return msgspec.structs.replace(flavour, counted=counted)


def _job(random: Random) -> Job:
    asked = random.choice((500, 1000))
    # Lognormal, with the mean that is named above.
    output = min(asked, int(random.lognormvariate(5.5, 0.6)))
    tokens = min(8000, int(random.lognormvariate(6.48, 0.8)))
    guess = int(tokens * random.uniform(0.8, 1.3))
    return Job(tokens, output, asked, guess, random.random() < 0.5)


def _ask(case: Case, line: Line, clients: Sequence[Client], random: Random) -> None:
    """Callers ask, as a Poisson process, for half more than what may be used."""
    each = {"requests": 1.0, "tokens": _INPUT + _ASKED, "input-tokens": _INPUT}
    if case.flavour.charging != "asked":
        each["tokens"] = _INPUT + _OUTPUT
    each["output-tokens"] = _OUTPUT
    per_s = min(limit / each[name] for name, limit in case.flavour.counted.items()) / 60
    per_s *= DEMAND * (1 - case.stranger_share)

    def ask(number: int) -> None:
        clients[number % len(clients)].add(_job(random))
        line.at(line.now_s + random.expovariate(per_s), lambda: ask(number + 1))

    line.at(0.0, lambda: ask(0))


def _disturb(case: Case, line: Line, provider: Provider, random: Random) -> None:
    """Somebody else uses the same key, and does not look at headers."""
    per_s = case.flavour.counted["requests"] / 60 * case.stranger_share

    def disturb() -> None:
        provider.call(_job(random), line.now_s)
        line.at(line.now_s + random.expovariate(per_s), disturb)

    line.at(0.0, disturb)
