"""How often the semantic cache is right, on labelled pairs and with a real embedder.

The pairs were written before any guard was. Half of them may be tuned on, by the parity of the
first byte of the SHA-256 of a pair's id; the other half is only measured. Every pair goes through
the whole engine: the first question has an answer, the second is asked.
"""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
from rich.table import Table

from benchmarks import minilm
from benchmarks.progress import Steps
from benchmarks.records import Bar, Verdict
from benchmarks.semantic_records import SemanticFigures, SemanticRow
from headrace.cache.semantic.config import Mode, SemanticConfig
from headrace.cache.semantic.embedder import FunctionEmbedder
from headrace.cache.semantic.embedding import Embeddings
from headrace.cache.semantic.engine import SemanticCache
from headrace.cache.semantic.estimate import Share, wilson
from headrace.cache.semantic.guards import ALL_GUARDS, DOUBTS, object_to
from headrace.cache.semantic.reading import read
from headrace.cache.semantic.scope import Question
from headrace.clock import SystemClock

PAIRS: Final = Path(__file__).parent / "data" / "semantic_pairs.jsonl"
TUNED: Final = "tuned on"
HELD_OUT: Final = "held out"
GATES: Final[Mapping[str, tuple[str, ...]]] = {
    "cosine alone": (),
    "guards, no doubts": tuple(guard for guard in ALL_GUARDS if guard not in DOUBTS),
    "all guards": ALL_GUARDS,
}
DEFAULT_GATE: Final = "all guards"
GUARD_ROUNDS: Final = 30


class Pair(msgspec.Struct, frozen=True):
    """Two questions, and whether one answer serves both."""

    id: str
    a: str
    b: str
    same: bool
    kind: str

    @property
    def half(self) -> str:
        """Which half of the set it is of."""
        return TUNED if sha256(self.id.encode()).digest()[0] % 2 == 0 else HELD_OUT


def pairs() -> list[Pair]:
    """All labelled pairs."""
    lines = PAIRS.read_bytes().splitlines()
    return [msgspec.convert(json.loads(line), Pair) for line in lines]


def measure(steps: Steps) -> SemanticFigures:
    """Ask every pair through every gate.

    Args:
        steps: progress.

    Raises:
        ChildFailed: the embedder could not be fetched, or is not what it should be.
    """
    found = pairs()
    steps.start("semantic", len(GATES) + 2)
    model = minilm.MiniLM(minilm.fetched())
    model.check()
    texts = sorted({text for pair in found for text in (pair.a, pair.b)})
    vectors = dict(zip(texts, model.encode(texts), strict=True))
    steps.done("embedded")
    rows: list[SemanticRow] = []
    kinds: dict[str, Share] = {}
    for gate, guards in GATES.items():
        answered = asyncio.run(_answered(found, vectors, guards))
        rows += [_row(half, gate, found, answered) for half in (TUNED, HELD_OUT)]
        if gate == DEFAULT_GATE:
            kinds = _kinds(found, answered)
        steps.done(gate)
    config = SemanticConfig()
    read_us, compare_us = _guard_costs_us(found)
    steps.done("guards timed")
    return SemanticFigures(config.similarity, config.max_error, rows, kinds, read_us, compare_us)


def bars(figures: SemanticFigures | None) -> list[Bar]:
    """Hold the held-out half against the bound; nothing where nothing was run."""
    if figures is None:
        return []
    row = next(r for r in figures.rows if (r.half, r.gate) == (HELD_OUT, DEFAULT_GATE))
    kept = row.false_hits.value is not None and row.false_hits.value <= figures.max_error
    return [
        Bar(
            "semantic false hits, held-out half",
            f"<= {figures.max_error:.1%} of look-alikes",
            f"{shown(row.false_hits)}; paraphrases answered {shown(row.paraphrases)}",
            Verdict.PASS if kept else Verdict.MISS,
        )
    ]


def shown(share: Share) -> str:
    """A share with its counts and interval."""
    value = share.value or 0.0
    return f"{share.hits}/{share.sample} = {value:.1%} ({share.low:.1%}-{share.high:.1%})"


def table(figures: SemanticFigures) -> Table:
    """The rows for people, and what guards cost."""
    made = Table(
        title=f"Answers by meaning at similarity {figures.similarity}, 95 % intervals; guards take "
        f"{figures.read_us:.0f} µs for a question and {figures.compare_us:.0f} µs for a pair",
        title_justify="left",
    )
    for column in (
        "half",
        "gate",
        "paraphrases answered",
        "look-alikes answered",
        "wrong of these",
    ):
        made.add_column(column)
    for row in figures.rows:
        shares = (row.paraphrases, row.false_hits, row.wrong)
        made.add_row(row.half, row.gate, *map(shown, shares), end_section=row.half == HELD_OUT)
    return made


async def _answered(
    found: Sequence[Pair], vectors: Mapping[str, Any], guards: tuple[str, ...]
) -> set[str]:
    """The pairs whose second question gets the answer of the first, each in a scope of its own."""
    tasks: set[asyncio.Task[None]] = set()

    def spawn(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    embedder = FunctionEmbedder(lambda texts: [vectors[text] for text in texts], id="minilm")
    embeddings = Embeddings(embedder, clock=SystemClock(), spawn=spawn, window_s=0.0)
    config = SemanticConfig(mode=Mode.ON, guards=guards, bytes_max=1 << 28)
    cache = SemanticCache(config, embeddings=embeddings, spawn=spawn, dice=lambda: 1.0)
    answered = set()
    for pair in found:
        scope = pair.id.encode()
        await cache.add(Question(scope, pair.a), scope)
        candidate = await cache.find(Question(scope, pair.b))
        if candidate is not None and candidate.answers:
            answered.add(pair.id)
    return answered


def _row(half: str, gate: str, found: Sequence[Pair], answered: set[str]) -> SemanticRow:
    mine = [pair for pair in found if pair.half == half]
    right = sum(pair.same and pair.id in answered for pair in mine)
    false_ids = [pair.id for pair in mine if not pair.same and pair.id in answered]
    alike = sum(pair.same for pair in mine)
    return SemanticRow(
        half=half,
        gate=gate,
        paraphrases=wilson(right, alike),
        false_hits=wilson(len(false_ids), len(mine) - alike),
        wrong=wilson(len(false_ids), right + len(false_ids)),
        false_ids=false_ids,
    )


def _kinds(found: Sequence[Pair], answered: set[str]) -> dict[str, Share]:
    kinds = sorted({pair.kind for pair in found if not pair.same})
    of_kind = {kind: [pair for pair in found if pair.kind == kind] for kind in kinds}
    return {
        kind: wilson(sum(pair.id in answered for pair in mine), len(mine))
        for kind, mine in of_kind.items()
    }


def _guard_costs_us(found: Sequence[Pair]) -> tuple[float, float]:
    """Microseconds to read a question and to compare two: medians over pairs of the best round."""
    reading, comparing = [], []
    for pair in found:
        one, other = read(pair.a), read(pair.b)
        reading.append(_best_us(partial(read, pair.b)))
        comparing.append(_best_us(partial(object_to, one, other, ALL_GUARDS)))
    return median(reading), median(comparing)


def _best_us(work: Callable[[], object]) -> float:
    times_s = []
    for _ in range(GUARD_ROUNDS):
        begin_s = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - begin_s)
    return min(times_s) * 1e6
