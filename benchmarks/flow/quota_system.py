"""`python -m benchmarks.flow.quota_system`: how much of a quota a real gateway uses.

A gateway and simulated providers with buckets of their own, each a process. Callers ask, as a
Poisson process, for half more than the quota, after a burst that empties the buckets. What the
simulated provider granted and refused in the seconds after that is what is told.
"""

import argparse
import asyncio
import http.client
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import gateway, processes
from headrace import ConnectionPool, HeadraceError

CALLS_PER_MINUTE: Final = 600
"""What binds allows about so many, so that a run is short and the machine is not what binds."""

TOKENS_EACH: Final = 130
DEMAND: Final = 1.5
BURST_S: Final = 8.0
SETTLE_S: Final = 6.0
MEASURED_S: Final = 30.0
USED_MIN: Final = 0.95
REFUSED_MAX: Final = 0.01


class Way(msgspec.Struct, frozen=True):
    """One provider, and what the gateway knows of it.

    Attributes:
        name: for the table.
        requests: calls it grants in a minute.
        tokens: tokens it grants in a minute.
        quota: what the gateway is told; `None` for nothing.
        is_promised: whether the promise is for this one.
    """

    name: str
    requests: int
    tokens: int
    quota: Mapping[str, Any] | None
    is_promised: bool = True

    @property
    def calls_per_s(self) -> float:
        """Calls that the quota has room for."""
        return min(self.requests, self.tokens / TOKENS_EACH) / 60


_MANY: Final = 10 * CALLS_PER_MINUTE
_BY_CALLS: Final = (CALLS_PER_MINUTE, _MANY * TOKENS_EACH)
_BY_TOKENS: Final = (_MANY, CALLS_PER_MINUTE * TOKENS_EACH)


def _told(requests: int, tokens: int) -> Mapping[str, Any]:
    return {"requests_per_minute": requests, "tokens_per_minute": tokens}


WAYS: Final = (
    Way("requests bind", *_BY_CALLS, _told(*_BY_CALLS)),
    Way("tokens bind", *_BY_TOKENS, _told(*_BY_TOKENS)),
    Way("tokens bind, learnt from headers", *_BY_TOKENS, {}),
    Way("requests bind, no quota set", *_BY_CALLS, None, is_promised=False),
)


class Figures(msgspec.Struct, frozen=True):
    """One run of one way, as shares of 1.

    Attributes:
        used: of what binds.
        refused: of the calls that came to the provider, answered with 429.
        seen: of the callers' calls, answered with 429.
        turned_away: of the callers' calls, told by the gateway to come again.
    """

    used: float
    refused: float
    seen: float
    turned_away: float


