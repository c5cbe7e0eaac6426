"""What compression may do: levels, places, kinds of text, and how much each kind may lose."""

import re
from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

Level = Literal["safe", "lossy"]
Place = Literal["system", "user", "result"]
"""Whose words they are: instructions, a user's turn, or what a tool returned."""

Kind = Literal["prose", "code", "json", "lines", "html", "log", "folded"]
"""What a stretch of text is; `lines` are JSON values one to a line, `folded` is our own output."""

Stage = Literal[
    "whitespace", "phrases", "duplicates", "json", "rows", "html", "logs", "traces",
    "sentences", "model", "repeats", "stale",
]  # fmt: skip

CountText = Callable[[str], int]
"""Tokens of a text, as the model will count them."""

SAVED_SHARE_MAX: Final[Mapping[Stage, float]] = {
    "whitespace": 1.0,
    "phrases": 0.2,
    "duplicates": 0.9,
    "json": 0.9,
    "rows": 0.95,
    "html": 0.995,
    "logs": 0.99,
    "traces": 0.99,
    "sentences": 0.95,
    "model": 0.9,
}
"""A stage that would save a larger share of a text has misread it, and is taken back.

White space may be nearly all of a text: that every word stays is looked at word by word.
"""

_EXACT_WORDS: Final = frozenset(
    ("cat", "diff", "edit", "editor", "file", "files", "notebook", "patch", "read", "replace",
     "view", "write")
)  # fmt: skip
_READ_ONCE_WORDS: Final = frozenset(
    ("browser", "email", "http", "issue", "log", "logs", "mail", "message", "messages", "page",
     "pages", "site", "ticket", "url", "web", "webpage", "website")
)  # fmt: skip
_NAME_WORD: Final = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


class CompressRules(msgspec.Struct, frozen=True, kw_only=True):
    """What is done, and to what not.

    Attributes:
        level: `safe` keeps what a reader needs; `lossy` cuts long prose of tools as well.
        exact_tools: further words of the names of tools whose results stay byte for byte.
        repeats: whether a result that came before is told by a pointer to that one.
        stale: whether `lossy` clears results of calls that were made again, in big steps.
        keep_share: how much of a long prose result `lossy` keeps.
    """

    level: Level = "safe"
    exact_tools: tuple[str, ...] = ()
    repeats: bool = True
    stale: bool = True
    keep_share: float = 0.5

    def is_exact(self, tool: str) -> bool:
        """Whether what `tool` returns has to stay byte for byte, for it may be edited by quoting.

        Tools that read files for an editor need that; those that read pages, mail and logs do not.
        """
        words = {word.lower() for word in _NAME_WORD.findall(tool)}
        if words & {word.lower() for word in self.exact_tools} or tool in self.exact_tools:
            return True
        return bool(words & _EXACT_WORDS) and not words & _READ_ONCE_WORDS
