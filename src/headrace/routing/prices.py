"""What a call costs: list prices of the well-known providers, shipped with the package.

The table is made by `scripts/flatten_prices.py`. It holds the lowest standard tier; what a
contract, a batch or a time of day makes cheaper belongs in the settings.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from importlib.resources import files

import msgspec

from headrace.model import Price

_HOME_BY_DIALECT: Mapping[str, str] = {"openai": "openai", "anthropic": "anthropic"}
_ID_BY_NICKNAME: Mapping[str, str] = {
    "claude": "anthropic",
    "gemini": "google",
    "grok": "x-ai",
    "mistralai": "mistral",
    "together-ai": "together",
    "together_ai": "together",
    "togetherai": "together",
    "vertex": "google",
    "xai": "x-ai",
}
_FOUND_MAX = 1024
_COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])([0-2]\d|3[01])(?=$|-|:)")
_DATE_SUFFIX = re.compile(r"[-@](?:20\d{2}-\d{2}-\d{2}|20\d{6})$")

_Row = tuple[float, float | None, float]


class _ProviderPrices(msgspec.Struct, frozen=True):
    """One provider's part of the file.

    Attributes:
        models: model id to input, cached input and output price.
        aliases: other names of a model, exactly, to its id.
        rules: kind, pattern and model id, tried in order when no name fits exactly.
        also: providers whose models this one sells too.
    """

    models: dict[str, _Row]
    aliases: dict[str, str]
    rules: list[tuple[str, str, str]]
    also: list[str]


class _PriceFile(msgspec.Struct, frozen=True):
    date: str
    source: str
    providers: dict[str, _ProviderPrices]


class PriceTable:
    """List prices by provider and model.

    Attributes:
        date: the day the prices held, as ISO 8601.
        source: where they come from.
    """

    __slots__ = ("_find_cached", "_matchers", "_providers", "date", "source")

    def __init__(self, encoded: bytes) -> None:
        table = msgspec.json.decode(encoded, type=_PriceFile)
        self.date = table.date
        self.source = table.source
        self._providers = table.providers
        self._matchers = {
            name: [(_matcher(kind, text), model) for kind, text, model in provider.rules]
            for name, provider in table.providers.items()
        }
        self._find_cached = lru_cache(maxsize=_FOUND_MAX)(self._find)

    @classmethod
    def load(cls) -> "PriceTable":
        """Read the table that ships with the package; takes milliseconds, so call it once."""
        return cls(files("headrace.routing").joinpath("prices.json").read_bytes())

    def find(self, provider: str, dialect: str, model: str) -> Price | None:
        """The price of a model, `None` where none is known.

        Args:
            provider: the provider's name in the settings; one that is not in the table, such as
                `local`, is taken for the home provider of its dialect.
            dialect: the dialect the provider speaks.
            model: the model as the provider names it, with or without a date at its end.
        """
        return self._find_cached(provider.lower(), dialect, model.lower())

    def _find(self, provider: str, dialect: str, model: str) -> Price | None:
        name = _ID_BY_NICKNAME.get(provider, provider)
        if name not in self._providers:
            name = _HOME_BY_DIALECT.get(dialect, dialect)
        for candidate in _spellings(model):
            for seller in self._sellers(name):
                model_id = self._model_id(seller, candidate)
                if model_id is not None:
                    return self._price(seller, model_id)
        return None

    def _sellers(self, name: str) -> list[str]:
        provider = self._providers.get(name)
        return [] if provider is None else [name, *provider.also]

    def _model_id(self, seller: str, model: str) -> str | None:
        provider = self._providers[seller]
        exact = provider.aliases.get(model)
        if exact is not None:
            return exact
        if model in provider.models:
            return model
        return next((name for fits, name in self._matchers[seller] if fits(model)), None)

    def _price(self, seller: str, model_id: str) -> Price | None:
        row = self._providers[seller].models.get(model_id)
        if row is None:
            return None
        return Price(input=row[0], cached=row[1], output=row[2])


def _spellings(model: str) -> dict[str, None]:
    """The name as given, with its date written in the long form, and without its date."""
    dashed = _COMPACT_DATE.sub(r"-\1-\2-\3", model)
    return dict.fromkeys((model, dashed, _DATE_SUFFIX.sub("", model)))


def _matcher(kind: str, text: str) -> Callable[[str], object]:
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
