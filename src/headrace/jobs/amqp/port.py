"""Where messages come in and jobs are told of: as long as a worker works, whatever the broker does.

A message is acknowledged once its job, and that its sender wants to hear of it, is in the store.
Until then the broker gives it again, to this worker or another one, and by its message-id it is the
same job. What is no job is published to the exchange of dead letters first, with the reason.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

import msgspec

from headrace.errors import Overloaded
from headrace.gateway.tasks import Tasks
from headrace.jobs.amqp.link import Arrival, Link, LinkLost
from headrace.jobs.amqp.messages import dead_headers, read_message
from headrace.jobs.amqp.outbox import News, Outbox
from headrace.jobs.desk import Tenant
from headrace.jobs.job import Job
from headrace.jobs.requests import NewJob
from headrace.observe.worker_metrics import AmqpCounts, AmqpReading
from headrace.settings.amqp import AmqpSettings
from headrace.store.faults import StoreFault
from headrace.store.records.leases import RecordLeases
from headrace.store.voice import Say

TELLS: Final = "amqp-results"
# One worker tells; another one takes over when it has shown no life for so long.
_LEASE_S: Final = 10.0
_LOOK_S: Final = 0.25
_REST_S: Final = 0.5
_REST_S_MAX: Final = 30.0
# A link that lived for so long is no reason to wait longer for the next one.
_LIVED_S: Final = 60.0
# How long messages under way may take when it ends, and telling; others go on with both.
_END_S: Final = 5.0


class Takes(Protocol):
    """Takes jobs."""

    async def submit(self, tenant: Tenant, new: NewJob) -> Job: ...


class AmqpPort:
    """Takes messages and tells of jobs until it is stopped. Belongs to one loop.

    Args:
        settings: which broker, whose jobs.
        desk: takes jobs.
        outbox: knows what has to be told.
        leases: of the store, for this process.
        say: told what happens.
        chance: spreads pauses.

    Attributes:
        counts: what it did.
    """

    def __init__(
        self,
        settings: AmqpSettings,
        desk: Takes,
        outbox: Outbox,
        leases: RecordLeases,
        say: Say,
        chance: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._tenant = Tenant(settings.tenant)
        self._desk = desk
        self._outbox = outbox
        self._leases = leases
        self._say = say
        self._chance = chance
        self._link: Link | None = None
        self._stopping = asyncio.Event()
        self._closing = asyncio.Event()
        self._handling: set[asyncio.Task[None]] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._tasks = Tasks(self._tell_bug)
        self._judged = Tasks(_judged_later)
        self._away_since_s: float | None = None
        self.counts = AmqpCounts()

    def start(self) -> None:
        """Begin; a broker that is not there is waited for."""
        self._away_since_s = asyncio.get_running_loop().time()
        self._keeping = self._tasks.keep(self._keep)

    def stop(self) -> None:
        """Take no more messages; jobs are told of until `close`."""
        self._stopping.set()

    def reading(self) -> AmqpReading:
        """How it stands now."""
        since_s, now_s = self._away_since_s, asyncio.get_running_loop().time()
        away_s = 0.0 if since_s is None else now_s - since_s
        return AmqpReading(self.counts, len(self._handling), away_s)

    async def close(self) -> None:
        """Tell what can be told at once, and end."""
        self.stop()
        self._closing.set()
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            await asyncio.wait((keeping,))
        self._say("info", "jobs_amqp_ended", **msgspec.structs.asdict(self.counts))

    async def _keep(self) -> None:
        tries = 0
        loop = asyncio.get_running_loop()
        while not self._closing.is_set():
            link, began_s = Link(self._settings, self._receive), loop.time()
            self._link = link
            why = await self._why_ended(self._use(link))
            self._link = None
            if self._away_since_s is None:
                self._away_since_s = loop.time()
            await link.close()
            if self._closing.is_set():
                return
            self.counts.lost += 1
            if isinstance(why, LinkLost | None):
                detail = "It was closed." if why is None else why.message
                self._say("warning", "jobs_amqp_lost", about=self._settings.queue, detail=detail)
            else:
                self._tell_bug(why)
            tries = 1 if loop.time() - began_s > _LIVED_S else tries + 1
            await self._rest(tries)

    async def _use(self, link: Link) -> None:
        """Take and tell until the link is lost or it is time to end."""
        await link.open()
        self.counts.connects += 1
        self._away_since_s = None
        self._say("info", "jobs_amqp_connected", about=self._settings.queue)
        works = [self._take_on(link), _wait(link.lost)]
        if self._settings.results_exchange is not None:
            works.append(self._tell_on(link))
        await self._until_one_ends(*works)
        if not link.lost.is_set():
            await self._end(link)

    async def _take_on(self, link: Link) -> None:
        """Take messages until it is time to end; what is asked of a channel is waited for.

        A question that is cancelled in the middle closes the channel, and nothing can be told.
        """
        if not self._stopping.is_set():
            await link.take()
            await self._stopping.wait()
            await link.stop()
        await self._closing.wait()

    async def _end(self, link: Link) -> None:
        await link.stop()
        if self._handling:
            await asyncio.wait(self._handling, timeout=_END_S)
        for task in self._handling:
            task.cancel()
        if self._settings.results_exchange is not None:
            loop = asyncio.get_running_loop()
            end_s = loop.time() + _END_S
            try:
                while loop.time() < end_s and await self._tell_once(link):
                    pass
                await self._leases.give_back(TELLS)
            except StoreFault as error:
                self._say("warning", "jobs_store_failed", detail=error.message)

    async def _rest(self, tries: int) -> None:
        """A pause that doubles, anywhere within it (full jitter)."""
        longest_s = min(_REST_S * 2 ** min(tries, 10), _REST_S_MAX)
        try:
            async with asyncio.timeout(_REST_S / 2 + self._chance() * longest_s):
                await self._closing.wait()
        except TimeoutError:
            return

    # Messages.

    async def _receive(self, arrival: Arrival) -> None:
        link = self._link
        if link is None:
            return  # the broker gives it to another
        self.counts.consumed += 1
        task = self._judged.spawn(self._handle(link, arrival))
        self._handling.add(task)
        task.add_done_callback(self._handled)

    def _handled(self, task: asyncio.Task[None]) -> None:
        self._handling.discard(task)
        if not task.cancelled() and task.exception() is not None and self._link is not None:
            # What the broker was told of a message is not known: on a new link it gives it again.
            self._link.lost.set()

    async def _handle(self, link: Link, arrival: Arrival) -> None:
        tries = 0
        while not self._stopping.is_set():
            why = await self._why_ended(self._take(arrival))
            if why is None:
                await link.acknowledge(arrival)
                self.counts.taken += 1
                return
            if not isinstance(why, StoreFault | Overloaded):
                await self._refuse(link, arrival, why)
                return
            tries += 1
            if tries == 1:
                self._say("warning", "jobs_amqp_waits", detail=why.message)
            await self._rest(tries)
        await link.give_back(arrival)
        self.counts.returned += 1

    async def _take(self, arrival: Arrival) -> None:
        taken = read_message(arrival.body, arrival.message_id, arrival.correlation_id)
        job = await self._desk.submit(self._tenant, taken.new)
        if self._settings.results_exchange is not None:
            await self._outbox.expect(job.id, taken.correlation_id)

    async def _refuse(self, link: Link, arrival: Arrival, why: BaseException) -> None:
        headers = dead_headers(why, self._settings.queue)
        await link.bury(arrival, headers)
        await link.acknowledge(arrival)
        self.counts.refused += 1
        detail = headers["headrace-detail"]
        self._say("warning", "jobs_amqp_refused", about=self._settings.queue, detail=detail)

    # Results.

    async def _tell_on(self, link: Link) -> None:
        while True:
            try:
                while await self._tell_once(link):
                    pass
            except StoreFault as error:
                self._say("warning", "jobs_store_failed", detail=error.message)
            await asyncio.sleep(_LOOK_S)

    async def _tell_once(self, link: Link) -> bool:
        """Tell some of what there is to tell; whether there was any."""
        news = await self._outbox.look()
        if not news or await self._leases.take(TELLS, _LEASE_S) is None:
            return False
        await asyncio.gather(*(self._tell(link, each) for each in news))
        await self._outbox.has_told(news)
        return True

    async def _tell(self, link: Link, news: News) -> None:
        for told in news.told:
            await link.tell(
                told.body,
                told.routing_key,
                message_id=f"{news.job}-{told.number}",
                correlation_id=news.correlation_id,
                type=told.event,
            )
            self.counts.told += 1

    # Tasks.

    async def _until_one_ends(self, *works: Coroutine[Any, Any, None]) -> None:
        """Do several things at once until one has ended, and raise what it raised."""
        tasks = [self._judged.spawn(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        for task in done:
            task.result()

    async def _why_ended(self, work: Coroutine[Any, Any, None]) -> BaseException | None:
        """What a piece of work raised, whatever it was; `None`: it has ended well."""
        task = self._judged.spawn(work)
        try:
            await asyncio.wait((task,))
        finally:
            task.cancel()
        return None if task.cancelled() else task.exception()

    def _tell_bug(self, bug: BaseException) -> None:
        self._say("error", "bug", detail=f"{type(bug).__name__}: {bug}")


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def _judged_later(_bug: BaseException) -> None:
    """Whoever waits for the task looks at what it raised."""
