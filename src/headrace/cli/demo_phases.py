"""What the demo asks, what has to come of it, and what came."""

import asyncio
import re
import statistics
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import msgspec

from headrace.cli.demo_http import Client, Reply

OPENAI_MODELS: Final = ("gpt-4o-mini", "gpt-4o")
ANTHROPIC_MODEL: Final = "claude-sonnet-5"
_QUESTIONS: Final = (
    "Why does a water wheel turn?",
    "Summarise our refund policy in two sentences.",
    "What is the capital of Mongolia?",
    "Write a haiku about a mill race.",
    "How do I reverse a list in Python?",
    "Translate 'good morning' into Finnish.",
    "Which planet has the most moons?",
    "Give me three names for a bakery.",
    "What does HTTP status 429 mean?",
    "Explain compound interest to a child.",
    "How long do I boil an egg?",
    "Who wrote The Mill on the Floss?",
)
_INPUT_TOKENS: Final = re.compile(rb'"(?:prompt|input)_tokens":(\d+)')
_OUTPUT_TOKENS: Final = re.compile(rb'"(?:completion|output)_tokens":(\d+)')
_LANES: Final = 6


class Ask(msgspec.Struct, frozen=True):
    """One request."""

    path: str
    model: str
    body: bytes


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """Some requests, and how many of them may reach the provider.

    Attributes:
        name: as the table shows it.
        asks: in the order they are sent.
        upstream: how many calls the provider has to see.
        lanes: how many are under way at once.
        stagger_s: how long after the one before each lane begins.
        is_stream: whether the answers come in pieces.
    """

    name: str
    asks: tuple[Ask, ...]
    upstream: int
    lanes: int = 1
    stagger_s: float = 0.0
    is_stream: bool = False


def workload() -> tuple[Phase, ...]:
    """Everything the demo does, in order; each phase builds on those before."""
    chats = tuple(chat(OPENAI_MODELS[at % 2], question) for at, question in enumerate(_QUESTIONS))
    streams = tuple(chat(OPENAI_MODELS[0], f"{q} In detail.", stream=True) for q in _QUESTIONS[:4])
    late = chat(OPENAI_MODELS[1], "Tell me everything about rivers.", stream=True)
    claude = tuple(message(question) for question in _QUESTIONS[:4])
    crowd = chat(OPENAI_MODELS[1], "What is on everybody's mind?")
    return (
        Phase(name="12 questions, cold", asks=chats, upstream=12, lanes=_LANES),
        Phase(name="the same, 50 times over", asks=chats * 50, upstream=0),
        Phase(name="50 identical at once", asks=(crowd,) * 50, upstream=1, lanes=50),
        Phase(name="4 streams, cold", asks=streams, upstream=4, lanes=4, is_stream=True),
        Phase(name="the same, from memory", asks=streams * 25, upstream=0, is_stream=True),
        Phase(
            name="10 share one stream",
            asks=(late,) * 10,
            upstream=1,
            lanes=10,
            stagger_s=0.02,
            is_stream=True,
        ),
        Phase(name="Claude messages, cold", asks=claude, upstream=4, lanes=4),
        Phase(name="the same, 50 times over", asks=claude * 50, upstream=0),
    )


def chat(model: str, question: str, *, stream: bool = False) -> Ask:
    """A chat completion in OpenAI's words."""
    document: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
    }
    if stream:
        document |= {"stream": True, "stream_options": {"include_usage": True}}
    return Ask("/v1/chat/completions", model, msgspec.json.encode(document))


def message(question: str) -> Ask:
    """A message in Anthropic's words."""
    document = {
        "model": ANTHROPIC_MODEL,
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": question}],
    }
    return Ask("/v1/messages", ANTHROPIC_MODEL, msgspec.json.encode(document))


class Tally:
    """What came of one phase.

    Attributes:
        upstream: calls the provider saw, as it says itself; `None` while the phase runs.
        usage: input and output tokens of all answers by model, as the answers say.
    """

    def __init__(self, phase: Phase) -> None:
        self.phase = phase
        self.calls = 0
        self.hits = 0
        self.joined = 0
        self.upstream: int | None = None
        self.usage: dict[str, tuple[int, int]] = {}
        self.latencies_s: list[float] = []
        self._first_s: list[float] = []
        self._gaps_s: list[float] = []
        self._failures: list[str] = []
        self._answers: dict[Ask, set[bytes]] = {}

    def count(self, ask: Ask, reply: Reply) -> None:
        """Take note of an answer."""
        self.calls += 1
        cache = reply.headers.get("x-headrace-cache", "none")
        self.hits += cache == "l1"
        self.joined += cache == "joined"
        if reply.status != 200:
            self._failures.append(f"{ask.path} was answered with {reply.status}")
            return
        self.latencies_s.append(reply.took_s)
        self._answers.setdefault(ask, set()).add(reply.body)
        before = self.usage.get(ask.model, (0, 0))
        used = tokens_of(reply.body)
        self.usage[ask.model] = (before[0] + used[0], before[1] + used[1])
        if self.phase.is_stream and reply.pieces_s:
            pieces_s = reply.pieces_s
            self._first_s.append(pieces_s[0])
            self._gaps_s += [later - sooner for sooner, later in pairwise(pieces_s)]

    @property
    def first_s(self) -> float | None:
        """Median time until the first piece of a stream."""
        return statistics.median(self._first_s) if self._first_s else None

    @property
    def gap_s(self) -> float | None:
        """Median time between the pieces of streams that came in several."""
        return statistics.median(self._gaps_s) if self._gaps_s else None

    def latency_s(self, part: float) -> float | None:
        """The latency that `part` of the calls did not exceed, from 0 to 1."""
        ranked = sorted(self.latencies_s)
        return ranked[min(len(ranked) - 1, int(part * len(ranked)))] if ranked else None

    def problems(self) -> Iterator[str]:
        """How the phase did not behave; nothing while it runs."""
        yield from sorted(set(self._failures))
        if self.upstream is None:
            return
        wanted = self.phase.upstream
        if self.upstream != wanted:
            yield f"the provider saw {self.upstream} calls where {wanted} should be needed"
        free = self.hits + self.joined
        if free != self.calls - wanted:
            yield f"{free} of {self.calls} calls were free, not {self.calls - wanted}"
        if any(len(bodies) > 1 for bodies in self._answers.values()):
            yield "the same question got different answers"


def tokens_of(body: bytes) -> tuple[int, int]:
    """Input and output tokens as an answer or a stream in either dialect says them at last."""
    return (
        max(map(int, _INPUT_TOKENS.findall(body)), default=0),
        max(map(int, _OUTPUT_TOKENS.findall(body)), default=0),
    )


async def perform(client: Client, tally: Tally) -> None:
    """Send the requests of a phase, and count what comes.

    Raises:
        BrokenAnswer: a call got no whole answer.
    """
    asks = iter(tally.phase.asks)

    async def walk(lane: int) -> None:
        await asyncio.sleep(lane * tally.phase.stagger_s)
        for ask in asks:
            tally.count(ask, await client.post(ask.path, ask.body))

    try:
        async with asyncio.TaskGroup() as group:
            for lane in range(tally.phase.lanes):
                group.create_task(walk(lane))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
