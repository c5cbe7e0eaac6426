"""What is asked, request by request: a function of the seed, with repeats so that caches matter."""

from array import array
from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate
from random import Random
from typing import Any, Final, Literal, get_args

import msgspec

from headrace.bench.load.forms import AGENT, PLAIN, REWORDINGS, agent_messages, reworded
from headrace.bench.load.plan import Workload
from headrace.bench.load.traces import Row, prompt_of

Kind = Literal["chat", "stream", "embeddings"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_PATHS: Final = ("/v1/chat/completions", "/v1/chat/completions", "/v1/embeddings")
_BODIES_KEPT: Final = 4096
_PARAGRAPHS: Final = 64
_WORDS: Final = (
    "water river stone mill wheel channel flow level gate bank bridge valley rain spring autumn "
    "morning field village power grain flour turn speed depth measure answer question reason "
    "simple careful quiet early narrow broad steady strong clear"
)
# Words are shorter than tokens are, with their spaces, by about this.
_TOKENS_PER_WORD: Final = 1.3


class Asked(msgspec.Struct, frozen=True):
    """Which request comes when, in columns.

    Attributes:
        kinds: places in `KINDS`.
        keys: which prompt; what is below zero comes once.
        forms: in which form (`headrace.bench.load.forms`).
    """

    kinds: bytearray
    keys: "array[int]"
    forms: bytearray


def draw(workload: Workload, count: int, seed: int, phase: int) -> Asked:
    """Choose what is asked.

    Args:
        workload: what there is to ask.
        count: requests.
        seed: the same gives the same requests.
        phase: number of the phase, so that what comes once comes once in a run.
    """
    dice = Random(seed * 1009 + phase)  # noqa: S311
    uniform = dice.random
    mix = workload.mix
    shares = tuple(accumulate((mix.chat, mix.stream, mix.embeddings)))
    ranks = tuple(accumulate((rank + 1) ** -workload.zipf for rank in range(workload.popular)))
    kinds, keys, forms = bytearray(), array("q"), bytearray()
    for number in range(count):
        kinds.append(bisect_right(shares, uniform() * shares[-1], hi=2))
        if uniform() < workload.repeat_share:
            keys.append(bisect_right(ranks, uniform() * ranks[-1], hi=workload.popular - 1))
            is_other = workload.reworded_share > 0 and uniform() < workload.reworded_share
            forms.append(1 + int(uniform() * REWORDINGS) if is_other else PLAIN)
        else:
            keys.append(-1 - number - (phase << 32))
            is_agent = workload.agent_share > 0 and uniform() < workload.agent_share
            forms.append(AGENT if is_agent else PLAIN)
    return Asked(kinds, keys, forms)


class Requests:
    """Makes requests of what was drawn, as bytes; those of popular prompts are kept.

    Args:
        workload: models and lengths.
        seed: of the prompts.
        host: of the target, for the header.
        credential: of the target, or none.
        nonce: stands at the beginning of every prompt; with another, no prompt is the same.
    """

    def __init__(
        self, workload: Workload, seed: int, host: str, credential: str | None, nonce: str = ""
    ) -> None:
        self._workload = workload
        self._seed = seed
        self._nonce = f"{nonce} " if nonce else ""
        self._kept: OrderedDict[tuple[int, int, int], bytes] = OrderedDict()
        dice = Random(seed)  # noqa: S311
        words = max(1, round(workload.prompt_tokens / _TOKENS_PER_WORD))
        self._paragraphs = [
            " ".join(dice.choices(_WORDS.split(), k=words)) for _ in range(_PARAGRAPHS)
        ]
        fixed = max(1, round(workload.fixed_tokens / _TOKENS_PER_WORD))
        self._fixed = " ".join(dice.choices(_WORDS.split(), k=fixed))
        fields = f"host: {host}\r\ncontent-type: application/json\r\n"
        if credential:
            fields += f"authorization: Bearer {credential}\r\n"
        self._heads = tuple(f"POST {path} HTTP/1.1\r\n{fields}" for path in _PATHS)

    def make(self, kind: int, key: int, form: int = PLAIN) -> bytes:
        """The request for a prompt, in some form."""
        kept = self._kept.get((kind, key, form))
        if kept is not None:
            return kept
        text = f"{self._nonce}Question {self._seed}.{key}: {self._paragraphs[key % _PARAGRAPHS]}"
        made = self._encode(kind, self._worded(text, kind, key, form), self._workload.output_tokens)
        if key >= 0:
            self._kept[kind, key, form] = made
            if len(self._kept) > _BODIES_KEPT:
                self._kept.popitem(last=False)
        return made

    def replay(self, row: Row, number: int) -> bytes:
        """The request of a line of a trace, by its number, as a streamed chat."""
        text = self._nonce + prompt_of(row, number)
        return self._encode(KINDS.index("stream"), text, max(1, row.output_length))

    def _worded(self, text: str, kind: int, key: int, form: int) -> str | list[dict[str, Any]]:
        """A text, or the messages of a whole turn."""
        if form == PLAIN or KINDS[kind] == "embeddings":
            return text
        return agent_messages(text, self._fixed, key) if form == AGENT else reworded(text, form)

    def _encode(
        self, kind: int, asked: str | list[dict[str, Any]], output_tokens: int | None
    ) -> bytes:
        document: dict[str, object]
        if KINDS[kind] == "embeddings":
            document = {"model": self._workload.embedding_model, "input": asked}
        else:
            is_text = isinstance(asked, str)
            document = {
                "model": self._workload.model,
                "messages": [{"role": "user", "content": asked}] if is_text else asked,
            }
            if output_tokens is not None:
                document["max_tokens"] = output_tokens
            if KINDS[kind] == "stream":
                document["stream"] = True
                if self._workload.stream_usage:
                    document["stream_options"] = {"include_usage": True}
        body = msgspec.json.encode(document)
        return f"{self._heads[kind]}content-length: {len(body)}\r\n\r\n".encode() + body
