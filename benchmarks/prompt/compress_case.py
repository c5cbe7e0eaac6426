"""What compression saves, what it costs, and whether it keeps what it promises.

Times are processor time of this thread, the best of five of each text, nothing remembered.
Tokens are those of o200k. A cut-off text (24,000 characters) may be JSON no more, and then counts
for what it is: JSON here is made so that it fits.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median
from typing import Any, Final

import msgspec

from benchmarks.prompt import agent_workload, compress_texts
from benchmarks.prompt.agent_workload import Half
from headrace.prompt.compress.document import compress_document
from headrace.prompt.compress.memo import Memo
from headrace.prompt.compress.pipeline import Job, compress_text
from headrace.prompt.compress.rules import CompressRules, CountText, Level
from headrace.prompt.counting.vocabulary import INSTALL, encoder

TIMES: Final = 5
TOKENS_OF_BAR: Final = 2000
MS_MAX: Final = 5.0
STRUCTURED: Final = ("JSON, indented", "JSON, compact", "HTML", "logs in JSON", "logs for people")


class KindRow(msgspec.Struct, frozen=True):
    """One kind of text, in `safe`.

    Attributes:
        saved_share: of all tokens of the kind.
        ms: processor time for 2,000 tokens, the median of the texts.
        count_ms: what it takes to count as many tokens once, to tell how busy the machine was.
        broken: texts that came out differently when they were compressed again.
    """

    kind: str
    texts: int
    tokens: int
    saved_share: float
    ms: float
    count_ms: float
    broken: int


class MixRow(msgspec.Struct, frozen=True):
    """One half of the agents' work, at one level.

    Attributes:
        low: saved share of the session at the lower tenth.
        high: at the upper tenth.
        kept_share: turns that begin with what was sent in the turn before, byte for byte.
        repeat_ms: processor time of a turn for 2,000 tokens, where texts of before are remembered.
    """

    half: Half
    level: Level
    sessions: int
    tokens: int
    saved_share: float
    low: float
    high: float
    kept_share: float
    repeat_ms: float


class Figures(msgspec.Struct, frozen=True):
    """All of it."""

    kinds: list[KindRow]
    mix: list[MixRow]

    @property
    def overall_share(self) -> float:
        """What `safe` saves of all tokens of both halves."""
        rows = [row for row in self.mix if row.level == "safe"]
        return sum(row.saved_share * row.tokens for row in rows) / sum(row.tokens for row in rows)

    @property
    def missed(self) -> list[str]:
        """The bars that are not kept."""
        found = [f"{row.kind}: {row.ms:.1f} ms" for row in self.kinds if row.ms >= MS_MAX]
        found += [f"{row.kind}: not idempotent" for row in self.kinds if row.broken]
        for row in self.kinds:
            if row.kind in STRUCTURED and row.saved_share < 0.2:
                found.append(f"{row.kind}: saves {row.saved_share:.0%}")
        found += [f"{row.half}: prefixes" for row in self.mix if row.kept_share < 1]
        if self.overall_share < 0.2:
            found.append(f"mix: saves {self.overall_share:.0%}")
        return found


def measure(sessions: int, seed: int, say: Callable[[str], None]) -> Figures:
    """Run everything.

    Raises:
        SystemExit: the vocabularies are not installed.
    """
    count = encoder("o200k_base")
    if count is None:
        raise SystemExit(f"exact counts are needed: {INSTALL}")
    kinds = []
    for kind in compress_texts.KINDS:
        say(kind)
        texts = compress_texts.texts(kind)
        if texts:
            kinds.append(_kind_row(kind, texts, count))
    mix: list[MixRow] = []
    halves: tuple[Half, ...] = ("seen", "unseen")
    levels: tuple[Level, ...] = ("safe", "lossy")
    for half in halves:
        work = list(agent_workload.sessions(half, sessions, seed))
        for level in levels:
            say(f"{half}, {level}")
            mix.append(_mix_row(half, level, work, count))
    return Figures(kinds, mix)


def _kind_row(kind: str, texts: Sequence[str], count: CountText) -> KindRow:
    job = Job("result", CompressRules(), count)
    before = after = broken = 0
    times: list[float] = []
    counts: list[float] = []
    for text in texts:
        outcome, seconds = _timed(partial(compress_text, text, job))
        before += outcome.before
        after += outcome.after
        broken += compress_text(outcome.text, job).text != outcome.text
        times.append(seconds * 1000 * TOKENS_OF_BAR / outcome.before)
        counts.append(_timed(partial(count, text))[1] * 1000)
        counts[-1] *= TOKENS_OF_BAR / outcome.before
    saved = 1 - after / before
    return KindRow(kind, len(texts), before, saved, median(times), median(counts), broken)


def _timed(run: Callable[[], Any]) -> tuple[Any, float]:
    best, outcome = float("inf"), None
    for _ in range(TIMES):
        begun = time.thread_time()
        outcome = run()
        best = min(best, time.thread_time() - begun)
    return outcome, best


def _mix_row(
    half: Half, level: Level, work: Sequence[list[dict[str, Any]]], count: CountText
) -> MixRow:
    rules = CompressRules(level=level)
    shares: list[float] = []
    before = after = turns = kept = 0
    seconds = 0.0
    tokens_of_turns = 0
    for session in work:
        memo, last = Memo(1 << 26), list[Any]()
        for messages in _turns(session):
            begun = time.thread_time()
            found, report = compress_document(
                {"messages": messages}, dialect="openai", rules=rules, count=count, memo=memo
            )
            if last:
                seconds += time.thread_time() - begun
                tokens_of_turns += report.tokens_before
                turns += 1
                kept += found["messages"][: len(last)] == last
            last = found["messages"]
        came, sent = _tokens(session, count), _tokens(last, count)
        shares.append(1 - sent / came)
        before, after = before + came, after + sent
    shares.sort()
    tenth = len(shares) // 10
    return MixRow(
        half=half,
        level=level,
        sessions=len(work),
        tokens=before,
        saved_share=1 - after / before,
        low=shares[tenth],
        high=shares[-1 - tenth],
        kept_share=kept / max(1, turns),
        repeat_ms=seconds * 1000 * TOKENS_OF_BAR / max(1, tokens_of_turns),
    )


def _turns(session: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """What is sent with each call: everything up to a user's turn or a result."""
    for end, message in enumerate(session, 1):
        if message["role"] in ("user", "tool"):
            yield session[:end]


def _tokens(messages: Sequence[dict[str, Any]], count: CountText) -> int:
    """Tokens of all texts, those of the assistant and the calls included."""
    total = 0
    for message in messages:
        total += count(message["content"] or "")
        for call in message.get("tool_calls") or ():
            total += count(call["function"]["name"]) + count(call["function"]["arguments"])
    return total
