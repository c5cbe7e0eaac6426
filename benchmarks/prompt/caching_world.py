"""Calls over hours and days on a simulated clock: for how long it pays to have prompts kept.

Marks, and what is learnt for them, are the shipped ones; the provider is the simulator's. Nothing
here is timed.
"""

import heapq
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from benchmarks.prompt.conversations import Conversation, Kind
from headrace.clock import ManualClock
from headrace.prompt.marks.habits import Habits
from headrace.prompt.marks.mark import mark_document
from headrace.prompt.marks.prefix import prefix_of
from headrace.prompt.marks.report import MarkRules
from headrace.sim import anthropic
from headrace.sim.prefixes import PrefixStore, Shelf

Way = Literal["none", "5m", "1h", "auto"]
WAYS: Final[tuple[Way, ...]] = ("none", "5m", "1h", "auto")
MODEL: Final = "claude-sonnet-4-5"
READ, WRITE_5M, WRITE_1H = 0.1, 1.25, 2.0
_CONVERSATIONS: Final = 20
_TURNS: Final = 8


class Rhythm(msgspec.Struct, frozen=True):
    """How calls come.

    Attributes:
        kind: of conversation.
        gap_s: the median pause before the next turn, lognormal.
        spread: sigma of its logarithm.
        arrival_s: the mean time between conversations that begin, exponential.
        turns: how many each has.
    """

    kind: Kind
    gap_s: float
    spread: float
    arrival_s: float
    turns: int = _TURNS


RHYTHMS: Final[Mapping[str, Rhythm]] = {
    "agents, a turn every 15 s": Rhythm("agent", 15.0, 0.8, 60.0),
    "chats, every 2 minutes": Rhythm("chat", 120.0, 0.8, 300.0),
    "chats, every 12 minutes": Rhythm("chat", 720.0, 0.6, 1800.0),
    "chats, every 5 hours": Rhythm("chat", 18_000.0, 0.5, 20_000.0),
    "documents, one question each": Rhythm("documents", 1.0, 0.1, 30.0, turns=1),
    "nothing in common": Rhythm("one-shot", 1.0, 0.1, 30.0, turns=1),
}


def input_cost(rhythm: Rhythm, way: Way, seed: int) -> float:
    """What the input of all calls costs, as a multiple of its price without a prompt cache."""
    clock = ManualClock()
    habits, store = Habits(), PrefixStore(clock, seed)
    paid = plain = 0.0
    for at_s, document in _calls(rhythm, seed):
        clock.advance(at_s - clock.monotonic_s())
        sent = document if way == "none" else _marked(document, way, habits, at_s)
        reply = anthropic.messages(seed, msgspec.json.encode(sent), 1, 0, Shelf(store, b"key"))
        store.keep(reply.bill.kept)
        usage = msgspec.json.decode(reply.body)["usage"]
        fresh, read = usage["input_tokens"], usage["cache_read_input_tokens"]
        written = usage["cache_creation"]
        short, long = written["ephemeral_5m_input_tokens"], written["ephemeral_1h_input_tokens"]
        paid += fresh + READ * read + WRITE_5M * short + WRITE_1H * long
        plain += fresh + read + short + long
    return paid / plain


def _marked(document: dict[str, Any], way: Way, habits: Habits, now_s: float) -> dict[str, Any]:
    prefix = prefix_of(document, dialect="anthropic", model=MODEL, tenant="t")
    marked, _ = mark_document(
        document,
        dialect="anthropic",
        model=MODEL,
        rules=MarkRules(ttl="auto" if way == "none" else way),
        prefix=prefix,
        advice=habits.note(prefix, now_s),
    )
    return marked


def _calls(rhythm: Rhythm, seed: int) -> Iterator[tuple[float, dict[str, Any]]]:
    """All requests in the order of their times."""
    draw = random.Random(seed)  # seeded, for repeatable runs
    waiting: list[tuple[float, int, Iterator[dict[str, Any]]]] = []
    begins_s = 0.0
    for number in range(_CONVERSATIONS):
        begins_s += draw.expovariate(1.0 / rhythm.arrival_s)
        conversation = Conversation(rhythm.kind, "anthropic", MODEL, seed, number)
        waiting.append((begins_s, number, conversation.requests(rhythm.turns)))
    heapq.heapify(waiting)
    while waiting:
        at_s, number, requests = heapq.heappop(waiting)
        document = next(requests, None)
        if document is not None:
            yield at_s, document
            pause_s = draw.lognormvariate(math.log(rhythm.gap_s), rhythm.spread)
            heapq.heappush(waiting, (at_s + pause_s, number, requests))
