"""Where vectors come from: a provider, a model in this process, or the user's own function."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from headrace.errors import HeadraceError, NotRunning

DIMENSIONS: Final = 384
LOCAL_MODEL: Final = "sentence-transformers/all-MiniLM-L6-v2"

Rows = npt.NDArray[np.float32]
Post = Callable[[bytes], Awaitable[bytes]]
"""Sends the body of a `/v1/embeddings` request and returns that of the answer.

It may raise `HeadraceError`, `OSError` or `TimeoutError`.
"""


class EmbeddingFault(HeadraceError):
    """There are no vectors; no caller is told, since a cache may always miss.

    Args:
        why: what went wrong, for the log.
    """

    status = 503
    default_code = "embedding_failed"

    def __init__(self, why: str) -> None:
        super().__init__(f"The embedder failed: {why}.")
        self.why = why


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def id(self) -> str:
        """Names embedder and model: vectors of different ids are never compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        ...

    async def embed(self, texts: Sequence[str]) -> Rows:
        """One row for each text.

        Raises:
            EmbeddingFault: there are none.
        """
        ...


class _Item(msgspec.Struct):
    embedding: list[float]
    index: int = 0


class _Usage(msgspec.Struct):
    total_tokens: int = 0


class _Reply(msgspec.Struct):
    data: list[_Item]
    usage: _Usage | None = None


class ProviderEmbedder:
    """Vectors from any provider with `/v1/embeddings` in OpenAI's dialect.

    Args:
        post: sends one request.
        model: the model as the provider names it.
        dimensions: length of its vectors.
        asks_dimensions: whether the length is part of the request; for models with several.

    Attributes:
        tokens: how many the provider has counted so far.
        calls: how many requests were answered so far.
    """

    def __init__(
        self, post: Post, *, model: str, dimensions: int = DIMENSIONS, asks_dimensions: bool = False
    ) -> None:
        self._post = post
        self._model = model
        self._asks_dimensions = asks_dimensions
        self.id = f"provider:{model}:{dimensions}"
        self.dimensions = dimensions
        self.tokens = 0
        self.calls = 0

    async def embed(self, texts: Sequence[str]) -> Rows:
        """One row for each text.

        Raises:
            EmbeddingFault: the provider could not be asked, or its answer cannot be used.
        """
        body: dict[str, Any] = {"model": self._model, "input": list(texts)}
        if self._asks_dimensions:
            body["dimensions"] = self.dimensions
        try:
            said = await self._post(msgspec.json.encode(body))
            reply = msgspec.json.decode(said, type=_Reply)
        except (HeadraceError, OSError, TimeoutError, msgspec.MsgspecError) as error:
            raise EmbeddingFault(f"{type(error).__name__}: {error}") from error
        self.calls += 1
        if reply.usage is not None:
            self.tokens += reply.usage.total_tokens
        items = sorted(reply.data, key=lambda item: item.index)
        if [item.index for item in items] != list(range(len(texts))):
            raise EmbeddingFault(f"{len(reply.data)} vectors came for {len(texts)} texts")
        return as_rows([item.embedding for item in items], len(texts), self.dimensions)


class LocalEmbedder:
    """Vectors from a model of sentence-transformers in this process, in one thread of its own.

    Args:
        model: name or path of the model.
        dimensions: length of its vectors.

    Raises:
        NotRunning: sentence-transformers is not installed.
    """

    def __init__(self, model: str = LOCAL_MODEL, *, dimensions: int = DIMENSIONS) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise NotRunning(
                "Embedding in this process needs sentence-transformers: "
                "pip install 'headrace[local-embeddings]'"
            ) from None
        self._model = SentenceTransformer(model, device="cpu")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="headrace-embedder")
        self.id = f"local:{model}:{dimensions}"
        self.dimensions = dimensions

    async def embed(self, texts: Sequence[str]) -> Rows:
        """One row for each text.

        Raises:
            EmbeddingFault: the model failed, or its vectors have another length.
        """
        loop = asyncio.get_running_loop()
        try:
            rows = await loop.run_in_executor(self._thread, self._encode, list(texts))
        except (RuntimeError, ValueError, MemoryError) as error:
            raise EmbeddingFault(f"{type(error).__name__}: {error}") from error
        return as_rows(rows, len(texts), self.dimensions)

    def close(self) -> None:
        """Let the thread end, without waiting for it."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _encode(self, texts: list[str]) -> Any:
        return self._model.encode(texts, convert_to_numpy=True, show_progress_bar=False)


Function = Callable[[list[str]], Awaitable[Any] | Any]
"""From texts to vectors, at once or awaited: an array with a row for each text, or lists."""


class FunctionEmbedder:
    """Vectors from a function of the user's.

    A plain function runs on the loop: it should take no longer than a millisecond, or be async.

    Args:
        function: from texts to vectors. It says that it failed by `EmbeddingFault`; any other
            error makes a miss too, and is told as a bug.
        id: names the function and its version: change it when the vectors change.
        dimensions: length of its vectors.
    """

    def __init__(self, function: Function, *, id: str, dimensions: int = DIMENSIONS) -> None:  # noqa: A002
        self._function = function
        self.id = f"function:{id}:{dimensions}"
        self.dimensions = dimensions

    async def embed(self, texts: Sequence[str]) -> Rows:
        """One row for each text.

        Raises:
            EmbeddingFault: its vectors cannot be used, or it says so itself.
        """
        found = self._function(list(texts))
        if inspect.isawaitable(found):
            found = await found
        return as_rows(found, len(texts), self.dimensions)


def as_rows(found: Any, count: int, dimensions: int) -> Rows:
    """Vectors as rows of length one.

    Raises:
        EmbeddingFault: there are not as many, they have another length, or hold no numbers.
    """
    try:
        rows = np.asarray(found, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise EmbeddingFault(f"what came are not vectors: {error}") from error
    if rows.shape != (count, dimensions):
        wanted = f"{count} vectors of {dimensions}"
        raise EmbeddingFault(f"{wanted} numbers were expected, an array of {rows.shape} came")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise EmbeddingFault("a vector is zero or not finite")
    normalised: Rows = rows / lengths
    return normalised
