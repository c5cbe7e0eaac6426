"""A process that loads a target: reads a `Job`, says `Ready`, waits for `Go`, ends in a `Result`.

    python -m headrace.bench.load.worker

Started by a crew, over standard input and output; it ends when its input does.
"""

import asyncio
import gc
import resource
import sys
from array import array
from collections.abc import Callable
from itertools import accumulate
from typing import Final

import msgspec
import uvloop

from headrace.bench.load import messages
from headrace.bench.load.arrivals import check_size, send_times
from headrace.bench.load.call import Call
from headrace.bench.load.client import Pool
from headrace.bench.load.driver import ClosedLoop, Maker, OpenLoop
from headrace.bench.load.faults import PlanInvalid
from headrace.bench.load.histogram import Histogram
from headrace.bench.load.messages import FromWorker, Job, Progress, Result, packed, received
from headrace.bench.load.plan import Closed, Trace
from headrace.bench.load.tally import DOWN_LEAST_S, Tally
from headrace.bench.load.traces import read_trace
from headrace.bench.load.workload import KINDS, Requests, draw
from headrace.clock import Clock, SystemClock

_PROGRESS_S: Final = 0.25
_CLOSED_DRAWN: Final = 50_000
_CONNECTIONS_SPARE: Final = 1000
_FILES_SPARE: Final = 64
_GRACE_S: Final = 0.5


class Share(msgspec.Struct, frozen=True):
    """A phase as this worker does it.

    Attributes:
        times: when to send; nothing in a closed loop.
        make: kind and bytes of the request of a number.
    """

    times: "array[float] | None"
    make: Maker


def prepare(job: Job) -> list[Share]:
    """Make every schedule, and take this worker's share: every so many-th request.

    Raises:
        PlanInvalid: a schedule cannot be made.
        OSError: a trace cannot be read.
    """
    plan = job.plan
    host = f"[{job.host}]" if ":" in job.host else job.host  # RFC 3986: of an IPv6 address
    target = f"{host}:{job.port}"
    requests = Requests(plan.workload, plan.seed, target, job.credential, job.nonce)
    shares = [_share(job, number, requests) for number in range(len(plan.phases))]
    check_size("the whole", job.workers * sum(len(share.times or ()) for share in shares))
    return shares


def _share(job: Job, number: int, requests: Requests) -> Share:
    plan, mine = job.plan, slice(job.worker, None, job.workers)
    phase = plan.phases[number]
    if isinstance(phase.arrivals, Trace):
        trace_times, trace_rows = read_trace(phase.arrivals, phase.seconds)
        rows, stream = trace_rows[mine], KINDS.index("stream")

        def replay(at: int) -> tuple[int, bytes]:
            return stream, requests.replay(rows[at], job.worker + at * job.workers)

        return Share(trace_times[mine], replay)
    is_closed = isinstance(phase.arrivals, Closed)
    times = None if is_closed else send_times(phase, plan.seed * 31 + number)
    count = _CLOSED_DRAWN if times is None else len(times)
    workload = plan.workload
    if phase.repeat_share is not None:
        workload = msgspec.structs.replace(workload, repeat_share=phase.repeat_share)
    asked = draw(workload, count, plan.seed, number)
    kinds, keys, forms = asked.kinds[mine], asked.keys[mine], asked.forms[mine]

    def make(at: int) -> tuple[int, bytes]:
        round_, place = divmod(at, len(kinds))
        key = keys[place]
        # A closed loop may need more than was drawn; what comes once still comes once.
        once = key if key >= 0 else key - (round_ << 40)
        return kinds[place], requests.make(kinds[place], once, forms[place])

    return Share(None if times is None else times[mine], make)


