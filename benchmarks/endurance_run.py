"""One cache at its bound for long, in a process of its own.

    python -m benchmarks.endurance_run PLAN.json

Reads an `EndurancePlan` and writes an `EnduranceSample` to a line, now and then, and at the end an
`EnduranceTotals`, as JSON. It keeps to its rate by resting between batches of operations.
"""

import os
import sys
import time
from pathlib import Path

import msgspec

from benchmarks import endurance_caches
from benchmarks.cache_records import EnduranceSample, EnduranceTotals
from benchmarks.endurance_caches import is_right, value_of
from benchmarks.key_stream import Action, KeyStream
from headrace.clock import ManualClock

BATCH_S = 0.01
SAMPLES = 240
# Operations from one time to the next that the cache is asked how much it holds.
ASKED_EVERY = 16
# A machine that cannot keep the rate is given this much longer.
SECONDS_FACTOR_MAX = 1.5
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class EndurancePlan(msgspec.Struct, frozen=True):
    """What is to be done.

    Attributes:
        name: of the cache.
        bytes_max: its bound.
        operations: on keys.
        seconds: how long they take.
        seed: of the keys.
    """

    name: str
    bytes_max: int
    operations: int
    seconds: float
    seed: int


class Endurance:
    """Does what a plan says.

    Args:
        plan: the plan.
    """

    def __init__(self, plan: EndurancePlan) -> None:
        self._plan = plan
        self._clock = ManualClock()
        self._cache = endurance_caches.make(plan.name, plan.bytes_max, self._clock)
        self._stream = KeyStream(plan.seed)
        self._operations = self._stream.operations()
        self._done = self._hits = self._wrong = 0
        self._held_max = self._counted_max = 0
        self._begin_s = time.perf_counter()

    def run(self) -> EnduranceTotals:
        """Operate, batch by batch, and sample."""
        plan = self._plan
        batches = max(1, round(plan.seconds / BATCH_S))
        last_s = plan.seconds * SECONDS_FACTOR_MAX
        samples = 0
        for batch in range(batches):
            goal = plan.operations * (batch + 1) // batches
            self._clock.advance(self._elapsed_s - self._clock.monotonic_s())
            self._work(goal)
            self._cache.keep_up()
            if (batch + 1) * SAMPLES // batches > samples:
                samples += 1
                self._sample()
            if self._elapsed_s > last_s:
                break
            time.sleep(max(0.0, (batch + 1) * BATCH_S - self._elapsed_s))
        reasons = self._cache.book.reasons
        return EnduranceTotals(
            operations=self._done,
            seconds=self._elapsed_s,
            bytes_held_max=self._held_max,
            bytes_counted_max=self._counted_max,
            hits=self._hits,
            evicted=reasons.get("capacity", 0),
            expired=reasons.get("expired", 0),
            wrong=self._wrong,
        )

    @property
    def _elapsed_s(self) -> float:
        return time.perf_counter() - self._begin_s

    def _work(self, goal: int) -> None:
        cache, book = self._cache, self._cache.book
        while self._done < goal:
            action, number = next(self._operations)
            self._done += 1
            if action is Action.LOOK_UP:
                self._look_up(number)
            elif action is Action.STORE:
                self._store(number)
            elif action is Action.ADD:
                terms = self._stream.terms(number)
                ends_s = self._clock.monotonic_s() + terms.ttl_s
                cache.add(number, value_of(number, ends_s, terms.size), terms)
            else:
                cache.remove(number)
            self._counted_max = max(self._counted_max, book.bytes)
            if self._done % ASKED_EVERY == 0:
                self._held_max = max(self._held_max, cache.bytes_held)

    def _look_up(self, number: int) -> None:
        value = self._cache.look_up(number)
        if value is None:
            self._done += 1
            self._store(number)
            return
        self._hits += 1
        self._wrong += not is_right(value, number, self._clock.monotonic_s())

    def _store(self, number: int) -> None:
        terms = self._stream.terms(number)
        ends_s = self._clock.monotonic_s() + terms.ttl_s
        self._cache.store(number, value_of(number, ends_s, terms.size), terms)

    def _sample(self) -> None:
        book = self._cache.book
        resident = int(Path("/proc/self/statm").read_text().split()[1])
        sample = EnduranceSample(
            at_s=self._elapsed_s,
            operations=self._done,
            entries=len(book),
            bytes_held=self._cache.bytes_held,
            bytes_counted=book.bytes,
            rss_bytes=resident * PAGE_BYTES,
        )
        _write(sample)


def _write(record: EnduranceSample | EnduranceTotals) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(record) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Read the plan, and carry it out."""
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=EndurancePlan)
    _write(Endurance(plan).run())


if __name__ == "__main__":
    main()
