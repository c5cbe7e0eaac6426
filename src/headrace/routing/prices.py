"""What a call costs: list prices of the well-known providers, shipped with the package.

The table is made by `scripts/flatten_prices.py`. It holds standard service at noon UTC; what a
contract makes cheaper belongs in the settings. Reading it takes a few milliseconds, since models,
names and rules of a provider are read when it is first asked for.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib.resources import files
from typing import Any, Final

import msgspec

from headrace.clock import SystemClock
from headrace.dialects.sellers import table_name
from headrace.model import Price, Tier

_FOUND_MAX = 1024
_COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])([0-2]\d|3[01])(?=$|-|:)")
_DATE_SUFFIX = re.compile(r"[-@](?:20\d{2}-\d{2}-\d{2}|20\d{6})$")

Matcher = Callable[[str], object]
Spans = tuple[tuple[float, Price], ...]
"""Prices, each with the second since the epoch from which on it holds, the first one first."""

_NO_SPANS: Final[Spans] = ()


class _ProviderPrices(msgspec.Struct, frozen=True):
    """One provider's part of the file.

    Attributes:
        models: model id to its row: input, cached input, output, cache writes of five minutes and
            of an hour; then, in a mapping, rows `above` so many tokens, of a `batch`, or all of
            these `since` a day.
        aliases: other names of a model, exactly, to its id.
        rules: kind, pattern and model id, tried in order when no name fits exactly.
        also: providers whose models this one sells too.
    """

    models: dict[str, msgspec.Raw]
    aliases: dict[str, str]
    rules: list[tuple[str, str, str]]
    also: list[str]


class _PriceFile(msgspec.Struct, frozen=True):
    date: str
    source: str
    providers: dict[str, msgspec.Raw]


class PriceTable:
    """List prices by provider and model.

    Args:
        encoded: the table.
        wall_s: tells the time, seconds since the epoch.

    Attributes:
        date: the day the prices held, as ISO 8601.
        source: where they come from.
    """

    __slots__ = ("_encoded", "_find_cached", "_read", "_wall_s", "date", "source")

    def __init__(self, encoded: bytes, wall_s: Callable[[], float] = SystemClock.wall_s) -> None:
        table = msgspec.json.decode(encoded, type=_PriceFile)
        self.date = table.date
        self.source = table.source
        self._encoded = table.providers
        self._read: dict[str, tuple[_ProviderPrices, list[tuple[Matcher, str]]]] = {}
        self._wall_s = wall_s
        self._find_cached = lru_cache(maxsize=_FOUND_MAX)(self._find)

    @classmethod
    def load(cls, wall_s: Callable[[], float] = SystemClock.wall_s) -> "PriceTable":
        """Read the table that ships with the package; takes a few milliseconds.

        Args:
            wall_s: tells the time, seconds since the epoch.
        """
        return cls(files("headrace.routing").joinpath("prices.json").read_bytes(), wall_s)

    def knows(self, provider: str) -> bool:
        """Whether a provider has a part of its own in the table."""
        name = provider.lower()
        return table_name(name, "", self._encoded) in self._encoded

    def find(
        self, provider: str, dialect: str, model: str, at_s: float | None = None
    ) -> Price | None:
        """The price of a model, `None` where none is known.

        Args:
            provider: the provider's name in the settings; one that is not in the table, such as
                `local`, is taken for the home provider of its dialect.
            dialect: the dialect the provider speaks.
            model: the model as the provider names it, with or without a date at its end.
            at_s: when, in seconds since the epoch; `None` is now.
        """
        spans = self._find_cached(provider, dialect, model)
        if len(spans) <= 1:
            return spans[0][1] if spans else None
        if at_s is None:
            at_s = self._wall_s()
        # Before its first day a model had the price of that day.
        return next((price for since_s, price in reversed(spans) if since_s <= at_s), spans[0][1])

    def _find(self, provider: str, dialect: str, model: str) -> Spans:
        name = table_name(provider.lower(), dialect, self._encoded)
        for candidate in _spellings(model.lower()):
            for seller in self._sellers(name):
                model_id = self._model_id(seller, candidate)
                if model_id is not None:
                    return self._spans(seller, model_id)
        return _NO_SPANS

    def _provider(self, name: str) -> tuple[_ProviderPrices, list[tuple[Matcher, str]]]:
        found = self._read.get(name)
        if found is None:
            prices = msgspec.json.decode(self._encoded[name], type=_ProviderPrices)
            matchers = [(_matcher(kind, text), model) for kind, text, model in prices.rules]
            found = self._read[name] = (prices, matchers)
        return found

    def _sellers(self, name: str) -> list[str]:
        return [name, *self._provider(name)[0].also] if name in self._encoded else []

    def _model_id(self, seller: str, model: str) -> str | None:
        prices, matchers = self._provider(seller)
        exact = prices.aliases.get(model)
        if exact is not None:
            return exact
        if model in prices.models:
            return model
        return next((name for fits, name in matchers if fits(model)), None)

    def _spans(self, seller: str, model_id: str) -> Spans:
        encoded = self._provider(seller)[0].models.get(model_id)
        if encoded is None:
            return _NO_SPANS
        row = msgspec.json.decode(encoded)
        if not isinstance(row[-1], dict) or "since" not in row[-1]:
            return ((0.0, _price(row)),)
        return tuple((_second(day), _price(each)) for day, each in row[-1]["since"])


def _price(row: list[Any]) -> Price:
    extras: dict[str, Any] = row[-1] if isinstance(row[-1], dict) else {}
    batch = extras.get("batch")
    return Price(
        **_rates(row[:-1] if extras else row),
        tiers=tuple(
            Tier(above_tokens=above, **_rates(rates)) for above, *rates in extras.get("above", ())
        ),
        batch=_price(batch) if batch is not None else None,
    )


def _rates(row: list[Any]) -> dict[str, Any]:
    names = ("input", "cached", "output", "cache_write", "cache_write_1h")
    return dict(zip(names, row, strict=False))


def _second(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() if day else 0.0


def _spellings(model: str) -> dict[str, None]:
    """The name as given, with its date written in the long form, and without its date."""
    dashed = _COMPACT_DATE.sub(r"-\1-\2-\3", model)
    return dict.fromkeys((model, dashed, _DATE_SUFFIX.sub("", model)))


def _matcher(kind: str, text: str) -> Matcher:
    if kind == "starts":
        return partial(_starts, text)
    if kind == "ends":
        return partial(_ends, text)
    if kind == "contains":
        return partial(_contains, text)
    # Compiled at its first use: compiling all of them takes longer than the rest of the table.
    return partial(re.search, text)


def _starts(text: str, model: str) -> bool:
    return model.startswith(text)


def _ends(text: str, model: str) -> bool:
    return model.endswith(text)


def _contains(text: str, model: str) -> bool:
    return text in model
