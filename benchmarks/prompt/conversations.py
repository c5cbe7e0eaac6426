"""Seeded conversations in both dialects: agents with tools, chats, questions about documents."""

import json
import random
from collections.abc import Iterator
from typing import Any, Final, Literal

from headrace.model import DialectName
from headrace.sim.text import seeded_bytes, seeded_tokens

Document = dict[str, Any]
Kind = Literal["agent", "chat", "documents", "one-shot"]
KINDS: Final[tuple[Kind, ...]] = ("agent", "chat", "documents", "one-shot")

_TOOLS: Final = 12


def text(tokens: int, *name: object) -> str:
    """So many tokens of words; another name gives other ones."""
    return "".join(seeded_tokens(seeded_bytes(tokens, repr(name).encode())))


class Conversation:
    """One conversation, a request for each turn.

    Args:
        kind: `agent`: a system prompt of 1,200 tokens and 12 tools, of which two are used in a
            turn: one tells 50 to 1,500 tokens of prose, one up to 60 rows of JSON with indents;
            `chat`: a system prompt of 1,500 tokens, questions of 20 to 200; `documents`: the same
            system prompt, one question about another document of 2,000 tokens each time;
            `one-shot`: nothing in common with any other.
        dialect: how its requests are written.
        model: whom it asks.
        seed: decides what is said.
        number: which of the conversations it is.
    """

    def __init__(
        self, kind: Kind, dialect: DialectName, model: str, seed: int, number: int
    ) -> None:
        self._dialect = dialect
        self._name = (kind, seed, number)
        self._draw = random.Random(repr(self._name))  # seeded, for repeatable runs
        self._kind = kind
        self._document: Document = {"model": model, "max_tokens": 16}
        self._messages: list[Document] = []
        if kind != "one-shot":
            self._begin(text(1200 if kind == "agent" else 1500, kind, seed))
        if kind == "agent":
            self._document["tools"] = [self._tool(at, seed) for at in range(_TOOLS)]

    def requests(self, turns: int) -> Iterator[Document]:
        """The request of each turn; what was asked before is never changed."""
        for turn in range(turns):
            self._ask(turn)
            yield {**self._document, "messages": list(self._messages)}

    def _begin(self, system: str) -> None:
        if self._dialect == "anthropic":
            self._document["system"] = system
        else:
            self._messages.append({"role": "system", "content": system})

    def _ask(self, turn: int) -> None:
        if self._kind == "agent" and turn:
            self._use_tools(turn)
            return
        if turn:
            answer = text(self._draw.randint(40, 300), *self._name, "answer", turn)
            self._messages.append({"role": "assistant", "content": answer})
        most = {"documents": 2000, "one-shot": 2500}.get(self._kind, self._draw.randint(20, 200))
        question = text(most, *self._name, "question", turn)
        self._messages.append({"role": "user", "content": question})

    def _use_tools(self, turn: int) -> None:
        calls = [f"call_{self._name[2]}_{turn}_{at}" for at in range(2)]
        arguments = {"place": text(6, *self._name, turn)}
        prose = text(self._draw.randint(50, 1500), *self._name, "result", turn)
        results = [prose, self._rows(turn)]
        if self._dialect == "anthropic":
            uses = [
                {"type": "tool_use", "id": i, "name": "tool1", "input": arguments} for i in calls
            ]
            told = [
                {"type": "tool_result", "tool_use_id": call, "content": result}
                for call, result in zip(calls, results, strict=True)
            ]
            self._messages += [
                {"role": "assistant", "content": uses},
                {"role": "user", "content": told},
            ]
            return
        function = {"name": "tool1", "arguments": str(arguments)}
        uses = [{"id": call, "type": "function", "function": function} for call in calls]
        self._messages.append({"role": "assistant", "content": None, "tool_calls": uses})
        self._messages += [
            {"role": "tool", "tool_call_id": call, "content": result}
            for call, result in zip(calls, results, strict=True)
        ]

    def _rows(self, turn: int) -> str:
        rows = [
            {"name": text(3, *self._name, turn, at), "depth": at, "open": at % 2 == 0}
            for at in range(self._draw.randint(2, 60))
        ]
        return json.dumps({"rows": rows}, indent=2)

    def _tool(self, at: int, seed: int) -> Document:
        schema = {
            "type": "object",
            "properties": {"place": {"type": "string", "description": text(30, seed, at, "place")}},
            "required": ["place"],
        }
        named = {"name": f"tool{at}", "description": text(120, seed, at)}
        if self._dialect == "anthropic":
            return {**named, "input_schema": schema}
        return {"type": "function", "function": {**named, "parameters": schema}}
