"""What is to be marked, and what was."""

from typing import Literal

import msgspec

from headrace.prompt.marks.habits import Ttl

Place = Literal["tools", "system", "history", "last"]


class MarkRules(msgspec.Struct, frozen=True, kw_only=True):
    """How requests to one provider are marked.

    Attributes:
        ttl: for how long Anthropic is to keep beginnings; `auto` goes by what was observed, which
            may be that it does not pay.
        is_ordered: whether tools, and the keys of their schemas, are put in order first.
    """

    ttl: Literal["auto", "5m", "1h"] = "auto"
    is_ordered: bool = False


class Mark(msgspec.Struct, frozen=True):
    """A breakpoint that was set: where, and how long what ends there is to be kept."""

    place: Place
    ttl: Ttl


class MarkReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one request.

    Attributes:
        marks: the breakpoints that were set, in the order of the prompt.
        found: how many there were already.
        key: the `prompt_cache_key` that was added, empty where none was.
        is_ordered: whether the order of tools or keys was changed.
        is_declined: whether the provider was told to keep nothing of what is new, since it was
            not asked for again.
    """

    marks: tuple[Mark, ...] = ()
    found: int = 0
    key: str = ""
    is_ordered: bool = False
    is_declined: bool = False
