"""What agents send: made up from a seed and from what lies in this repository.

A session is a system prompt, questions of a user, calls of tools and their results, and short
answers. Tools are called as often as each other: by tokens nearly a fifth is files that are read,
which no compression touches; the rest is JSON, logs, pages, prose and what commands print.

Tools come in two halves. Those of `seen` were looked at while the stages were written. Those of
`unseen` were written down before and not looked at until the figures were taken: other pages,
other logs, tables, traces, diffs, prose that is not broken into lines. No stage was changed for
what they showed.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, Final, Literal

from benchmarks.prompt import seen_tools, unseen_tools

Half = Literal["seen", "unseen"]
Message = dict[str, Any]

TURNS_MAX: Final = 6
CALLS_MAX: Final = 4
SYSTEM: Final = (
    "You are an engineer's assistant. You look things up with tools before you answer, you never "
    "guess at numbers, and you say what you did not find.\n\n"
    "- Answer in at most three sentences unless you are asked for more.\n"
    "- Quote file names and line numbers.\n"
)
QUESTIONS: Final = (
    "Why does the gateway refuse calls under load, and since when?",
    "Which models cost less than a dollar for a million input tokens?",
    "Find out what the retry budget does and where it is set.",
    "Which requests failed in the last hour, and by which provider?",
    "How does the cache decide what to let go of?",
    "What changed in the settings, and does anything depend on it?",
    "Is the stream of the second provider cut, or does it end?",
    "Please check the file and tell me whether the bound holds.",
)
ANSWERS: Final = (
    "I looked at what the tool returned; the cause is in the second entry.",
    "The bound holds: nothing above it was found. I would still watch the queue.",
    "There are three of them; the first one matters.",
)
TOOLS: Final[Mapping[Half, Mapping[str, Callable[[Random], str]]]] = {
    "seen": seen_tools.TOOLS,
    "unseen": unseen_tools.TOOLS,
}


def sessions(half: Half, count: int, seed: int) -> Iterator[list[Message]]:
    """Conversations in OpenAI's words, the same for the same seed."""
    for number in range(count):
        yield session(half, Random(f"{seed} {half} {number}"))


def session(half: Half, random: Random) -> list[Message]:
    """One conversation, as it is sent with its last call."""
    messages: list[Message] = [{"role": "system", "content": SYSTEM}]
    tools = TOOLS[half]
    for turn in range(random.randint(1, TURNS_MAX)):
        messages.append({"role": "user", "content": random.choice(QUESTIONS)})
        names = random.choices(list(tools), k=random.randint(1, CALLS_MAX))
        for at, name in enumerate(names):
            messages += _call(f"call_{turn}_{at}", name, tools[name](random), random)
        messages.append({"role": "assistant", "content": random.choice(ANSWERS)})
    return [*messages, {"role": "user", "content": random.choice(QUESTIONS)}]


def _call(call: str, name: str, result: str, random: Random) -> list[Message]:
    arguments = json.dumps({"query": random.choice(QUESTIONS)[:20], "limit": random.randint(1, 9)})
    made = {"id": call, "type": "function", "function": {"name": name, "arguments": arguments}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": call, "content": result},
    ]
