"""From the model a caller names to the provider that serves it. Pure."""

import difflib
from collections.abc import Mapping, Sequence

import msgspec

from headrace.errors import InvalidRequest, NotFound
from headrace.model import DialectName, Failure
from headrace.routing.failures import PASSING

# Names that say whose model they are, for callers who name no provider.
FAMILIES: tuple[tuple[str, str], ...] = (
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("text-embedding-", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "gemini"),
    ("mistral-", "mistral"),
    ("deepseek-", "deepseek"),
    ("grok-", "xai"),
)


class Target(msgspec.Struct, frozen=True):
    """A provider and what it calls the model.

    Attributes:
        after: how those before it have to have failed for it to be asked, where it is not first.
        weight: its share of the calls, where they are shared out.
        is_reserve: whether it is only ever asked after such a failure.
    """

    provider: str
    model: str
    after: frozenset[Failure] = PASSING
    weight: float = 1.0
    is_reserve: bool = False

    @classmethod
    def parse(
        cls, text: str, weight: float = 1.0, after: frozenset[Failure] | None = None
    ) -> "Target":
        """A target as it is written.

        Args:
            text: `provider/model`.
            weight: its share of the calls.
            after: what leads to it, and nothing else does; `None` for what is passing.
        """
        provider, _, model = text.partition("/")
        if after is None:
            return cls(provider, model, weight=weight)
        return cls(provider, model, weight=weight, after=after, is_reserve=True)


class Directory:
    """Which model names are known, and where each leads.

    A name is looked for among the configured models; then read as `provider/model`; then, where
    no models are configured, given to the provider its family belongs to, or to the only one
    that speaks the caller's dialect.

    Args:
        providers: the dialect of each provider by its name.
        models: the targets of each configured model.
    """

    def __init__(
        self, providers: Mapping[str, DialectName], models: Mapping[str, Sequence[Target]]
    ) -> None:
        self._providers = dict(providers)
        self._models = {name: tuple(targets) for name, targets in models.items()}
        # Those of which every target speaks one dialect: nothing is left to find out for a call.
        self._plain: dict[tuple[str, DialectName | None], tuple[Target, ...]] = {}
        for name, targets in self._models.items():
            spoken = {self._providers.get(target.provider) for target in targets}
            if len(spoken) == 1:
                self._plain[name, spoken.pop()] = targets

    def names_for(self, dialect: DialectName) -> tuple[str, ...] | None:
        """The configured models that `dialect` can reach; `None` where none are configured."""
        if not self._models:
            return None
        return tuple(
            name
            for name, targets in self._models.items()
            if any(self._providers[target.provider] == dialect for target in targets)
        )

    def shortest_name(self, provider: str, model: str, dialect: DialectName) -> str:
        """What a caller writes for a provider's model: its name alone, if that leads there."""
        if self._by_provider(model) is None:
            leads_to = self._by_family(model, dialect)
            if leads_to is not None and leads_to.provider == provider:
                return model
        return f"{provider}/{model}"

    def dialect_of(self, model: str) -> DialectName:
        """The dialect in which to call `model`, for callers who speak them all.

        Raises:
            NotFound: nobody serves a model of this name.
            InvalidRequest: the name alone does not say which provider is meant.
        """
        target = self._models.get(model, (self._by_provider(model),))[0]
        if target is not None:
            return self._providers[target.provider]
        if self._models:
            raise NotFound(self._unknown(model), code="model_not_found", param="model")
        for prefix, provider in FAMILIES:
            if model.startswith(prefix) and provider in self._providers:
                return self._providers[provider]
        spoken = sorted(set(self._providers.values()))
        if len(spoken) == 1:
            return spoken[0]
        shown = model if len(model) <= 100 else model[:100] + "…"
        raise InvalidRequest(
            f"The name '{shown}' does not say whose model it is: write it as provider/model, "
            f"where the provider is one of {', '.join(sorted(self._providers))}.",
            code="ambiguous_model",
            param="model",
        )

    def resolve(self, model: str, dialect: DialectName) -> tuple[Target, ...]:
        """Where calls for `model` in `dialect` go: to the first, or where that fails to the next.

        Raises:
            NotFound: nobody serves a model of this name.
            InvalidRequest: its provider speaks another dialect.
        """
        plain = self._plain.get((model, dialect))
        if plain is not None:
            return plain
        targets = self._models.get(model)
        if targets is None:
            target = self._by_provider(model) or self._by_family(model, dialect)
            if target is None:
                raise NotFound(self._unknown(model), code="model_not_found", param="model")
            targets = (target,)
        providers = self._providers
        if all(providers[target.provider] == dialect for target in targets):
            return targets
        spoken_here = tuple(each for each in targets if providers[each.provider] == dialect)
        if not spoken_here:
            target, spoken = targets[0], providers[targets[0].provider]
            route = "/v1/messages" if spoken == "anthropic" else "/v1/chat/completions"
            raise InvalidRequest(
                f"Model '{model}' is served by provider '{target.provider}', which speaks the "
                f"{spoken} dialect: send the call to {route}.",
                code="wrong_dialect",
                param="model",
            )
        return spoken_here

    def _by_provider(self, model: str) -> Target | None:
        provider, slash, name = model.partition("/")
        return Target(provider, name) if slash and name and provider in self._providers else None

    def _by_family(self, model: str, dialect: DialectName) -> Target | None:
        if self._models:
            return None
        for prefix, provider in FAMILIES:
            if model.startswith(prefix) and provider in self._providers:
                return Target(provider, model)
        speakers = [name for name, spoken in self._providers.items() if spoken == dialect]
        return Target(speakers[0], model) if len(speakers) == 1 else None

    def _unknown(self, model: str) -> str:
        shown = model if len(model) <= 100 else model[:100] + "…"
        near = difflib.get_close_matches(model[:100], self._models, n=1)
        if near:
            return f"No model '{shown}' is configured; did you mean '{near[0]}'?"
        known = ", ".join(sorted(self._models)[:10] or [f"{p}/…" for p in sorted(self._providers)])
        return f"No model '{shown}' is known; write it as provider/model, or one of: {known}."
