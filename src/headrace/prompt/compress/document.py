"""A request in either dialect, with its texts compressed and everything else as it came.

What becomes of a message depends on the messages up to it and on none behind it, so a
conversation that grows keeps its beginning, byte for byte, and with it the provider's prompt cache.
Clearing stale results is the exception, and happens in big steps (`stale.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from headrace.model import DialectName
from headrace.prompt.compress.pipeline import Job, Outcome, Shorten, compress_text
from headrace.prompt.compress.report import CompressReport, StageTally
from headrace.prompt.compress.results import Calls, result_text, with_result_text
from headrace.prompt.compress.rules import CompressRules, CountText, Place, Stage
from headrace.prompt.compress.sentences import terms
from headrace.prompt.compress.stale import CLEARED, cleared

_SYSTEM_ROLES: Final = frozenset(("system", "developer"))
_RESULT_ROLES: Final = frozenset(("tool", "function"))
_REPEAT_CHARS_MIN: Final = 240


class Memory(Protocol):
    """Texts that were compressed before, such as `Memo`."""

    def outcome(self, text: str, job: Job) -> Outcome:
        """What `compress_text` gives."""
        ...


def compress_document(
    document: dict[str, Any],
    *,
    dialect: DialectName,
    rules: CompressRules,
    count: CountText,
    memo: Memory | None = None,
    shorten: Shorten | None = None,
) -> tuple[dict[str, Any], CompressReport]:
    """Take out of a request what its model does not need to answer it.

    Pure but for the memo; time is linear in the size of the document. What is not understood is
    left as it is.

    Args:
        document: the decoded request; never changed.
        dialect: whose grammar it has.
        rules: what may be left out.
        count: tokens of a text; the same for the same text at all times, or prefixes change.
        memo: texts that were compressed before, by the same rules and the same `count`.
        shorten: a model that leaves words out, for `lossy`.

    Returns:
        The request to send, the same object where nothing changed, and what was done.
    """
    walk = _Walk(rules, count, memo, shorten)
    changed: dict[str, Any] = {}
    system = document.get("system")
    if dialect == "anthropic" and system is not None:
        found = walk.content(system, "system")
        if found is not system:
            changed["system"] = found
    messages = document.get("messages")
    if isinstance(messages, list):
        shorter = walk.messages(messages)
        if shorter is not messages:
            changed["messages"] = shorter
    return {**document, **changed} if changed else document, walk.report()


class _Walk:
    """One way through a request, from its first message to its last."""

    def __init__(
        self, rules: CompressRules, count: CountText, memo: Memory | None, shorten: Shorten | None
    ) -> None:
        self._rules = rules
        self._count = count
        self._memo = memo
        self._shorten = shorten
        self._calls = Calls()
        self._query: tuple[str, ...] = ()
        self._sent: dict[str, str] = {}
        self._tally = StageTally()
        self._texts = self._changed = self._before = self._after = self._cleared = 0

    def report(self) -> CompressReport:
        """What was done so far."""
        return CompressReport(
            level=self._rules.level,
            texts=self._texts,
            changed=self._changed,
            tokens_before=self._before,
            tokens_after=self._after,
            stages=self._tally.counts(),
            cleared=self._cleared,
        )

    def messages(self, messages: list[Any]) -> list[Any]:
        """The messages to send; the same list where nothing changed."""
        stale: Mapping[int, frozenset[str]] = {}
        if self._rules.level == "lossy" and self._rules.stale:
            stale = cleared(messages, self._rules)
        out = [self._message(each, stale.get(at)) for at, each in enumerate(messages)]
        is_same = all(new is old for new, old in zip(out, messages, strict=True))
        return messages if is_same else out

    def _message(self, message: Any, stale: frozenset[str] | None) -> Any:
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str):
            return message
        content = message.get("content")
        if role == "assistant":
            self._calls.note(message)
            return message
        if role in _RESULT_ROLES:
            call = str(message.get("tool_call_id") or "")
            name = str(message.get("name") or "")
            found = self._result(content, call, name, is_stale=stale is not None)
        elif role in _SYSTEM_ROLES:
            found = self.content(content, "system")
        elif role == "user":
            found = self._user(content, stale or frozenset())
        else:
            return message
        return message if found is content else {**message, "content": found}

    def _user(self, content: Any, stale: frozenset[str]) -> Any:
        """A user's turn; in Anthropic's dialect with results of tools in it."""
        found = self.content(content, "user")
        if self._rules.level == "lossy":
            self._query = terms(_said(found)) or self._query
        if not isinstance(found, list):
            return found
        blocks = [self._result_block(block, stale) for block in found]
        is_same = all(new is old for new, old in zip(blocks, found, strict=True))
        return found if is_same else blocks

    def _result_block(self, block: Any, stale: frozenset[str]) -> Any:
        if not isinstance(block, dict) or block.get("type") != "tool_result":
            return block
        call, content = str(block.get("tool_use_id") or ""), block.get("content")
        found = self._result(content, call, "", is_stale=call in stale)
        return block if found is content else {**block, "content": found}

    def content(self, content: Any, place: Place) -> Any:
        """A text, or the texts among blocks; the same object where nothing changed."""
        if isinstance(content, str):
            return self._text(content, place).text
        if not isinstance(content, list):
            return content
        blocks = [self._text_block(block, place) for block in content]
        is_same = all(new is old for new, old in zip(blocks, content, strict=True))
        return content if is_same else blocks

    def _text_block(self, block: Any, place: Place) -> Any:
        if not isinstance(block, dict) or block.get("type") != "text":
            return block
        text = block.get("text")
        if not isinstance(text, str) or block.get("citations"):
            return block
        found = self._text(text, place).text
        return block if found is text else {**block, "text": found}

    def _result(self, content: Any, call: str, name: str, *, is_stale: bool) -> Any:
        """What a tool returned: compressed, told by a pointer, or cleared."""
        is_exact = self._rules.is_exact(name or self._calls.name(call))
        if is_exact or is_stale:
            self._look_at(content)
        if is_exact:
            return content
        found = content if is_stale else self.content(content, "result")
        text = result_text(found)
        if text is None or len(text) < _REPEAT_CHARS_MIN:
            return found
        if is_stale:
            return self._told(found, text, CLEARED, "stale")
        if not self._rules.repeats:
            return found
        first = self._sent.setdefault(text, call)
        if first == call:
            return found
        told = self._told(found, text, f"[same as above: {self._calls.shown(first)}]", "repeats")
        self._changed -= told is not found and found is not content
        return told

    def _look_at(self, content: Any) -> None:
        """Count a text that no stage is going to touch."""
        if (text := result_text(content)) is not None:
            tokens = self._count(text)
            self._texts += 1
            self._before += tokens
            self._after += tokens

    def _told(self, content: Any, text: str, words: str, stage: Stage) -> Any:
        """`content` told by a few words, where that saves tokens."""
        saved = self._count(text) - self._count(words)
        if saved <= 0:
            return content
        self._tally.add(stage, saved)
        self._cleared += stage == "stale"
        self._changed += 1
        self._after -= saved
        return with_result_text(content, words)

    def _text(self, text: str, place: Place) -> Outcome:
        query = self._query if place == "result" else ()
        job = Job(place, self._rules, self._count, query, self._shorten)
        memo = self._memo
        found = compress_text(text, job) if memo is None else memo.outcome(text, job)
        self._texts += 1
        self._changed += found.text != text
        self._before += found.before
        self._after += found.after
        self._tally.add_all(found.effects)
        return found


def _said(content: Any) -> str:
    """What a user says in a turn, results of tools left out."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    texts = (block.get("text") for block in content if isinstance(block, dict))
    return "\n".join(text for text in texts if isinstance(text, str))
