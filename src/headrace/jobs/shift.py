"""What a worker does with the queue: take jobs, end them, show that it lives, bury the dead."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headrace.clock import Clock
from headrace.jobs.job import Job
from headrace.jobs.outcome import LOSSES_MAX, Done, Failed, Later, Outcome, storable
from headrace.settings.jobs import QueueSettings
from headrace.store.records.records import Records, Step

_MICRO: Final = 1_000_000
# The longest pause after a loss, as `orphans` has it, and how far clocks of machines may differ.
_LOSS_S_MAX: Final = float((LOSSES_MAX + 1) ** 2)
_SKEW_S: Final = 60.0
# A limited queue that has rested may start this share of a minute's jobs at once.
_BURST_SHARE: Final = 1 / 6
_NO_LIMIT: Final = 2**40


class Held(msgspec.Struct, frozen=True):
    """A job that a worker is believed to do."""

    id: str
    fence: int
    started_s: float
    cancel_s: float | None


class Fellow(msgspec.Struct, frozen=True):
    """A worker, as the store knows it.

    Attributes:
        beats: how often it has shown life; below 0 where it was given up.
    """

    id: str
    host: str
    queues: str
    started_s: float
    beat_s: float
    beats: int


class Ended(msgspec.Struct, frozen=True):
    """A try that has ended."""

    job: Job
    outcome: Outcome


class Shift:
    """The store, as one worker uses it. Every method may raise `StoreFault`.

    Args:
        records: where jobs are kept.
        clock: the time.
        worker: its name, unique among all.
    """

    def __init__(self, records: Records, clock: Clock, worker: str) -> None:
        self._records = records
        self._clock = clock
        self._claims = 0
        self.worker = worker

    async def begin(self, host: str, queues: Sequence[str]) -> None:
        """Be known as one that lives."""
        values = {"id": self.worker, "host": host, "queues": ",".join(queues)}
        await self._records.write(Step("jobs.beat", {**values, "now_s": self._clock.wall_s()}))

    async def beat(self) -> bool:
        """Show life; whether the others still believe in it."""
        values = {"id": self.worker, "now_s": self._clock.wall_s()}
        (rows,) = await self._records.write(Step("jobs.beat_on", values))
        return bool(rows)

    async def leave(self) -> None:
        """Be forgotten; whatever it has not ended is up to the others."""
        await self._records.write(
            Step("jobs.forget_worker", {"id": self.worker, "ended": 1}), self._orphans("It ended.")
        )

    async def ripen(self) -> None:
        """Let delayed jobs wait for a worker once their time has come."""
        values = {"now_s": self._clock.wall_s()}
        if await self._records.fetch("jobs.ripe", values):
            await self._records.write(Step("jobs.ripen", values))

    async def ripen_stranded(self, retry_s_max: float) -> None:
        """Let tries begin that were put off by a clock which was ahead, and is no more.

        Args:
            retry_s_max: the longest pause before a try.
        """
        latest_s = self._clock.wall_s() + max(retry_s_max, _LOSS_S_MAX) + _SKEW_S
        await self._records.write(Step("jobs.ripen_stranded", {"latest_s": latest_s}))

    async def has_waiting(self, queue: str) -> bool:
        """Whether a queue has anything to do."""
        return bool(await self._records.fetch("jobs.due", {"queue": queue}))

    async def claim(self, queue: str, limits: QueueSettings, room: int) -> list[Job]:
        """The next jobs of a queue, at most as many as there is room for."""
        self._claims += 1
        values: dict[str, object] = {
            "queue": queue,
            "worker": self.worker,
            # Done twice, a claim finds what it took before by this.
            "claim": f"{self.worker}.{self._claims}",
            "now_s": self._clock.wall_s(),
            "room": room,
        }
        if limits.concurrency_total is None and limits.per_minute is None:
            steps = [Step("jobs.claim", values)]
        else:
            steps = _limited(values, limits)
        *_, rows = await self._records.write(*steps, Step("jobs.claimed", values))
        return msgspec.convert(rows, list[Job])

    async def held(self) -> list[Held]:
        """What the store believes that this worker does."""
        rows = await self._records.fetch("jobs.held", {"worker": self.worker})
        return msgspec.convert(rows, list[Held])

    async def holds(self, job: Job) -> bool:
        """Whether a job is still this worker's."""
        values = {"id": job.id, "fence": job.fence}
        return bool(await self._records.fetch("jobs.holds", values))

    async def end(self, ended: Sequence[Ended]) -> None:
        """Keep how tries ended; of jobs that were taken by others, nothing is kept."""
        finished: list[Mapping[str, object]] = []
        later: list[Mapping[str, object]] = []
        notes: list[Mapping[str, object]] = []
        for each in ended:
            values = {"id": each.job.id, "fence": each.job.fence, "now_s": self._clock.wall_s()}
            outcome = each.outcome
            if isinstance(outcome, Done):
                told = {"state": "succeeded", "result": outcome.result}
                finished.append({**values, **told, "code": None, "reason": None})
            elif isinstance(outcome, Failed):
                finished.append({**values, **_why(outcome), "result": None, "state": outcome.state})
            else:
                again = {"due_s": outcome.due_s, **_why(outcome)}
                counts = {"uncounted": int(not outcome.is_counted), "lost": int(outcome.is_loss)}
                later.append({**values, **again, **counts})
                data = {**again, "attempt": each.job.attempts}
                if _is_news(each.job, outcome):
                    notes.append(
                        {**values, "event": "retry", "data": msgspec.json.encode(data).decode()}
                    )
        groups = (("jobs.finish", finished), ("jobs.later", later), ("jobs.note", notes))
        await self._records.write(*(Step(query, rows) for query, rows in groups if rows))

    async def give_back(self, held: Held) -> None:
        """Let another try of a job begin that this worker has never begun."""
        now_s = self._clock.wall_s()
        why = {"code": "claim_lost", "reason": "Its worker never heard of it."}
        again = {"due_s": now_s, "now_s": now_s, "uncounted": 1, "lost": 0, **why}
        values = {"id": held.id, "fence": held.fence, **again}
        await self._records.write(Step("jobs.later", values))

    async def tell(self, job: Job, share: float, text: str) -> None:
        """Note how far a job is."""
        doing = storable(text)
        told = {"progress": round(share, 4), "doing": doing}
        values = {
            "id": job.id,
            "fence": job.fence,
            "now_s": self._clock.wall_s(),
            "share": share,
            "doing": doing,
            "event": "progress",
            "data": msgspec.json.encode(told).decode(),
        }
        await self._records.write(Step("jobs.tell", values), Step("jobs.note", values))

    async def fellows(self) -> list[Fellow]:
        """All workers that are known."""
        return msgspec.convert(await self._records.fetch("jobs.workers"), list[Fellow])

    async def bury(self, dead: Sequence[Fellow]) -> None:
        """Give the jobs of workers that show no life to others."""
        await self._records.write(
            *(Step("jobs.give_up", {"id": each.id, "beats": each.beats}) for each in dead),
            self._orphans("The worker that did this job was lost."),
            *(Step("jobs.forget_worker", {"id": each.id, "ended": 0}) for each in dead),
        )

    async def has_open(self) -> bool:
        """Whether anything has yet to be done, by whomever."""
        return bool((await self._records.fetch("jobs.open", {"limit": 1}))[0]["jobs"])

    async def old(self, before_s: float, limit: int) -> dict[str, str]:
        """Jobs that ended before a time, and the kind of each."""
        values = {"before_s": before_s, "limit": limit}
        rows = await self._records.fetch("jobs.old", values)
        return {row["id"]: row["kind"] for row in rows}

    async def forget(self, jobs: Sequence[str]) -> None:
        """Keep nothing more of jobs that have ended."""
        ids: list[Mapping[str, Any]] = [{"id": job} for job in jobs]
        await self._records.write(Step("jobs.forget_events", ids), Step("jobs.forget", ids))

    def _orphans(self, reason: str) -> Step:
        values = {"now_s": self._clock.wall_s(), "losses_max": LOSSES_MAX, "reason": reason}
        return Step("jobs.orphans", values)


def _is_news(job: Job, outcome: Later) -> bool:
    """Whether a try is noted: those without end that nothing counts are for what is new in them."""
    return outcome.is_counted or outcome.is_loss or outcome.code != job.code


def _why(outcome: Failed | Later) -> dict[str, object]:
    return {"code": storable(outcome.code), "reason": storable(outcome.reason)}


def _limited(values: Mapping[str, object], limits: QueueSettings) -> list[Step]:
    per_minute = _NO_LIMIT if limits.per_minute is None else limits.per_minute
    whole = {
        **values,
        "concurrency": limits.concurrency_total or _NO_LIMIT,
        "micros_max": round(max(1.0, per_minute * _BURST_SHARE) * _MICRO),
        "micros_per_s": per_minute / 60 * _MICRO,
    }
    return [Step("jobs.fill", whole), Step("jobs.claim_limited", whole), Step("jobs.spend", whole)]
