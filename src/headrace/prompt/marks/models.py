"""What the providers document of their prompt caches, by model."""

import re
from collections.abc import Mapping
from typing import Final

from headrace.model import DialectName

BREAKPOINTS_MAX: Final = 4
LOOKBACK_BLOCKS: Final = 20
KEY_CHARS_MAX: Final = 64
_TOKENS_MIN: Final = 1024
# The first that matches counts. Where documents differ, the smaller: a mark too many does nothing.
_TOKENS_MIN_BY_MODEL: Final = (
    (re.compile(r"(?:opus|fable|mythos)-5"), 512),
    (re.compile(r"(?:haiku|opus)-4[.-]5|opus-4[.-]6"), 4096),
    (re.compile(r"opus-4[.-]7|3[.-]5-haiku|3-haiku|haiku-3"), 2048),
)
_GPT: Final = re.compile(r"(?:^|/)gpt-(\d{1,3})(?:\.(\d{1,3}))?(?=$|-)")
_BREAKPOINTS_FROM: Final = (5, 6)
_HOSTS: Final[Mapping[DialectName, str]] = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
}


def prefix_tokens_min(model: str) -> int:
    """The shortest prefix, in tokens, that Anthropic caches for `model`."""
    for pattern, tokens in _TOKENS_MIN_BY_MODEL:
        if pattern.search(model):
            return tokens
    return _TOKENS_MIN


def takes_breakpoints(model: str) -> bool:
    """Whether an OpenAI model takes breakpoints: GPT-5.6 and later; others answer 400 to them."""
    version = _GPT.search(model)
    return version is not None and (int(version[1]), int(version[2] or 0)) >= _BREAKPOINTS_FROM


def is_documented(dialect: DialectName, host: str) -> bool:
    """Whether a provider is the one whose documents this module follows; others may answer 400."""
    return host == _HOSTS[dialect]
