"""OpenAI's vocabularies, counted with by bpe-openai, which carries them: no network is needed.

bpe-openai is GitHub's Rust crate with a Python face; its counts are those of tiktoken. It lets go
of the interpreter while it counts, so a thread that counts a long text holds nobody up.
"""

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Final

from headrace.prompt.counting.families import Vocabulary

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
            return count(text)
        except UnicodeEncodeError:
            return count(without_lone_surrogates(text))

    return count_any


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
