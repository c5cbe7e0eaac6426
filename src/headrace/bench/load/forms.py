"""In which form something is asked: as it is, in other words, or as a turn of an agent."""

import json
from random import Random
from typing import Any, Final

PLAIN: Final = 0
AGENT: Final = 255
"""All between are other words for the same."""

_OPENINGS: Final = ("", "Hi, ", "Hello, ", "Please, ", "Hey, ", "Quick question. ")
_CLOSINGS: Final = ("", " Thanks!", " Thank you.", " Please explain.", " Kindly describe.")
REWORDINGS: Final = len(_OPENINGS) * len(_CLOSINGS) - 1
_ROWS: Final = 28
_STATES: Final = ("open", "paid", "sent", "returned", "late")
_TOOL: Final = "list_orders"


def reworded(text: str, form: int) -> str:
    """The same question with other words around it, none of which changes what it asks."""
    opening = _OPENINGS[form % len(_OPENINGS)]
    closing = _CLOSINGS[form // len(_OPENINGS) % len(_CLOSINGS)]
    return f"{opening}{text}{closing}"


def agent_messages(text: str, fixed: str, key: int) -> list[dict[str, Any]]:
    """A turn of an agent: what never changes, the task, and the table that a tool returned.

    Args:
        text: the task.
        fixed: the system prompt, the same for all.
        key: makes the table.
    """
    call = {"name": _TOOL, "arguments": json.dumps({"page": abs(key) % 1000})}
    return [
        {"role": "system", "content": fixed},
        {"role": "user", "content": text},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": _table(key)},
    ]


def _table(key: int) -> str:
    dice = Random(key)  # noqa: S311
    rows = [
        {
            "order_id": dice.randrange(10**6, 10**7),
            "customer": f"customer-{dice.randrange(10**4)}",
            "state": dice.choice(_STATES),
            "amount_usd": dice.randrange(100, 90_000) / 100,
            "items": dice.randrange(1, 9),
        }
        for _ in range(_ROWS)
    ]
    return json.dumps({"orders": rows, "next_page": abs(key) % 1000 + 1}, indent=2)
