"""How OpenAI's models are told how long an answer may be."""

from typing import Final

# OpenAI's models that reason take no `max_tokens`; others, and most who speak this dialect, do.
_REASONING: Final = ("o1", "o3", "o4", "gpt-5")


def output_bound(model: str, tokens_max: int) -> dict[str, int]:
    """The field of a request that bounds its answer; for models that reason, thoughts count.

    Args:
        model: as the provider calls it.
        tokens_max: most tokens of the answer.
    """
    name = "max_completion_tokens" if model.startswith(_REASONING) else "max_tokens"
    return {name: tokens_max}
