"""How much room a request leaves for its prompt, by what the model takes and the settings. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from headrace.prompt.window.fit import WindowBudget
from headrace.prompt.window.limits import ModelLimits
from headrace.settings.prompt import WindowSettings

# What is counted exactly is off by what providers put around messages all the same.
_MARGIN_MIN: Final = 0.01
_OUTPUT_FIELDS: Final = ("max_completion_tokens", "max_tokens")


def budget_for(
    rules: WindowSettings,
    limits: ModelLimits | None,
    document: Mapping[str, Any],
    *,
    count_error: float,
) -> WindowBudget | None:
    """What a prompt may come to, `None` where nobody knows.

    Args:
        rules: what was set.
        limits: what the model has room for, if that is known.
        document: the request.
        count_error: how far counts are off, as a share; the same with every turn of a conversation,
            or the cut moves.
    """
    room = None if limits is None else limits.prompt_tokens(_reserve(rules, limits, document))
    if rules.tokens_max is not None:
        room = rules.tokens_max if room is None else min(room, rules.tokens_max)
    if room is None:
        return None
    margin = rules.margin if rules.margin is not None else max(_MARGIN_MIN, count_error)
    return WindowBudget(
        tokens=int(room * (1 - min(margin, 0.5))),
        tokens_max=int(room * (1 + count_error)),
        room=room,
        step_share=rules.step_share,
        recent_share=rules.recent_share,
        keep_first=rules.keep_first,
        clears_results=rules.clear_tool_results,
        summary_tokens=0 if rules.summarizer is None else rules.summary_tokens,
    )


def limits_of(rules: WindowSettings, target: str, found: ModelLimits | None) -> ModelLimits | None:
    """What a model has room for.

    Args:
        rules: what was set, which comes first.
        target: `PROVIDER/MODEL`.
        found: what the table says of it.
    """
    told = rules.limits.get(target)
    if told is None:
        return found
    output = told.output if told.output is not None or found is None else found.output
    return ModelLimits(told.context, told.context, output)


def _reserve(rules: WindowSettings, limits: ModelLimits, document: Mapping[str, Any]) -> int:
    """Tokens kept free for the answer."""
    asked = (document.get(name) for name in _OUTPUT_FIELDS)
    wanted = next((value for value in asked if type(value) is int), rules.output_reserve)
    return max(0, wanted if limits.output is None else min(wanted, limits.output))
