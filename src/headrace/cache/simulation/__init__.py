"""Replays of key traces: what each eviction policy would have saved, and the most one could."""

from headrace.cache.simulation.contenders import POLICIES, make_contender
from headrace.cache.simulation.event import Event, TraceInvalid
from headrace.cache.simulation.presets import CAPACITIES, DRIFTS, preset
from headrace.cache.simulation.reading import Assumed, read_events
from headrace.cache.simulation.study import Capacity, Study, study
from headrace.cache.simulation.synthetic import Workload, generate
from headrace.cache.simulation.trace import Trace, collect

__all__ = (
    "CAPACITIES",
    "DRIFTS",
    "POLICIES",
    "Assumed",
    "Capacity",
    "Event",
    "Study",
    "Trace",
    "TraceInvalid",
    "Workload",
    "collect",
    "generate",
    "make_contender",
    "preset",
    "read_events",
    "study",
)
