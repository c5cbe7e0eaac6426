"""What runs beside the data plane in a worker, and what it is given of the worker."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol

import msgspec

from headrace.clock import Clock
from headrace.conversations.conversations import Conversations
from headrace.gateway.asking import Asker
from headrace.gateway.tasks import Spawn
from headrace.ids import Ids
from headrace.observe.metrics import Metrics
from headrace.server.key_desk import KeyDesk
from headrace.server.post import Post
from headrace.server.slo_desk import SloDesk
from headrace.settings import Settings
from headrace.store.records.records import Records
from headrace.store.voice import Say


class Means(msgspec.Struct, frozen=True):
    """What a room is given of its worker.

    Attributes:
        settings: in force at the start; `Room.adopt` brings others.
        worker: number of the worker, from 0.
        clock: the time.
        ids: names what is kept.
        conversations: what was said to models.
        asker: asks providers through the pipeline.
        metrics: counts.
        slos: knows how service levels stand.
        spend: tells what was spent, and how budgets stand.
        records: what must survive.
        keys: those of callers.
        spawn: starts a task, which the worker looks after and cancels at its end.
        say: tells the operator what happens.
        url: where this gateway can be asked from this machine.
        post: where the worker stands among its fellows.
    """

    settings: Settings
    worker: int
    clock: Clock
    ids: Ids
    conversations: Conversations
    asker: Asker
    metrics: Metrics
    slos: SloDesk
    spend: Callable[[], dict[str, Any]]
    records: Records
    keys: KeyDesk
    spawn: Spawn
    say: Say
    url: str
    post: Post


class Room(Protocol):
    """Brings routes, and may work on its own. Belongs to the worker's loop."""

    @property
    def routes(self) -> Sequence[Any]:
        """Its routes, as the console's framework has them."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether something is under way that is worth waiting for at the end."""
        ...

    async def start(self) -> None:
        """The worker is about to listen."""
        ...

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        ...

    def stop(self) -> None:
        """The worker has to end: begin nothing new; requests under way are still answered."""
        ...

    async def close(self) -> None:
        """No request is left: end what runs, while providers and stores can still be reached."""
        ...


MakeRooms = Callable[[Means], Sequence[Room]]


class Rooms:
    """All that there are, as one.

    Args:
        rooms: in the order in which they start; they close in the other one.
    """

    def __init__(self, rooms: Sequence[Room]) -> None:
        self._rooms = rooms
        self._ends = AsyncExitStack()

    @property
    def routes(self) -> Sequence[Sequence[Any]]:
        """The routes of each."""
        return [room.routes for room in self._rooms]

    @property
    def is_busy(self) -> bool:
        return any(room.is_busy for room in self._rooms)

    async def start(self) -> None:
        for room in self._rooms:
            await room.start()
            self._ends.push_async_callback(room.close)

    def adopt(self, settings: Settings) -> None:
        for room in self._rooms:
            room.adopt(settings)

    def stop(self) -> None:
        for room in self._rooms:
            room.stop()

    async def close(self) -> None:
        """Close those that have started, each whatever goes wrong in another."""
        await self._ends.aclose()


def no_rooms(means: Means) -> Sequence[Room]:  # noqa: ARG001
    """Nothing beside the data plane."""
    return ()
