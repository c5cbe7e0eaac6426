"""OpenAI's vocabularies, counted with by bpe-openai, which carries them: no network is needed.

bpe-openai is GitHub's Rust crate with a Python face; its counts are those of tiktoken. It holds on
to the interpreter while it counts, so long texts are counted piece by piece: between two pieces
other threads have their turn.
"""

import importlib.util
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Final

from headrace.prompt.counting.families import Vocabulary

# Some 3 ms of counting.
PIECE_CHARS: Final = 32_768
# Where the tokenizers part a text in any case: a word of small letters ends, and another begins.
_SEAM: Final = re.compile("[a-z] (?=[a-z])")
_SEAMLESS: Final = 8  # pieces without a seam, after which a text is parted anywhere
INSTALL: Final = "pip install 'headrace[tokens]'"


@lru_cache(maxsize=4)
def encoder(vocabulary: Vocabulary) -> Callable[[str], int] | None:
    """What counts tokens of a vocabulary; takes some 50 ms the first time.

    Lone surrogates, which no provider takes either, are counted as the sign of replacement.

    Args:
        vocabulary: whose tokens.

    Returns:
        `None` where bpe-openai is not installed.
    """
    bindings = _bindings()
    if bindings is None:
        return None
    count: Callable[[str], int] = bindings.tokenizer_for_encoding(vocabulary).count

    def count_any(text: str) -> int:
        try:
            if len(text) <= 2 * PIECE_CHARS:
                return count(text)
            return sum(map(count, pieces(text, PIECE_CHARS)))
        except UnicodeEncodeError:
            return sum(map(count, pieces(without_lone_surrogates(text), PIECE_CHARS)))

    return count_any


def pieces(text: str, chars: int) -> Iterator[str]:
    """A text in pieces whose tokens add up to those of the whole.

    Where there is no seam for long (hex, Chinese), a cut may add a token.

    Args:
        text: without lone surrogates.
        chars: about how long a piece is to be.
    """
    at = 0
    while len(text) - at > 2 * chars:
        seam = _SEAM.search(text, at + chars, at + _SEAMLESS * chars)
        end = at + _SEAMLESS * chars if seam is None else seam.start() + 1
        yield text[at:end]
        at = end
    yield text[at:]


def _bindings() -> ModuleType | None:
    """The compiled part of bpe-openai by itself, where it is installed.

    The package around it reads its vocabularies once more when it is imported, as Python objects
    that nobody here wants: half a second or more, and tens of megabytes.
    """
    package = importlib.util.find_spec("bpe_openai")
    for place in (package.submodule_search_locations or ()) if package is not None else ():
        for path in Path(place).glob("_bindings.*"):
            spec = importlib.util.spec_from_file_location("_bindings", path)
            if path.suffix != ".pyi" and spec is not None and spec.loader is not None:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                return module
    return None


def without_lone_surrogates(text: str) -> str:
    """The same text as Unicode: pairs are joined, and what has no partner is replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
