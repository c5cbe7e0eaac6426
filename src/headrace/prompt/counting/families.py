"""Which tokenizer a model has, as far as that is known from its name. Pure."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal

import msgspec

from headrace.prompt.counting.images import (
    ImageRule,
    claude_rule,
    flat_rule,
    gemini_rule,
    openai_rule,
)

Vocabulary = Literal["o200k_base", "cl100k_base"]
"""Those of OpenAI's that are known; the first one is what estimates are made from."""


class Family(msgspec.Struct, frozen=True, weakref=True):
    """Models with one tokenizer.

    Attributes:
        name: what it is called.
        vocabulary: whose tokens are counted.
        is_exact: whether those are the model's own tokens.
        ratios: tokens of the model for each of those, by kind of text: what is assumed until
            usage has told.
        message_tokens: what a message takes beside its text.
        reply_tokens: what the beginning of the reply takes.
        tools_tokens: what is said around tools.
        is_openai: whether messages and tools are written the way OpenAI documents.
        error_p95: how far those are off, assumed.
        function_tokens: what a function takes beside its texts, where OpenAI documents it.
    """

    name: str
    vocabulary: Vocabulary = "o200k_base"
    is_exact: bool = False
    ratios: tuple[float, ...] = (1.0,) * 7
    message_tokens: float = 4.0
    reply_tokens: float = 3.0
    tools_tokens: int = 0
    is_openai: bool = False
    error_p95: float = 0.25
    function_tokens: int = 7


class Model(msgspec.Struct, frozen=True):
    """A model by what its tokens depend on."""

    family: Family
    image: ImageRule


# Kinds in the order of `Content`: English, other Latin, Cyrillic, CJK, other, code, JSON.
_O200K: Final = Family("o200k", is_exact=True, message_tokens=3.0, is_openai=True, error_p95=0.0)
_CL100K: Final = Family(
    "cl100k",
    "cl100k_base",
    is_exact=True,
    message_tokens=3.0,
    is_openai=True,
    error_p95=0.0,
    function_tokens=10,
)
# Newer than what is known: the same way of writing, and probably much the same tokens.
_OPENAI: Final = Family("openai", message_tokens=3.0, is_openai=True, error_p95=0.15)
_CLAUDE: Final = Family(
    "claude",
    ratios=(1.5, 1.75, 1.45, 1.4, 1.5, 1.5, 1.5),
    tools_tokens=346,
    error_p95=0.25,
)
_CLAUDE_OLDER: Final = Family(
    "claude-older",
    ratios=(1.15, 1.3, 1.3, 1.35, 1.4, 1.25, 1.25),
    tools_tokens=346,
    error_p95=0.25,
)
_GEMINI: Final = Family("gemini", ratios=(1.0, 1.0, 1.05, 0.95, 1.0, 1.15, 1.15))
_LLAMA: Final = Family("llama", ratios=(1.02, 1.1, 1.2, 1.15, 1.2, 1.02, 1.02))
_MISTRAL: Final = Family("mistral", ratios=(1.1, 1.1, 1.15, 1.15, 1.2, 1.15, 1.2))
_DEEPSEEK: Final = Family("deepseek", ratios=(1.05, 1.2, 1.25, 0.9, 1.5, 1.1, 1.1))
_QWEN: Final = Family("qwen", ratios=(1.03, 1.15, 1.3, 0.9, 1.4, 1.03, 1.1))
_GROK: Final = Family("grok", ratios=(1.05, 1.15, 1.2, 1.2, 1.3, 1.1, 1.1))
_COHERE: Final = Family("cohere", ratios=(1.05, 1.1, 1.1, 1.1, 1.2, 1.15, 1.2))
_UNKNOWN: Final = Family("unknown", ratios=(1.1, 1.2, 1.2, 1.1, 1.3, 1.15, 1.15), error_p95=0.4)

FAMILIES: Final = (
    _O200K,
    _CL100K,
    _OPENAI,
    _CLAUDE,
    _CLAUDE_OLDER,
    _GEMINI,
    _LLAMA,
    _MISTRAL,
    _DEEPSEEK,
    _QWEN,
    _GROK,
    _COHERE,
    _UNKNOWN,
)

_O200K_NAMES: Final = re.compile(
    r"(ft:)?(gpt-(4o|4\.1|4\.5|5|oss)|chatgpt-4o|o[134]($|-)|computer-use)"
)
_CL100K_NAMES: Final = re.compile(
    r"(ft:)?(gpt-(4|3\.5|35)($|-)|text-embedding-(3-|ada-002)|(davinci|babbage)-002)"
)
_OPENAI_NAMES: Final = re.compile(r"(ft:)?(gpt-|chatgpt|o\d($|-)|codex)")
_CLAUDE_VERSION: Final = re.compile(r"claude-(?:[a-z]+-)?(\d)(?:[-.](\d{1,2}))?(?!\d)")
_NEW_CLAUDE: Final = (4, 7)
_BY_WORD: Final[tuple[tuple[tuple[str, ...], Family], ...]] = (
    (("gemini", "gemma", "learnlm"), _GEMINI),
    (("deepseek",), _DEEPSEEK),
    (("qwen", "qwq"), _QWEN),
    (("llama",), _LLAMA),
    (
        ("mistral", "mixtral", "ministral", "codestral", "magistral", "devstral", "pixtral"),
        _MISTRAL,
    ),
    (("grok",), _GROK),
    (("command", "cohere", "aya"), _COHERE),
)
_NAMES_MAX: Final = 1024


@lru_cache(maxsize=_NAMES_MAX)
def model_of(name: str) -> Model:
    """What the tokens of a model depend on.

    Args:
        name: as providers name it, with or without one in front of it (`openai/gpt-4o`).
    """
    bare = name.lower().rpartition("/")[2]
    family = _family(bare)
    return Model(family, _image_rule(family)(bare))


def _family(bare: str) -> Family:
    # Bedrock and others put the maker in front: `us.anthropic.claude-...`.
    at = bare.find("claude")
    if at >= 0:
        return _claude(bare[at:])
    if _O200K_NAMES.match(bare):
        return _O200K
    if _CL100K_NAMES.match(bare):
        return _CL100K
    if _OPENAI_NAMES.match(bare):
        return _OPENAI
    for words, family in _BY_WORD:
        if any(word in bare for word in words):
            return family
    return _UNKNOWN


def _claude(bare: str) -> Family:
    found = _CLAUDE_VERSION.match(bare)
    if found is None:
        return _CLAUDE
    version = (int(found[1]), int(found[2] or 0))
    return _CLAUDE if version >= _NEW_CLAUDE else _CLAUDE_OLDER


def _image_rule(family: Family) -> Callable[[str], ImageRule]:
    if family.is_openai:
        return openai_rule
    if family in (_CLAUDE, _CLAUDE_OLDER):
        return claude_rule if family is _CLAUDE else _older_claude
    if family is _GEMINI:
        return gemini_rule
    return flat_rule


def _older_claude(bare: str) -> ImageRule:
    return claude_rule(bare, is_older=True)
