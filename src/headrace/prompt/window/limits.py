"""What models take and give at the most: a table that ships with the package.

It is made by `scripts/flatten_limits.py`. What a contract or a server of one's own makes different
belongs in the settings.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Final

import msgspec

from headrace.dialects.sellers import table_name

_FOUND_MAX: Final = 1024
# Where a name may end for a shorter one to stand for it: dates, versions and variants follow.
_SEAM: Final = re.compile(r"[-:@](?=[^-:@]*$)")

_Row = tuple[int, int | None, int | None]


class ModelLimits(msgspec.Struct, frozen=True):
    """How many tokens a model has room for.

    Attributes:
        context: prompt and answer together.
        input: the prompt alone.
        output: the answer alone, thinking included; `None`: not known.
    """

    context: int
    input: int
    output: int | None = None

    def prompt_tokens(self, reserve: int) -> int:
        """What is left for the prompt where an answer may take `reserve` tokens; 0 at least."""
        return max(0, min(self.input, self.context - reserve))


class _LimitFile(msgspec.Struct, frozen=True):
    """The file: context, input (where it is less) and output, by provider and model."""

    date: str
    source: str
    providers: dict[str, dict[str, _Row]]


class LimitTable:
    """What models take, by provider and model.

    Attributes:
        date: the day the limits held, as ISO 8601.
        source: where they come from.
    """

    __slots__ = ("_find_cached", "_providers", "date", "source")

    def __init__(self, encoded: bytes) -> None:
        table = msgspec.json.decode(encoded, type=_LimitFile)
        self.date = table.date
        self.source = table.source
        self._providers = table.providers
        self._find_cached = lru_cache(maxsize=_FOUND_MAX)(self._find)

    @classmethod
    def load(cls) -> "LimitTable":
        """Read the table that ships with the package; takes a millisecond, so call it once."""
        return cls(files("headrace.prompt.window").joinpath("limits.json").read_bytes())

    def find(self, provider: str, dialect: str, model: str) -> ModelLimits | None:
        """What a model takes, `None` where that is not known.

        Args:
            provider: the provider's name in the settings; one that is not in the table is taken
                for the home provider of its dialect.
            dialect: the dialect the provider speaks.
            model: the model as the provider names it; what follows a `-`, `:` or `@` may be
                unknown, such as a date.
        """
        return self._find_cached(provider.lower(), dialect, model.lower())

    def _find(self, provider: str, dialect: str, model: str) -> ModelLimits | None:
        rows = self._providers.get(table_name(provider, dialect, self._providers), {})
        row = next((rows[each] for each in _spellings(model) if each in rows), None)
        return None if row is None else ModelLimits(row[0], row[1] or row[0], row[2])


def _spellings(model: str) -> Iterator[str]:
    """A name, and what is left of it as its ends are taken away."""
    yield model
    while (seam := _SEAM.search(model)) is not None:
        model = model[: seam.start()]
        yield model
