"""Where a worker stands among its fellows."""

import secrets
from typing import Final

import msgspec

from headrace.clock import Clock
from headrace.identity.deputy import Deputy
from headrace.identity.sessions import Sessions
from headrace.identity.tallies import TallyTable
from headrace.observe.cells import Board
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.server.shared_rates import SharedRates
from headrace.server.shared_sessions import SharedSessions
from headrace.server.shared_spend import SharedSpend
from headrace.settings import Settings
from headrace.store.records.sessions import SessionTable

_SECRET_BYTES: Final = 32


def _new_secret() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)


def session_secret(settings: Settings) -> str:
    """What sessions are signed by: what is set, or what nobody else knows."""
    secret = settings.console.session_secret
    return _new_secret() if secret is None else secret.reveal()


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
        deputy: the secret of the gateway's own processes, by which its worker of jobs is known.
        session_secret: signs the sessions of browsers.
    """

    index: int
    board: Board
    layout: Layout
    supervisor_pid: int | None = None
    rates: SharedRates | None = None
    spend: SharedSpend | None = None
    sessions: SharedSessions | None = None
    deputy: str = msgspec.field(default_factory=_new_secret)
    session_secret: str = msgspec.field(default_factory=_new_secret)

    def metrics(self, clock: Clock) -> Metrics:
        """What this worker counts."""
        return Metrics(self.layout, self.board.row(self.index), self.board.slots, clock)

    def assign(self, settings: Settings) -> None:
        """Give what is counted by name its slots; before anybody looks for them."""
        self.board.slots.assign(settings.providers)
        self.board.slo_slots.assign(slo.name for slo in settings.slos)
        if self.rates is not None:
            self.rates.assign(settings.keys)

    def make_deputy(self) -> Deputy:
        """Knows the worker of jobs by its secret."""
        return Deputy(self.deputy)

    def make_sessions(self, clock: Clock) -> Sessions:
        """Knows who signed in with a browser, at whichever worker."""
        return Sessions(self.session_secret, clock.wall_s)

    @property
    def tallies(self) -> TallyTable | None:
        """The same as this worker has it."""
        return None if self.spend is None else self.spend.table(self.index)

    @property
    def session_table(self) -> SessionTable | None:
        """How far tenants have written, as this worker keeps it."""
        return None if self.sessions is None else self.sessions.table(self.index)
