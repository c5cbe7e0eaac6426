"""Which cells count the answers that a service level is about."""

from collections.abc import Iterable, Iterator, Sequence

from headrace.observe.layout import Layout, Place
from headrace.observe.slo_history import Totals
from headrace.settings.slos import Slo, edge_s

Rows = Sequence[Sequence[float]]


class SloCells:
    """The cells of one service level, of every worker's row.

    Args:
        slo: what is declared.
        layout: of a row.
    """

    def __init__(self, slo: Slo, layout: Layout) -> None:
        is_start = slo.kind == "ttft"
        place = layout.place(
            "headrace_stream_start_seconds" if is_start else "headrace_answer_seconds"
        )
        edges = len(place.family.buckets) + 1
        edge = edges
        if slo.kind != "availability":
            edge = place.family.buckets.index(edge_s(slo)) + 1
        self._good = list(_buckets(place, "good", range(edge)))
        # Who went away counts only where the answer was late by then.
        self._bad = [
            *_buckets(place, "good", range(edge, edges)),
            *_buckets(place, "bad", range(edges)),
            *_buckets(place, "left", range(edge, edges)),
        ]

    def totals(self, rows: Rows, now_s: float) -> Totals:
        """What all workers have counted."""
        good = total(rows, self._good)
        return Totals(now_s, good, good + total(rows, self._bad))


def total(rows: Rows, cells: Iterable[int]) -> float:
    """What some cells of all rows come to."""
    wanted = tuple(cells)
    return sum(row[at] for row in rows for at in wanted)


def _buckets(place: Place, verdict: str, wanted: range) -> Iterator[int]:
    for base, (_, counted_as) in place.each():
        if counted_as == verdict:
            yield from range(base + wanted.start, base + wanted.stop)
