"""Puts together what finds answers by meaning, from the settings; imports numpy where it is used.

Like the tiers below memory, none of it changes with a reload.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from headrace.cache.semantic.scope import Eligibility
from headrace.cache.semantic.verifier import Comparison, ModelJudge, Verifier
from headrace.cache.tiers import OnState
from headrace.clock import Clock
from headrace.errors import SettingsInvalid
from headrace.gateway.calls.errands import Errands
from headrace.gateway.stock.answers import Answers
from headrace.gateway.stock.meanings import Meanings
from headrace.gateway.tasks import Spawn
from headrace.observe.metrics import Metrics
from headrace.settings.schema import SemanticSettings
from headrace.settings.values import EMBEDDER_JUDGES, LOCAL_EMBEDDER

if TYPE_CHECKING:
    from headrace.cache.semantic.config import SemanticConfig
    from headrace.cache.semantic.embedder import Embedder
    from headrace.cache.semantic.embedding import Embeddings

EmbedTexts = Callable[[list[str]], "Awaitable[Any] | Any"]
"""From texts to as many vectors, at once or awaited: an array with a row for each, or lists."""


def make_meanings(
    semantic: SemanticSettings,
    *,
    embed: EmbedTexts | None,
    answers: Answers,
    errands: Errands,
    clock: Clock,
    metrics: Metrics,
    spawn: Spawn,
    on_state: OnState,
) -> Meanings | None:
    """What the pipeline asks; `None` where meaning does not count.

    Args:
        semantic: what to go by.
        embed: makes the vectors in place of the embedder of the settings.
        answers: what is stored.
        errands: asks models.
        clock: tells the time.
        metrics: counts.
        spawn: starts background tasks.
        on_state: told once when the embedder is left alone, and once when it is back.

    Raises:
        SettingsInvalid: there is no embedder, or a package is missing.
    """
    if not semantic.enabled:
        return None
    try:
        return _make(semantic, embed, answers, errands, clock, metrics, spawn, on_state)
    except ImportError as error:
        raise SettingsInvalid(
            f"cache.semantic: a package is missing ({error}). "
            "Install what it needs: pip install 'headrace[semantic]'"
        ) from error


def _make(
    semantic: SemanticSettings,
    embed: EmbedTexts | None,
    answers: Answers,
    errands: Errands,
    clock: Clock,
    metrics: Metrics,
    spawn: Spawn,
    on_state: OnState,
) -> Meanings:
    from headrace.cache.semantic.embedder import LocalEmbedder
    from headrace.cache.semantic.embedding import Embeddings
    from headrace.cache.semantic.engine import SemanticCache

    def close() -> None:
        embeddings.close()
        if isinstance(embedder, LocalEmbedder):
            embedder.close()

    embedder = _embedder(semantic, embed, errands)
    embeddings = Embeddings(
        embedder,
        clock=clock,
        spawn=spawn,
        timeout_s=semantic.embed_timeout_ms / 1000,
        on_state=lambda is_up, why: on_state("embedder", is_up, why),
    )
    cache = SemanticCache(
        _config(semantic),
        embeddings=embeddings,
        spawn=spawn,
        dice=secrets.SystemRandom().random,
        verifier=_verifier(semantic, errands),
        comparison=_comparison(semantic, embeddings, errands),
    )
    eligibility = Eligibility(
        turns_max=semantic.turns_max,
        temperature_max=semantic.temperature_max,
        text_chars_max=semantic.text_chars_max,
    )
    return Meanings(
        cache,
        answers,
        eligibility=eligibility,
        embedder=embeddings.id,
        metrics=metrics,
        spawn=spawn,
        close=close,
    )


def _embedder(semantic: SemanticSettings, embed: EmbedTexts | None, errands: Errands) -> "Embedder":
    from headrace.cache.semantic.embedder import FunctionEmbedder, LocalEmbedder, ProviderEmbedder

    dimensions, name = semantic.dimensions, semantic.embedder
    if embed is not None:
        return FunctionEmbedder(embed, id="given", dimensions=dimensions)
    if name is None:
        raise SettingsInvalid(
            "cache.semantic: an embedder is missing: set cache.semantic.embedder to the "
            "provider/model of one with /v1/embeddings or to local:MODEL, or give the Adapter a "
            "function (embed=...)."
        )
    if name.startswith(LOCAL_EMBEDDER):
        return LocalEmbedder(name.removeprefix(LOCAL_EMBEDDER), dimensions=dimensions)
    return ProviderEmbedder(
        lambda body: errands.embed(name, body),
        model=name.partition("/")[2],
        dimensions=dimensions,
        asks_dimensions=semantic.asks_dimensions,
    )


def _verifier(semantic: SemanticSettings, errands: Errands) -> Verifier | None:
    target = semantic.verifier
    if target is None:
        return None
    return ModelJudge(lambda prompt: errands.complete(target, prompt, "verify")).questions


def _comparison(
    semantic: SemanticSettings, embeddings: "Embeddings", errands: Errands
) -> Comparison | None:
    from headrace.cache.semantic.comparison import EmbeddedComparison

    target = semantic.judge
    if target is None:
        return None
    if target == EMBEDDER_JUDGES:
        return EmbeddedComparison(embeddings)
    return ModelJudge(lambda prompt: errands.complete(target, prompt, "compare")).answers


def _config(semantic: SemanticSettings) -> "SemanticConfig":
    from headrace.cache.semantic.config import Mode, SemanticConfig

    return SemanticConfig(
        mode=Mode(semantic.mode),
        max_error=semantic.max_error,
        similarity=semantic.similarity,
        trusts_static=semantic.trusts_similarity,
        explore_share=semantic.explore_share,
        entries_max=semantic.entries_max,
        bytes_max=semantic.memory_mb << 20,
        verifier_timeout_s=semantic.verify_timeout_ms / 1000,
    )
