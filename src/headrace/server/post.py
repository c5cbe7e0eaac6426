"""Where a worker stands among its fellows."""

import msgspec

from headrace.clock import Clock
from headrace.identity.deputy import Deputy
from headrace.identity.tallies import TallyTable
from headrace.observe.cells import Board
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.server.shared_rates import SharedRates
from headrace.server.shared_sessions import SharedSessions
from headrace.server.shared_spend import SharedSpend
from headrace.store.records.sessions import SessionTable


class Post(msgspec.Struct, frozen=True):
    """Where a worker stands among its fellows.

    Attributes:
        index: its number, from 0.
        board: the metrics of all workers.
        layout: the layout of a worker's row on the board.
        supervisor_pid: who started it; `None` for a worker on its own.
        rates: what all of them count of callers together; `None` for a worker on its own.
        spend: what they count of money; `None` as well.
        sessions: how far tenants have written; `None` as well.
        deputy: the secret of the gateway's own worker of jobs; empty where it has none.
    """

    index: int
    board: Board
    layout: Layout
    supervisor_pid: int | None = None
    rates: SharedRates | None = None
    spend: SharedSpend | None = None
    sessions: SharedSessions | None = None
    deputy: str = ""

    def metrics(self, clock: Clock) -> Metrics:
        """What this worker counts."""
        return Metrics(self.layout, self.board.row(self.index), self.board.slots, clock)

    def make_deputy(self) -> Deputy:
        """Knows the worker of jobs by its secret."""
        return Deputy(self.deputy)

    @property
    def tallies(self) -> TallyTable | None:
        """The same as this worker has it."""
        return None if self.spend is None else self.spend.table(self.index)

    @property
    def session_table(self) -> SessionTable | None:
        """How far tenants have written, as this worker keeps it."""
        return None if self.sessions is None else self.sessions.table(self.index)