class Worker:
    """Runs its share of a plan.

    Args:
        job: the share.
        shares: its phases, prepared.
        tell: takes what whoever started it should know.
        clock: the time.
    """

    def __init__(
        self, job: Job, shares: list[Share], tell: Callable[[FromWorker], None], clock: Clock
    ) -> None:
        self._job = job
        self._plan = job.plan
        self._shares = shares
        self._tell = tell
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._tallies: list[Tally] = []
        # Of every phase that began: one that is late is late, and still sends what is due.
        self._loops: list[OpenLoop | ClosedLoop] = []
        self._pool: Pool | None = None
        self._ended = asyncio.Event()
        self._drained = asyncio.Event()
        self._sent = self._failed = 0
        self._recent = Histogram()
        self._lag_s_max = 0.0
        self._is_whole = self._is_down = False

    async def run(self, start_s: float) -> Result:
        """Run every phase; returns when the last request is over, or soon after a stop."""
        phases = self._plan.phases
        starts = [start_s, *accumulate((p.seconds for p in phases), initial=start_s)][1:]
        users = max(phase.users for phase in phases)
        async with asyncio.TaskGroup() as group:
            self._pool = Pool(
                self._job.host,
                self._job.port,
                connections_max=_files(-(-users // self._job.workers) * 2 + _CONNECTIONS_SPARE),
                clock=self._clock,
                group=group,
                on_tokens=self._on_tokens,
                on_end=self._on_end,
            )
            timers = [
                self._at(starts[number], self._begin, number, starts[number])
                for number in range(len(phases))
            ]
            timers.append(self._at(starts[-1], self._finish))
            self._report()
            await self._ended.wait()
            for timer in timers:
                timer.cancel()
            await self._drain()
            self._pool.close()
        counts = [tally.count() for tally in self._tallies]
        return Result(counts, is_whole=self._is_whole, is_down=self._is_down)

    def stop(self) -> None:
        """End before the end: what is under way has moments left, be it waited for already."""
        self._is_whole = False
        for loop in self._loops:
            loop.stop()
        self._ended.set()
        self._loop.call_later(_GRACE_S, self._drained.set)

    def _at(self, when_s: float, function: Callable[..., None], *args: object) -> asyncio.Handle:
        return self._loop.call_later(max(0.0, when_s - self._clock.monotonic_s()), function, *args)

    def _begin(self, number: int, start_s: float) -> None:
        phase, share, job = self._plan.phases[number], self._shares[number], self._job
        seed = self._plan.seed * 7919 + number * 101 + job.worker
        self._tallies.append(
            Tally(phase, start_s, self._plan.good, rows_max=job.rows_max, seed=seed)
        )
        self._sent = self._failed = 0
        assert self._pool is not None  # noqa: S101  # phases begin when there is one
        pool, mine = self._pool, range(job.worker, phase.users, job.workers)
        pool.keep(len(mine))

        def send(kind: int, request: bytes, intended_s: float) -> None:
            self._sent += 1
            pool.send(Call(number, kind, request, intended_s, phase.timeout_s))

        if share.times is not None:
            self._loops.append(
                OpenLoop(share.times, share.make, start_s, send, self._clock, spins=job.spins)
            )
            return
        assert isinstance(phase.arrivals, Closed)  # noqa: S101  # the others have times
        self._loops.append(
            ClosedLoop(
                len(mine),
                phase.arrivals.think_s,
                share.make,
                start_s,
                start_s + phase.seconds,
                send,
                self._clock,
            )
        )

    def _finish(self) -> None:
        self._is_whole = not self._ended.is_set()
        for loop in self._loops:
            if isinstance(loop, ClosedLoop):
                loop.stop()  # it has no schedule of which anything could be left
        self._ended.set()

    async def _drain(self) -> None:
        """Let what is under way end: in its own time, or, after a stop, within moments."""
        if not self._is_drained():
            await self._drained.wait()

    def _is_drained(self) -> bool:
        in_flight = self._pool.in_flight if self._pool else 0
        return in_flight == 0 and all(loop.is_done for loop in self._loops)

    def _on_tokens(self, call: Call, _count: int, now_s: float) -> None:
        if call.last_s is not None:
            self._tallies[call.phase].gap(now_s - call.last_s)
        call.last_s = now_s

    def _on_end(self, call: Call) -> None:
        tally = self._tallies[call.phase]
        tally.book(call)
        self._lag_s_max = max(self._lag_s_max, call.begun_s - call.intended_s)
        if call.outcome == "ok":
            self._recent.add(call.ended_s - call.intended_s)
        elif call.phase == len(self._tallies) - 1:
            self._failed += 1
        loop = self._loops[call.phase]
        if isinstance(loop, ClosedLoop):
            loop.answered(call)
        is_wanted = self._plan.when_down == "end" and not self._is_down
        if is_wanted and tally.down_s >= DOWN_LEAST_S:
            self._is_down = True
            self.stop()
        if self._ended.is_set() and self._is_drained():
            self._drained.set()

    def _report(self) -> None:
        in_flight = self._pool.in_flight if self._pool else 0
        self._tell(
            Progress(
                phase=len(self._tallies) - 1 + self._ended.is_set(),
                sent=self._sent,
                failed=self._failed,
                in_flight=in_flight,
                e2e=self._recent.counts,
                lag_s_max=self._lag_s_max,
            )
        )
        self._recent = Histogram()
        self._lag_s_max = 0.0
        if not (self._ended.is_set() and in_flight == 0):
            self._loop.call_later(_PROGRESS_S, self._report)


def _files(wanted: int) -> int:
    """Have the system allow so many connections, or as many as it does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = max(soft, wanted + _FILES_SPARE)
    allowed = max(soft, min(hard, wanted + _FILES_SPARE))
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (allowed, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    return max(1, min(wanted, allowed - _FILES_SPARE))


def _say(message: FromWorker) -> None:
    sys.stdout.buffer.write(packed(message))
    sys.stdout.buffer.flush()


async def _stop_when_told(reader: asyncio.StreamReader, worker: Worker) -> None:
    """Anything more that comes means the end, and so does nothing more."""
    await reader.read(1)
    worker.stop()


async def work(clock: Clock) -> None:
    """Do the job that standard input brings."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    try:
        job: Job = await received(reader, Job)
        shares = prepare(job)
    except (PlanInvalid, OSError) as error:
        _say(messages.Refused(str(error)))
        return
    except asyncio.IncompleteReadError:
        return
    gc.collect()
    gc.freeze()
    _say(messages.Ready())
    try:
        go: messages.ToWorker = await received(reader, messages.ToWorker)
    except asyncio.IncompleteReadError:
        return
    if not isinstance(go, messages.Go):
        _say(Result([], is_whole=False, is_down=False))
        return
    worker = Worker(job, shares, _say, clock)
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(_stop_when_told(reader, worker))
        result = await worker.run(go.start_s)
        watch.cancel()
    _say(result)


if __name__ == "__main__":
    uvloop.run(work(SystemClock()))
