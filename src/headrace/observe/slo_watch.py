"""Service levels as the gateway itself keeps them: from what all workers have counted anyway."""

from collections.abc import Mapping
from math import inf
from typing import Any, Final, Protocol

from headrace.clock import Clock
from headrace.observe.cells import OTHER_NAME, Board
from headrace.observe.event_log import Level, Value
from headrace.observe.families import SLO_WINDOW
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.observe.slo_burns import WINDOWS_S, burning
from headrace.observe.slo_cells import Rows, SloCells, total
from headrace.observe.slo_council import Council, Shares
from headrace.observe.slo_decision import Decision, burn_rate
from headrace.observe.slo_history import FINE_S, SloHistory, Totals
from headrace.observe.slo_kept import SloKept
from headrace.settings.slos import Slo

SAMPLE_S: Final = 5.0
_ACTED: Final = "headrace_slo_reactions_total"
_GAUGED_S: Final[Mapping[str, float]] = {window: WINDOWS_S[window] for window in SLO_WINDOW.values}


class Say(Protocol):
    """Takes an event; the event log's own method has this shape."""

    def __call__(self, level: Level, event: str, about: str = "", **fields: Value) -> None: ...


class SloWatch:
    """Keeps the history of each service level, tells how its budget stands, and decides how much
    gives way for it, where this is the worker that decides.

    Nothing is counted for it: it reads the counters and histograms of all workers every few
    seconds. Windows of up to an hour begin with its worker; longer ones are those of all gateways
    on one store, where that says them.

    Args:
        slos: those declared; their names have slots.
        layout: of a worker's row.
        board: the rows of all workers.
        worker: the number of this one.
        metrics: those of this worker, which tells of it.
        clock: the time, the same for all workers.
        say: told when a reaction begins and ends.

    Attributes:
        kept: what the store knows.
    """

    def __init__(
        self,
        slos: tuple[Slo, ...],
        layout: Layout,
        board: Board,
        worker: int,
        metrics: Metrics,
        clock: Clock,
        say: Say,
    ) -> None:
        self._layout = layout
        self._board = board
        self._metrics = metrics
        self._clock = clock
        self._say = say
        now_s = clock.monotonic_s()
        self._council = Council(board.common, worker, len(board.rows()), now_s)
        self.kept = SloKept(board.common)
        self._decided = False
        self._sample_s = SAMPLE_S
        self._next_s = -inf
        self._watched: tuple[_Watched, ...] = ()
        self.adopt(slos)

    @property
    def names(self) -> Mapping[int, str]:
        """The names of those declared, by their slots."""
        slots, most = self._board.slo_slots, self._board.slo_slots.names_max
        found = {slots.slot(each.slo.name): each.slo.name for each in self._watched}
        return found | {most: OTHER_NAME} if most in found else found

    def adopt(self, slos: tuple[Slo, ...]) -> None:
        """Watch these from now on; what is known of one that counts the same is kept, whatever its
        objective, window and reaction become."""
        known = {_bare(each.slo): each for each in self._watched}
        names = {each.slo.name for each in self._watched}
        changed = {slo.name for slo in slos if slo.name in names and _bare(slo) not in known}
        rows = self._board.rows() if slos else []
        now_s = self._clock.monotonic_s()
        slots = self._board.slo_slots
        watched = []
        for slo in slos:
            each = known.get(_bare(slo)) or _Watched(slo, self._layout, rows, now_s, self.kept)
            each.declare(slo, slots.slot(slo.name))
            watched.append(each)
        self._silence()
        self._watched = tuple(watched)
        self._council.forget_others(
            {each.slot for each in watched if each.slo.reaction and each.slo.name not in changed}
        )
        looks = (each.slo.reaction.look_s for each in watched if each.slo.reaction)
        self._sample_s = min((SAMPLE_S, *looks))
        self._next_s = now_s

    def shares(self, slot: int) -> Shares:
        """How much gives way for the service level of a slot."""
        return self._council.shares(slot)

    def decides(self) -> bool:
        """Whether this worker tells and decides for all of them."""
        return self._council.decides(self._clock.monotonic_s())

    def counted(self) -> list[tuple[Slo, int, Totals]]:
        """What is counted now: each level, where it is known, and its counts."""
        if not self._watched:
            return []
        rows, now_s = self._board.rows(), self._clock.monotonic_s()
        return [(each.slo, each.slot, each.cells.totals(rows, now_s)) for each in self._watched]

    def tick(self) -> None:
        """Look at the counters, where it is time to."""
        if not self._watched:
            return
        now_s = self._clock.monotonic_s()
        decides = self._council.decides(now_s)
        if decides != self._decided:
            self._silence()
            self._decided, self._next_s = decides, now_s
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._sample_s
        rows = self._board.rows()
        for each in self._watched:
            now = each.cells.totals(rows, now_s)
            each.history.add(now)
            if decides:
                self._tell(each, now)
                self._decide(each, now, rows)

    def told(self) -> dict[str, Any]:
        """How every service level stands, as plain data."""
        rows, now_s = self._board.rows(), self._clock.monotonic_s()
        return {"data": [self._told(each, rows, now_s) for each in self._watched]}

    # The inside.

    def _tell(self, each: "_Watched", now: Totals) -> None:
        metrics, slot = self._metrics, each.slot
        used = each.burn_rate(each.slo.window_s, now) or 0.0
        metrics.slo_budget_used.set_at(metrics.slo_budget_used.at(slot), used)
        metrics.slo_budget_left.set_at(metrics.slo_budget_left.at(slot), 1.0 - used)
        for window, window_s in _GAUGED_S.items():
            rate = each.burn_rate(window_s, now) or 0.0
            metrics.slo_burn.set_at(metrics.slo_burn.at(slot, window), rate)

    def _decide(self, each: "_Watched", now: Totals, rows: Rows) -> None:
        reaction, slot = each.slo.reaction, each.slot
        if reaction is None:
            each.decision = None
            return
        if each.decision is None:
            share = self._council.shares(slot).share
            each.decision = Decision(each.slo, self._layout, share, now, rows)
        before = self._council.shares(slot)
        decided = each.decision.look(each.slo, each.history, now, rows)
        if decided is not None:
            self._council.decide(slot, decided)
            self._tell_change(each.slo, before, decided)
        gauge = self._metrics.slo_reaction_share
        gauge.set_at(gauge.at(slot), self._council.shares(slot).share)

    def _tell_change(self, slo: Slo, before: Shares, after: Shares) -> None:
        assert slo.reaction is not None  # noqa: S101  # something was decided
        action = slo.reaction.action
        if before.share == 0 < after.share:
            self._say("warning", "slo_reaction", about=slo.name, action=action)
        elif after.share == 0 < before.share:
            self._say("info", "slo_reaction_over", about=slo.name, action=action)

    def _silence(self) -> None:
        """Take back what this worker has told: another one does, or nobody is to any more."""
        metrics = self._metrics
        for each in self._watched:
            each.decision = None
            for gauge in (
                metrics.slo_budget_used,
                metrics.slo_budget_left,
                metrics.slo_reaction_share,
            ):
                gauge.set_at(gauge.at(each.slot), 0.0)
            for window in SLO_WINDOW.values:
                metrics.slo_burn.set_at(metrics.slo_burn.at(each.slot, window), 0.0)

    def _told(self, each: "_Watched", rows: Rows, now_s: float) -> dict[str, Any]:
        slo, now = each.slo, each.cells.totals(rows, now_s)
        counted = each.over(slo.window_s, now)
        used = burn_rate(slo, counted) or 0.0
        rates = {name: each.burn_rate(window_s, now) for name, window_s in WINDOWS_S.items()}
        burn = burning(slo.window_days, rates, each.bad(now))
        return {
            "name": slo.name,
            "kind": slo.kind,
            "threshold_ms": slo.threshold_ms,
            "objective": slo.objective,
            "window_days": slo.window_days,
            "seen_s": round(now_s - counted.at_s, 1),
            "stored": self.kept.stored(slo, each.slot),
            "answers": round(counted.every),
            "bad": round(counted.every - counted.good),
            "budget_left": round(1.0 - used, 6),
            "burn_rates": {
                window: None if rate is None else round(rate, 4) for window, rate in rates.items()
            },
            "burning": None if burn is None else burn.name.lower(),
            "reaction": self._told_reaction(each, rows),
        }

    def _told_reaction(self, each: "_Watched", rows: Rows) -> dict[str, Any] | None:
        reaction = each.slo.reaction
        if reaction is None:
            return None
        shares, acted = self._council.shares(each.slot), self._layout.place(_ACTED)
        return {
            "action": reaction.action,
            "begins_at": round(each.slo.start_rate, 4),
            "rests_at": reaction.rest_rate,
            "share": round(shares.share, 4),
            "shares": {"low": round(shares.low, 4), "normal": round(shares.normal, 4)},
            "gave_way": round(
                total(rows, (at for at, (slot, *_) in acted.each() if slot == str(each.slot)))
            ),
        }


