"""Vectors from a provider, a function and a model in this process, and what is made of bad ones."""

import asyncio
import sys
import types
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from headrace.cache.semantic.embedder import (
    EmbeddingFault,
    FunctionEmbedder,
    LocalEmbedder,
    ProviderEmbedder,
)
from headrace.errors import NotRunning, UpstreamBroken


def provider(reply: object, **options: Any) -> tuple[ProviderEmbedder, list[dict[str, Any]]]:
    """An embedder whose provider answers every request with `reply`."""
    asked: list[dict[str, Any]] = []

    async def post(body: bytes) -> bytes:
        asked.append(msgspec.json.decode(body))
        if isinstance(reply, BaseException):
            raise reply
        return reply if isinstance(reply, bytes) else msgspec.json.encode(reply)

    return ProviderEmbedder(post, model="small", dimensions=2, **options), asked


def item(index: int, *numbers: float) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": list(numbers)}


def test_a_provider_is_asked_in_its_dialect_and_answers_in_any_order() -> None:
    embedder, asked = provider(
        {"data": [item(1, 0, 2), item(0, 3, 4)], "usage": {"total_tokens": 7}}
    )
    rows = asyncio.run(embedder.embed(["a", "b"]))
    assert asked == [{"model": "small", "input": ["a", "b"]}]
    assert rows.dtype == np.float32
    assert rows.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 1.0]]
    assert (embedder.tokens, embedder.calls) == (7, 1)


def test_dimensions_are_asked_for_where_a_model_has_several() -> None:
    embedder, asked = provider({"data": [item(0, 1, 0)]}, asks_dimensions=True)
    asyncio.run(embedder.embed(["a"]))
    assert asked[0]["dimensions"] == 2


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"<html>",
        {"data": []},
        {"data": [item(0, 1, 0), item(1, 1, 0)]},
        {"data": [item(1, 1, 0)]},
        {"data": [item(0, 1, 0, 0)]},
        {"data": [item(0, 0, 0)]},
        {"data": [{"index": 0, "embedding": "AAAA"}]},
        {"error": {"message": "no"}},
        b'{"data": [{"index": 0, "embedding": [1e999, 0]}]}',
        UpstreamBroken("gone"),
        ConnectionResetError("gone"),
        TimeoutError(),
    ],
    ids=repr,
)
def test_what_cannot_be_used_is_a_fault(reply: object) -> None:
    embedder, _ = provider(reply)
    with pytest.raises(EmbeddingFault):
        asyncio.run(embedder.embed(["a"]))


def lists(texts: list[str]) -> list[list[float]]:
    return [[1.0, len(text)] for text in texts]


async def later(texts: list[str]) -> Any:
    return np.array(lists(texts))


@pytest.mark.parametrize("function", [lists, later])
def test_a_function_may_be_plain_or_async(function: Callable[[list[str]], Any]) -> None:
    embedder = FunctionEmbedder(function, id="mine", dimensions=2)
    rows = asyncio.run(embedder.embed(["", "abc"]))
    assert np.allclose(rows, [[1, 0], [1 / 10**0.5, 3 / 10**0.5]])


@pytest.mark.parametrize("found", [None, "no", [[1.0]], [[1.0, 2.0]] * 2, [["a", "b"]], 3])
def test_what_a_function_returns_is_checked(found: Any) -> None:
    embedder = FunctionEmbedder(lambda _texts: found, id="mine", dimensions=2)
    with pytest.raises(EmbeddingFault):
        asyncio.run(embedder.embed(["a"]))


def test_ids_tell_kinds_models_and_lengths_apart() -> None:
    ids = {
        provider({})[0].id,
        FunctionEmbedder(lists, id="small", dimensions=2).id,
        FunctionEmbedder(lists, id="small", dimensions=3).id,
    }
    assert len(ids) == 3


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(NotRunning, match=r"headrace\[local-embeddings\]"):
        LocalEmbedder()


class Model:
    """Stands for the model of a package that tests do not install."""

    def __init__(self, name: str, device: str) -> None:
        assert (name, device) == ("folder", "cpu")

    def encode(self, texts: list[str], **_options: Any) -> Any:
        if "bad" in texts:
            raise RuntimeError("out of memory")
        return np.array(lists(texts))


def test_a_local_model_runs_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("sentence_transformers")
    monkeypatch.setattr(package, "SentenceTransformer", Model, raising=False)
    monkeypatch.setitem(sys.modules, "sentence_transformers", package)
    embedder = LocalEmbedder("folder", dimensions=2)
    assert asyncio.run(embedder.embed(["a"])).shape == (1, 2)
    with pytest.raises(EmbeddingFault, match="out of memory"):
        asyncio.run(embedder.embed(["bad"]))
    embedder.close()
