"""What is asked and what is answered, before either is put into a dialect's words."""

from typing import Any

import msgspec

from headrace.sim.prefixes import NO_BILL, Bill
from headrace.sim.sample import Schema, sample
from headrace.sim.text import seeded_bytes, seeded_tokens, split_tokens

ANSWER_TOKENS_MIN = 20
ANSWER_TOKENS_MAX = 200
_SAMPLE_BYTES = 512


class ToolWish(msgspec.Struct, frozen=True):
    """The tool that the answer is to call, and the schema of its arguments."""

    name: str
    parameters: Schema


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request in no dialect.

    Attributes:
        model: the model's name.
        prompt: the messages in canonical form; decides the text together with seed and model.
        input_tokens: tokens of the prompt.
        bill: what of them is read from the prompt cache, and what is put there.
        stream: whether to answer with events.
        include_usage: whether the stream is to end with a usage event.
        choices: how many answers are wanted.
        tokens_max: most tokens of one choice, `None` for no bound.
        tool: the tool to call instead of answering with text.
        schema: the schema of a JSON answer, `None` for prose.
        logprobs: whether log probabilities are wanted.
        top_logprobs: how many alternatives of each token are wanted.
    """

    model: str
    prompt: bytes
    input_tokens: int
    bill: Bill = NO_BILL
    stream: bool = False
    include_usage: bool = False
    choices: int = 1
    tokens_max: int | None = None
    tool: ToolWish | None = None
    schema: Schema | None = None
    logprobs: bool = False
    top_logprobs: int = 0

    def charge(self, output_tokens: int) -> int:
        """Tokens that a limit counts before the answer is there, as OpenAI says it does.

        Args:
            output_tokens: counted where no bound was asked for.
        """
        most = output_tokens if self.tokens_max is None else self.tokens_max * self.choices
        return self.input_tokens + most


class Choice(msgspec.Struct, frozen=True):
    """One of the answers.

    Attributes:
        tokens: the text, or with a tool its arguments, in the pieces a stream sends.
        truncated: whether `tokens_max` cut it.
        call_id: the tool call's id without a dialect's prefix, empty for text.
    """

    tokens: tuple[str, ...]
    truncated: bool
    call_id: str = ""

    @property
    def text(self) -> str:
        """All tokens joined."""
        return "".join(self.tokens)


class Answer(msgspec.Struct, frozen=True):
    """The answer to an `Ask`; `id` is without a dialect's prefix."""

    id: str
    choices: tuple[Choice, ...]

    @property
    def output_tokens(self) -> int:
        """Tokens of all choices."""
        return sum(len(choice.tokens) for choice in self.choices)


def canonical(document: Any) -> bytes:
    """JSON with sorted keys, so that equal documents give equal bytes."""
    return msgspec.json.encode(document, order="sorted")


def compose(seed: int, ask: Ask, tokens_wanted: int | None = None) -> Answer:
    """Answer `ask`; the same arguments give the same answer.

    Args:
        seed: the simulator's seed.
        ask: the request.
        tokens_wanted: length of a prose answer instead of a drawn one; `tokens_max` still bounds.
    """
    base = seeded_bytes(16, b"%d" % seed, ask.model.encode(), ask.prompt)
    choices = tuple(_choice(base, index, ask, tokens_wanted) for index in range(ask.choices))
    return Answer(id=base.hex()[:24], choices=choices)


def _choice(base: bytes, index: int, ask: Ask, tokens_wanted: int | None) -> Choice:
    place = b"%d" % index
    schema = ask.tool.parameters if ask.tool is not None else ask.schema
    if schema is None:
        tokens = _prose(base, place, tokens_wanted)
    else:
        value = sample(schema, iter(seeded_bytes(_SAMPLE_BYTES, base, b"json", place)))
        tokens = split_tokens(msgspec.json.encode(value).decode())
    truncated = ask.tokens_max is not None and len(tokens) > ask.tokens_max
    call_id = seeded_bytes(12, base, b"call", place).hex() if ask.tool is not None else ""
    return Choice(tuple(tokens[: ask.tokens_max]), truncated, call_id)


def _prose(base: bytes, place: bytes, tokens_wanted: int | None) -> list[str]:
    if tokens_wanted is None:
        drawn = int.from_bytes(seeded_bytes(4, base, b"length", place), "big")
        tokens_wanted = ANSWER_TOKENS_MIN + drawn % (ANSWER_TOKENS_MAX - ANSWER_TOKENS_MIN + 1)
    return seeded_tokens(seeded_bytes(tokens_wanted, base, b"text", place))
