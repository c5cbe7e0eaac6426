"""What a count of tokens is, and what counts them."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

CountText = Callable[[str], int]
"""How many tokens a text has: all that most who shorten texts want to know."""


class Count(msgspec.Struct, frozen=True):
    """So many tokens, and how sure that is.

    Attributes:
        tokens: how many.
        is_exact: whether the model's own vocabulary counted them, by rules that are documented.
        error_p95: how far an estimate was off in 95 of 100 cases, as a share of the truth; what
            is assumed, as long as too few cases have been seen; 0 where it is exact.
    """

    tokens: int
    is_exact: bool = True
    error_p95: float = 0.0


class Counter(Protocol):
    """Counts tokens as one model does. May be used by several threads."""

    def tokens_of(self, text: str) -> int:
        """How many tokens a text has, nothing around it counted. A `CountText`."""
        ...

    def count_text(self, text: str) -> Count:
        """The same, and how sure that is."""
        ...

    def count_document(self, document: Mapping[str, Any]) -> Count:
        """How many input tokens a request comes to, in either dialect.

        Args:
            document: the decoded request; what of it makes no sense counts nothing.
        """
        ...