def main() -> int:
    """Run the experiment; 1 where a promise was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="of all ways, each below a minute")
    parser.add_argument("--seed", type=int, default=101, help="of the first run")
    arguments = parser.parse_args()
    processes.end_on_signals()
    made: list[list[Figures]] = [[] for _ in WAYS]
    with tempfile.TemporaryDirectory(prefix="headrace-quota-") as folder:
        for seed in range(arguments.seed, arguments.seed + arguments.runs):
            for found, figures in zip(made, _run(Path(folder), seed), strict=True):
                found.append(figures)
    console = Console()
    console.print(table(made))
    return int(any(w.is_promised and not _is_kept(f) for w, f in zip(WAYS, made, strict=True)))


def table(made: Sequence[Sequence[Figures]]) -> Table:
    """The worst run of each way, in percent."""
    shown = Table("way", "used %", "429 %", "callers saw %", "told to wait %", "")
    for way, runs in zip(WAYS, made, strict=True):
        shown.add_row(
            way.name,
            f"{min(each.used for each in runs):.1%}",
            f"{max(each.refused for each in runs):.2%}",
            f"{max(each.seen for each in runs):.2%}",
            f"{max(each.turned_away for each in runs):.1%}",
            ("kept" if _is_kept(runs) else "MISSED") if way.is_promised else "",
        )
    return shown


def _is_kept(runs: Sequence[Figures]) -> bool:
    return all(
        each.used >= USED_MIN and each.refused < REFUSED_MAX and not each.seen for each in runs
    )


def _run(directory: Path, seed: int) -> list[Figures]:
    """Every way at the same time, in front of a provider of its own."""
    with ExitStack() as stack:
        ports = [stack.enter_context(_Sim(directory, at, way)) for at, way in enumerate(WAYS)]
        providers = {f"p{at}": _provider(ports[at], way) for at, way in enumerate(WAYS)}
        wants = gateway.Wants(providers=providers)
        house = stack.enter_context(
            gateway.serving(f"gateway-{seed}", directory, ports[0], wants=wants)
        )
        return asyncio.run(_meet(house.port, ports, seed))


class _Sim:
    """A simulated provider as long as the context is open; gives its port."""

    def __init__(self, directory: Path, number: int, way: Way) -> None:
        self._port = processes.free_port()
        limits = ["--rate-limit", str(way.requests), "--rate-limit-tokens", str(way.tokens)]
        command = [sys.executable, "-m", *gateway.PROGRAM, "sim", "--port", str(self._port)]
        self._running = processes.running(
            f"sim-{number}",
            [*command, "--profile", "instant", *limits],
            directory,
            environment=gateway.environment(),
        )

    def __enter__(self) -> int:
        self._running.__enter__().wait_ready(self._port, "/healthz")
        return self._port

    def __exit__(self, *error: Any) -> None:
        self._running.__exit__(*error)


def _provider(port: int, way: Way) -> Mapping[str, Any]:
    settings = {"dialect": "openai", "base_url": f"http://127.0.0.1:{port}/v1"}
    pace = {"x-sim-ttft-ms": "300"}
    return {**settings, "headers": pace, **({} if way.quota is None else {"quota": way.quota})}


async def _meet(port: int, sims: Sequence[int], seed: int) -> list[Figures]:
    async with ConnectionPool(pool_size=4096, max_keepalive=512, retries=0) as pool:
        ways = (
            _ask_for(pool, port, at, sims[at], Random(f"{seed} {at}")) for at in range(len(WAYS))
        )
        return list(await asyncio.gather(*ways))


async def _ask_for(
    pool: ConnectionPool, port: int, at: int, sim_port: int, dice: Random
) -> Figures:
    way, loop = WAYS[at], asyncio.get_running_loop()
    calls: list[tuple[float, asyncio.Task[str]]] = []
    begin_s = at_s = loop.time()
    before: Mapping[str, Any] | None = None
    while at_s < begin_s + BURST_S + SETTLE_S + MEASURED_S:
        # The burst brings what a full bucket holds, so that the rest meets an empty one.
        is_burst = at_s < begin_s + BURST_S
        per_s = way.calls_per_s * (DEMAND + (60 / BURST_S if is_burst else 0.0))
        at_s += dice.expovariate(per_s)
        await asyncio.sleep(max(0.0, at_s - loop.time()))
        if before is None and at_s >= begin_s + BURST_S + SETTLE_S:
            before = await asyncio.to_thread(_stats, sim_port)
        number = len(calls)
        calls.append((at_s, asyncio.create_task(_ask(pool, port, at, number, dice))))
    after = await asyncio.to_thread(_stats, sim_port)
    ended = [await call for at_s, call in calls if at_s >= begin_s + BURST_S + SETTLE_S]
    assert before is not None  # the loop went beyond that time
    return _figures(way, before, after, ended)


async def _ask(pool: ConnectionPool, port: int, at: int, number: int, dice: Random) -> str:
    """One call: `429`, `503`, another status, or what was wrong."""
    document = {
        "model": f"p{at}/m",
        "messages": [{"role": "user", "content": f"{number} " + "water " * dice.randint(20, 100)}],
        "max_tokens": dice.choice((30, 60, 90)),
    }
    headers = {"authorization": f"Bearer {gateway.KEY}", "x-should-retry": "false"}
    try:
        answer = await pool.post(
            f"http://127.0.0.1:{port}/v1/chat/completions", json=document, headers=headers
        )
    except HeadraceError as error:
        return error.code
    return str(answer.status)


def _figures(
    way: Way, before: Mapping[str, Any], after: Mapping[str, Any], ended: Sequence[str]
) -> Figures:
    came, refused, tokens = (
        after[name] - before[name] for name in ("requests_total", "refused", "charged_tokens")
    )
    granted = {"requests": came - refused, "tokens": tokens}
    used = max(
        granted["requests"] / (way.requests / 60 * MEASURED_S),
        granted["tokens"] / (way.tokens / 60 * MEASURED_S),
    )
    return Figures(
        used=used,
        refused=refused / max(1, came),
        seen=ended.count("429") / len(ended),
        turned_away=ended.count("503") / len(ended),
    )


def _stats(port: int) -> Mapping[str, Any]:
    """What a simulated provider has seen so far."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/_sim/stats")
    told: Mapping[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return told


if __name__ == "__main__":
    raise SystemExit(main())
