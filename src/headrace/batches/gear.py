"""What all runs of batches share."""

from collections.abc import Callable

import msgspec

from headrace.batches.shelf import Shelf
from headrace.batches.tables import BatchTable
from headrace.clock import Clock
from headrace.gateway.asking import Asker
from headrace.gateway.tasks import Spawn
from headrace.identity.keys import Principal
from headrace.observe.batch_metrics import BatchMetrics
from headrace.settings import Settings
from headrace.store.voice import Say


class Gear(msgspec.Struct, frozen=True):
    """What runs are given.

    Attributes:
        table: what is known of batches.
        shelf: where their files are.
        asker: asks providers through the pipeline.
        counts: what is counted.
        clock: the time.
        may_ask: whether a caller's key still counts.
        uniform: chance, from 0 to 1.
        spawn: starts a task.
        say: tells the operator what happens.
        settings: in force.
    """

    table: BatchTable
    shelf: Shelf
    asker: Asker
    counts: BatchMetrics
    clock: Clock
    may_ask: Callable[[Principal], bool]
    uniform: Callable[[], float]
    spawn: Spawn
    say: Say
    settings: Callable[[], Settings]
