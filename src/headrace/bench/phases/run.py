"""A run as a whole: a crew, what it counted, what a target's processes took, and the record."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

import msgspec

from headrace.bench.load.crew import Crew, Target
from headrace.bench.load.histogram import Histogram
from headrace.bench.load.messages import Progress, Result
from headrace.bench.load.plan import Plan
from headrace.bench.load.summary import summarise
from headrace.bench.phases.judge import judge
from headrace.bench.phases.watch import Watch
from headrace.bench.records import Environment, PhaseRecord, Reading, Requests, RunRecord, Status
from headrace.clock import Clock

ROWS_MAX: Final = 200_000
"""Requests that a phase keeps one by one; of more, a fair draw."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How a plan is run.

    Attributes:
        workers: processes that load.
        spins: whether their clients wait on their feet.
        rows_max: requests of a phase that the record tells one by one.
        pid: of the target, whose memory and CPU time are watched with its children; or none.
        nonce: stands in every prompt: another one for each run, or a living target answers the
            second from what it kept of the first.
    """

    workers: int = 1
    spins: bool = False
    rows_max: int = 10_000
    pid: int | None = None
    nonce: str = ""


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """How a run goes.

    Attributes:
        phase: number of the phase; as many as there are when the last requests are awaited.
        elapsed_s: since the first phase began.
        sent: requests of this phase.
        failed: of them.
        in_flight: not over yet.
        p50_ms: of what ended a moment ago.
        p95_ms: likewise.
        lag_ms: worst lag of the clients a moment ago.
    """

    phase: int
    elapsed_s: float
    sent: int
    failed: int
    in_flight: int
    p50_ms: float | None
    p95_ms: float | None
    lag_ms: float


class Run:
    """Runs a plan once.

    Args:
        plan: what to do.
        target: what is loaded.
        url: what the record calls it.
        terms: how.
        clock: the time.
        on_now: told how it goes, some times a second.
    """

    def __init__(
        self,
        plan: Plan,
        target: Target,
        url: str,
        terms: Terms,
        clock: Clock,
        on_now: Callable[[Now], None],
    ) -> None:
        self._plan, self._url, self._terms, self._clock = plan, url, terms, clock
        self._on_now = on_now
        self._latest: dict[int, Progress] = {}
        self._start_s = 0.0
        self._watch = Watch(terms.pid, clock)
        self._crew = Crew(
            plan,
            target,
            workers=terms.workers,
            rows_max=ROWS_MAX // terms.workers,
            spins=terms.spins,
            nonce=terms.nonce,
            on_progress=self._heard,
            clock=clock,
        )

    def stop(self) -> None:
        """End before the end; `whole` then returns what there is."""
        self._crew.stop()

    async def whole(self) -> RunRecord:
        """Run it.

        Raises:
            PlanInvalid: a schedule cannot be made.
            WorkerLost: a process that loads ended before its time.
        """
        started_at, environment = self._clock.wall_s(), Environment.here()
        self._watch.start()
        try:
            results = await self._crew.run(self._started)
        finally:
            self._watch.stop()
        phases = self._phases(results)
        voids = [f"{p.phase.name}: {p.summary.void}" for p in phases if p.summary.void]
        return RunRecord(
            name=self._plan.name,
            plan_digest=self._plan.digest(),
            seed=self._plan.seed,
            nonce=self._terms.nonce,
            started_at=started_at,
            target=self._url,
            workers=self._terms.workers,
            environment=environment,
            status=self._status(results),
            void="; ".join(voids) or None,
            plan=self._plan,
            phases=phases,
            readings=self._readings(),
        )

    def _started(self, start_s: float) -> None:
        self._start_s = start_s
        lengths = (phase.seconds for phase in self._plan.phases)
        self._watch.also_at(accumulate(lengths, initial=start_s))

    def _readings(self) -> tuple[Reading, ...]:
        return tuple(
            msgspec.structs.replace(reading, at_s=round(reading.at_s - self._start_s, 3))
            for reading in self._watch.readings
            if reading.at_s >= self._start_s
        )

    def _phases(self, results: Sequence[Result]) -> tuple[PhaseRecord, ...]:
        records: list[PhaseRecord] = []
        readings, begun_s = self._readings(), 0.0
        for number, phase in enumerate(self._plan.phases):
            counts = [r.counts[number] for r in results if number < len(r.counts)]
            if len(counts) < len(results):
                break  # it had not begun everywhere when the run was ended
            summary, table = summarise(phase, counts, self._plan.lag_share)
            during = [r for r in readings if begun_s <= r.at_s <= begun_s + phase.seconds]
            verdicts, notes = judge(phase, summary, table, records, during)
            requests = Requests.of(table.thinned(self._terms.rows_max, self._plan.seed))
            records.append(
                PhaseRecord(
                    phase=phase, summary=summary, verdicts=verdicts, notes=notes, requests=requests
                )
            )
            begun_s += phase.seconds
        return tuple(records)

    def _status(self, results: Sequence[Result]) -> Status:
        if any(result.is_down for result in results):
            return "target down"
        return "whole" if all(result.is_whole for result in results) else "interrupted"

    def _heard(self, worker: int, progress: Progress) -> None:
        self._latest[worker] = progress
        phase = max(each.phase for each in self._latest.values())
        these = [each for each in self._latest.values() if each.phase == phase]
        recent = Histogram().merge(Histogram(each.e2e) for each in these)
        p50, p95 = recent.quantile(0.5), recent.quantile(0.95)
        self._on_now(
            Now(
                phase=phase,
                elapsed_s=max(0.0, self._clock.monotonic_s() - self._start_s),
                sent=sum(each.sent for each in these),
                failed=sum(each.failed for each in these),
                in_flight=sum(each.in_flight for each in self._latest.values()),
                p50_ms=None if p50 is None else p50 * 1000,
                p95_ms=None if p95 is None else p95 * 1000,
                lag_ms=1000 * max(each.lag_s_max for each in these),
            )
        )
