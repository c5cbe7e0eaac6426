"""Compression as settings want it, with a memory of what was compressed before."""

from typing import Any

from headrace.model import DialectName
from headrace.prompt.compress.document import compress_document
from headrace.prompt.compress.memo import Memo
from headrace.prompt.compress.pipeline import Shorten
from headrace.prompt.compress.report import CompressReport
from headrace.prompt.compress.rules import CompressRules, CountText
from headrace.settings.prompt import PromptSettings


def rules_of(settings: PromptSettings) -> CompressRules | None:
    """What settings let compression do; `None` where it is off.

    Where conversations are made to fit a window, no result is told by a pointer to another one:
    that one might be among those that are cleared to make room.
    """
    wanted = settings.compress
    if wanted.level == "off":
        return None
    return CompressRules(
        level=wanted.level,
        exact_tools=wanted.exact_tools,
        repeats=wanted.repeats and not settings.window.enabled,
        stale=wanted.stale,
        keep_share=wanted.keep_share,
    )


class Compressor:
    """Compresses requests by one set of rules. May be used by several threads.

    Args:
        rules: what may be left out.
        count: tokens of a text, the same for every model and at all times: a counter that learns
            would change its mind about texts that were sent before, and so break prefixes.
        memory_bytes: room for texts that were compressed before; 0 remembers none.
        shorten: a model that leaves words out, for `lossy`.
    """

    def __init__(
        self,
        rules: CompressRules,
        count: CountText,
        *,
        memory_bytes: int = 16 << 20,
        shorten: Shorten | None = None,
    ) -> None:
        self._rules = rules
        self._count = count
        self._shorten = shorten
        self._memo = Memo(memory_bytes)

    def compress(
        self, document: dict[str, Any], *, dialect: DialectName
    ) -> tuple[dict[str, Any], CompressReport]:
        """What to send in place of a request, and what was done; see `compress_document`."""
        return compress_document(
            document,
            dialect=dialect,
            rules=self._rules,
            count=self._count,
            memo=self._memo,
            shorten=self._shorten,
        )