class _Watched:
    """One service level with its history, and what is being decided about it."""

    def __init__(self, slo: Slo, layout: Layout, rows: Rows, now_s: float, kept: SloKept) -> None:
        self.slo = slo
        self.slot = 0
        self.cells = SloCells(slo, layout)
        self.decision: Decision | None = None
        self.history = SloHistory(self.cells.totals(rows, now_s), _longest_s(slo))
        self._kept = kept

    def declare(self, slo: Slo, slot: int) -> None:
        """Go by what is declared now: the same counts, perhaps another objective of them."""
        self.slo, self.slot = slo, slot
        self.history.longest_s = _longest_s(slo)

    def over(self, window_s: float, now: Totals) -> Totals:
        """What was answered in a window; of a long one, by all gateways, where that is known."""
        told = self.history.over(window_s, now)
        if window_s <= FINE_S:
            return told
        kept = self._kept.over(self.slo, self.slot, window_s, now)
        if kept is None:
            return told
        # Where the store has nothing yet, it is known all the same for how long that was so.
        return kept._replace(at_s=min(kept.at_s, told.at_s))

    def burn_rate(self, window_s: float, now: Totals) -> float | None:
        """In multiples of the rate at which the budget lasts; `None` where nothing was answered."""
        return burn_rate(self.slo, self.over(window_s, now))

    def bad(self, now: Totals) -> dict[str, float]:
        """How many answers were bad, by window."""
        over = {name: self.over(window_s, now) for name, window_s in WINDOWS_S.items()}
        return {name: counted.every - counted.good for name, counted in over.items()}


def _longest_s(slo: Slo) -> float:
    return max(slo.window_s, *WINDOWS_S.values())


def _bare(slo: Slo) -> Slo:
    """What is counted for it, and under which name."""
    return Slo(name=slo.name, kind=slo.kind, threshold_ms=slo.threshold_ms, objective=0.5)
