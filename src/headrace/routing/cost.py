"""`cost`, for programs: what the tokens of a call cost by the list prices."""

import re
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Final

from headrace.model import Usage
from headrace.routing.prices import PriceTable

_HOMES: Final = (
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"(ft:)?(gpt|o\d|chatgpt|text-embedding|codex)"), "openai"),
    (re.compile(r"gemini|gemma"), "google"),
    (re.compile(r"\w*stral|mixtral"), "mistral"),
    (re.compile(r"deepseek"), "deepseek"),
    (re.compile(r"grok"), "x-ai"),
)


@lru_cache(maxsize=1)
def _table() -> PriceTable:
    """Read once, when a price is first asked for."""
    return PriceTable.load()


def cost(
    usage: Usage,
    *,
    model: str,
    provider: str | None = None,
    at: date | None = None,
    batch: bool = False,
) -> float | None:
    """What the tokens of a call cost in US dollars, by the list prices that ship with Headrace.

    Cached input, input written to the provider's cache and long prompts count at their own rates.

    Args:
        usage: the tokens, as the provider counted them.
        model: as the provider names it.
        provider: who sells it, such as `openai` or `groq`; left out, whoever makes it, or the one
            in front of a name like `openrouter/...`.
        at: when, for prices that changed; a `date` is its noon, a `datetime` without a zone is
            UTC, and left out it is now.
        batch: whether the call was made by the provider's batch API.

    Returns:
        `None` where no price is known, for the model or for batches of it.

    Raises:
        TypeError: `usage` is no `Usage`.
    """
    if not isinstance(usage, Usage):
        wanted = "headrace.Usage(input_tokens=..., output_tokens=...)"
        raise TypeError(f"expected {wanted}, not {type(usage).__name__}")
    if provider is None:
        provider, model = _home(model)
    price = _table().find(provider, "", model, None if at is None else _second(at))
    if price is not None and batch:
        price = price.batch
    return None if price is None else price.cost_usd(usage)


def _home(model: str) -> tuple[str, str]:
    """Who is asked for a model, and what it is called there."""
    name, slash, rest = model.partition("/")
    if slash and _table().knows(name):
        return name, rest
    bare = model.lower()
    return next((home for fits, home in _HOMES if fits.match(bare)), "openrouter"), model


def _second(at: date) -> float:
    if not isinstance(at, datetime):
        at = datetime.combine(at, time(12))
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
