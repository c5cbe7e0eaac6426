"""Results that nobody needs any more, for the same call was made again: cleared in big steps.

Clearing changes the middle of a conversation, and so breaks the prefix that the provider has
cached: what stands behind it is paid for in full once more. So it is not done when a result goes
stale but when the conversation has doubled since: only what lies before the last of the places
where results come to 64, 128, 256 ... thousand characters is looked at, and only if at least a
quarter of it would go. Between two such places a conversation that grows keeps its beginning.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from headrace.prompt.compress.results import calls_of, result_text, results_of
from headrace.prompt.compress.rules import CompressRules

CLEARED: Final = "[cleared: the same call was made again later]"
FIRST_STEP_CHARS: Final = 64_000
STALE_SHARE_MIN: Final = 0.25
_RESULT_CHARS_MIN: Final = 240


def cleared(messages: Sequence[Any], rules: CompressRules) -> Mapping[int, frozenset[str]]:
    """Which results to clear: ids of calls, by the place of the message that carries them.

    Nothing in a conversation in which results were cleared already, so that nothing is done twice.

    Args:
        messages: a conversation in either dialect.
        rules: tools whose results stay byte for byte are left alone.
    """
    results = list(_results(messages, rules))
    for end in reversed(_steps(results)):
        if found := _stale(results[:end]):
            return found
    return {}


_Result = tuple[int, str, tuple[str, str] | None, int]
"""Place of the message, id of the call, what was called, characters."""


def _results(messages: Sequence[Any], rules: CompressRules) -> Iterator[_Result]:
    called: dict[str, tuple[str, str]] = {}
    for at, message in enumerate(messages):
        if not isinstance(message, dict):
            continue
        if message.get("role") == "assistant":
            called.update((call, (name, given)) for call, name, given in calls_of(message))
            continue
        for call, content in results_of(message):
            what = called.get(call)
            if what is not None and rules.is_exact(what[0]):
                what = None
            text = result_text(content) or ""
            if text == CLEARED:
                return
            yield at, call, what, len(text)


def _steps(results: Sequence[_Result]) -> list[int]:
    """How many results lie before each place where they come to twice as much as at the last."""
    steps: list[int] = []
    chars, bound = 0, FIRST_STEP_CHARS
    for number, result in enumerate(results, 1):
        chars += result[3]
        if chars >= bound:
            steps.append(number)
            while bound <= chars:
                bound *= 2
    return steps


def _stale(results: Sequence[_Result]) -> Mapping[int, frozenset[str]]:
    """The results whose call comes again among `results`, if they are worth a broken prefix."""
    last = {what: number for number, (_, _, what, _) in enumerate(results) if what is not None}
    found: dict[int, set[str]] = {}
    gone = 0
    for number, (at, call, what, chars) in enumerate(results):
        if what is not None and last[what] > number and chars >= _RESULT_CHARS_MIN:
            found.setdefault(at, set()).add(call)
            gone += chars
    if gone < STALE_SHARE_MIN * sum(chars for *_, chars in results):
        return {}
    return {at: frozenset(calls) for at, calls in found.items()}
