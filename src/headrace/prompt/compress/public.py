"""`compress`, for programs."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from headrace.prompt.compress.document import compress_document
from headrace.prompt.compress.pipeline import Shorten
from headrace.prompt.compress.report import CompressReport
from headrace.prompt.compress.rules import CompressRules, Level
from headrace.prompt.counting.counters import Counters, check_messages_given


class Compressed(msgspec.Struct, frozen=True):
    """Messages to send, and what was done to them.

    Attributes:
        messages: what to send.
        system: the system text to send beside them, as Anthropic's API wants it; `None`: none.
        report: what was done.
        original: the messages as they came, for another try.
    """

    messages: Sequence[Any]
    system: Any
    report: CompressReport
    original: Sequence[Any]


@lru_cache(maxsize=1)
def _counters() -> Counters:
    """What all calls of a process share, so that texts are counted once."""
    return Counters()


def compress(
    messages: Sequence[Mapping[str, Any]],
    level: Level = "safe",
    *,
    system: Any = None,
    model: str = "gpt-4o",
    exact_tools: Sequence[str] = (),
    repeats: bool = True,
    stale: bool = True,
    keep_share: float = 0.5,
    shorten: Shorten | None = None,
) -> Compressed:
    """Leave out of messages what a model does not need to answer them.

    `safe` leaves out white space, says long phrases short, says nothing twice, and writes JSON,
    rows, HTML, logs and stack traces in fewer tokens. `lossy` also cuts long prose that tools
    returned to the sentences that have most to do with the user's turn before, and clears results
    of calls that were made again. Code, quotes and numbers stay as they are, a system text and a
    short turn of a user lose white space only, and what the assistant said is never touched.

    What becomes of a message does not depend on those behind it; clearing is done in big steps.
    Takes a few milliseconds for 2,000 tokens: in an asynchronous program use a thread for more.

    Args:
        messages: in OpenAI's or Anthropic's words; never changed.
        level: `safe` or `lossy`.
        system: Anthropic's system text, or its blocks.
        model: whose tokens decide whether a change saves any; an estimate for other than OpenAI's.
        exact_tools: words of the names of tools whose results stay byte for byte, further to
            those that read files.
        repeats: whether a result that came before is told by a pointer to that one.
        stale: whether `lossy` clears results of calls that were made again.
        keep_share: how much of a long prose result `lossy` keeps.
        shorten: a model that leaves words out, such as `LinguaShortener`, for `lossy`.

    Returns:
        What to send, a report, and the messages as they came.

    Raises:
        TypeError: these are no messages.
        ValueError: `level` or `keep_share` is none that there is.
    """
    check_messages_given(messages, "a list of messages, such as [{'role': 'user', 'content': ...}]")
    if level not in ("safe", "lossy"):
        raise ValueError(f"level is safe or lossy, not {level!r}")
    if not 0 < keep_share <= 1:
        raise ValueError(f"keep_share is above 0 and at most 1, not {keep_share}")
    rules = CompressRules(
        level=level,
        exact_tools=tuple(exact_tools),
        repeats=repeats,
        stale=stale,
        keep_share=keep_share,
    )
    document: dict[str, Any] = {"messages": list(messages), "system": system}
    count = _counters().of(model).tokens_of
    found, report = compress_document(
        document, dialect="anthropic", rules=rules, count=count, shorten=shorten
    )
    return Compressed(found["messages"], found["system"], report, messages)
