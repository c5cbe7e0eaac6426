"""Whether two answers say the same, without asking a model: free, and rough."""

import asyncio
import unicodedata
from typing import Final

from headrace.cache.semantic.embedding import Embeddings
from headrace.cache.semantic.guards import object_to
from headrace.cache.semantic.reading import read

ANSWERS_SIMILARITY_MIN: Final = 0.9
# Answers differ in their wording; what may not differ between two right ones is this.
_GUARDS: Final = ("language", "numbers", "units", "dates", "negation", "antonyms")
# Embedders read a few hundred words and ignore the rest.
_CHARS_MAX: Final = 2000


class EmbeddedComparison:
    """Calls answers the same whose vectors are close and whose facts agree. A `Comparison`.

    It mistakes right answers in quite other words for wrong ones, which costs hits, and can take a
    wrong one that is worded like the right one for right: a model judges better.

    Args:
        embeddings: vectors of texts.
        similarity_min: from which on two answers are close, 0 to 1.
    """

    def __init__(
        self, embeddings: Embeddings, *, similarity_min: float = ANSWERS_SIMILARITY_MIN
    ) -> None:
        self._embeddings = embeddings
        self._similarity_min = similarity_min

    async def __call__(self, one: str, other: str) -> bool:
        """Whether both say the same.

        Raises:
            EmbeddingFault: there are no vectors.
        """
        one, other = _beginning(one), _beginning(other)
        first, second = await asyncio.gather(
            self._embeddings.vector(one), self._embeddings.vector(other)
        )
        if float(first @ second) < self._similarity_min:
            return False
        return object_to(read(one), read(other), _GUARDS) is None


def _beginning(text: str) -> str:
    """As much as is compared, in one spelling: one sign may stand for eighteen letters."""
    return unicodedata.normalize("NFKC", text[:_CHARS_MAX])[:_CHARS_MAX]
