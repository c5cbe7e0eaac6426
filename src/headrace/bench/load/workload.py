"""What is asked, request by request: a function of the seed, with repeats so that caches matter."""

from array import array
from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate
from random import Random
from typing import Final, Literal

import msgspec

from headrace.bench.load.plan import Workload
from headrace.bench.load.traces import Row, prompt_of

Kind = Literal["chat", "stream", "embeddings"]
KINDS: Final[tuple[Kind, ...]] = ("chat", "stream", "embeddings")

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
    """

    kinds: bytearray
    keys: "array[int]"


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
    kinds, keys = bytearray(), array("q")
    for number in range(count):
        kinds.append(bisect_right(shares, uniform() * shares[-1], hi=2))
        if uniform() < workload.repeat_share:
            keys.append(bisect_right(ranks, uniform() * ranks[-1], hi=workload.popular - 1))
        else:
            keys.append(-1 - number - (phase << 32))
    return Asked(kinds, keys)


class Requests:
    """Makes requests of what was drawn, as bytes; those of popular prompts are kept.

    Args:
        workload: models and lengths.
        seed: of the prompts.
        host: of the target, for the header.
        credential: of the target, or none.
    """

    def __init__(self, workload: Workload, seed: int, host: str, credential: str | None) -> None:
        self._workload = workload
        self._seed = seed
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        dice = Random(seed)  # noqa: S311
        words = max(1, round(workload.prompt_tokens / _TOKENS_PER_WORD))
        self._paragraphs = [
            " ".join(dice.choices(_WORDS.split(), k=words)) for _ in range(_PARAGRAPHS)
        ]
        fields = f"host: {host}\r\ncontent-type: application/json\r\n"
        if credential:
            fields += f"authorization: Bearer {credential}\r\n"
        self._heads = tuple(f"POST {path} HTTP/1.1\r\n{fields}" for path in _PATHS)

    def make(self, kind: int, key: int) -> bytes:
        """The request for a prompt."""
        kept = self._kept.get((kind, key))
        if kept is not None:
            return kept
        text = f"Question {self._seed}.{key}: {self._paragraphs[key % _PARAGRAPHS]}"
        made = self._encode(kind, text, self._workload.output_tokens)
        if key >= 0:
            self._kept[kind, key] = made
            if len(self._kept) > _BODIES_KEPT:
                self._kept.popitem(last=False)
        return made

    def replay(self, row: Row) -> bytes:
        """The request of a line of a trace, as a streamed chat."""
        return self._encode(KINDS.index("stream"), prompt_of(row), max(1, row.output_length))

    def _encode(self, kind: int, text: str, output_tokens: int | None) -> bytes:
        document: dict[str, object]
        if KINDS[kind] == "embeddings":
            document = {"model": self._workload.embedding_model, "input": text}
        else:
            document = {
                "model": self._workload.model,
                "messages": [{"role": "user", "content": text}],
            }
            if output_tokens is not None:
                document["max_tokens"] = output_tokens
            if KINDS[kind] == "stream":
                document["stream"] = True
        body = msgspec.json.encode(document)
        return f"{self._heads[kind]}content-length: {len(body)}\r\n\r\n".encode() + body
