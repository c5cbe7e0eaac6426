"""What a call is going to use of a quota, guessed from its request. Pure.

Providers count what they will only tell at the end, so it is guessed from the size of the body and
from what calls of the model used before, and put right when usage is known.
"""

from typing import Any, Final

import msgspec

from headrace.dialects.decoding import as_count, decode_or_none
from headrace.flow.quota.key import Need

# OpenAI's rule of thumb for English: about four characters a token.
_TOKENS_PER_BYTE: Final = 0.25
_TOKENS_PER_BYTE_MIN: Final = 1 / 32
_TOKENS_PER_BYTE_MAX: Final = 1.0
# No tokenizer makes fewer of text than this, so what is above a quota by it really is.
_TOKENS_PER_BYTE_SURE: Final = 1 / 16

_OUTPUT_TOKENS: Final = 300.0
# With fewer calls than these seen, output may come to all that was asked for.
_SEEN_MIN: Final = 10
_WEIGHT_MIN: Final = 0.05
# Output that counts when it is there is held for twice the mean: enough for most calls.
_OUTPUT_MARGIN: Final = 2.0

# A picture or a file in the body is a text of one long word; of Anthropic's largest picture the
# tokens are 1600.
_INLINE_BYTES_MIN: Final = 1024
_INLINE_TOKENS: Final = 1600.0

# What a caller says is bounded before it is multiplied.
_CHOICES_MAX: Final = 1024


class _Bounds(msgspec.Struct, gc=False):
    """How much output is asked for, in either dialect; other fields are skipped."""

    max_tokens: Any = None
    max_completion_tokens: Any = None


_BOUNDS: Final = msgspec.json.Decoder(_Bounds)


class Guess(msgspec.Struct, frozen=True):
    """What is known of a call before it is sent.

    Attributes:
        need: what it will probably use.
        least: what it uses in any case.
        text_bytes: how much of its body is text.
    """

    need: Need
    least: Need
    text_bytes: int


class Habit:
    """What calls of one model use. Learns from every call whose usage is told.

    Attributes:
        mean: what a call is guessed to use, on average.
    """

    __slots__ = ("_output_tokens", "_seen", "_tokens_per_byte", "mean")

    def __init__(self) -> None:
        self._tokens_per_byte = _TOKENS_PER_BYTE
        self._output_tokens = _OUTPUT_TOKENS
        self._seen = 0
        self.mean = Need(1.0, 0.0, 0.0, 0.0)

    def guess(self, body: bytes, choices: int, *, has_output: bool) -> Guess:
        """What a call will use.

        Args:
            body: its JSON.
            choices: how many answers are asked for.
            has_output: whether tokens are produced; not so for embeddings.
        """
        text_bytes, inline = measured(body)
        input_tokens = text_bytes * self._tokens_per_byte + inline * _INLINE_TOKENS
        asked = output_asked(body, choices) if has_output else 0.0
        usual = self._output_tokens if has_output else 0.0
        late = usual * _OUTPUT_MARGIN
        if asked is not None:
            late = asked if self._seen < _SEEN_MIN else min(late, asked)
        counted = usual if asked is None else asked
        need = Need(1.0, input_tokens + counted, input_tokens, late)
        sure = text_bytes * _TOKENS_PER_BYTE_SURE
        self._blend(need)
        return Guess(need, Need(1.0, sure + (asked or 0.0), sure, 0.0), text_bytes)

    def learn(self, guess: Guess, input_tokens: float, output_tokens: float) -> None:
        """Take in what a call really used."""
        self._seen += 1
        weight = max(_WEIGHT_MIN, 1 / (self._seen + 1))
        self._output_tokens += weight * (output_tokens - self._output_tokens)
        is_text = guess.need.input_tokens <= guess.text_bytes * _TOKENS_PER_BYTE_MAX
        if is_text and guess.text_bytes and input_tokens:
            ratio = input_tokens / guess.text_bytes
            ratio = max(_TOKENS_PER_BYTE_MIN, min(ratio, _TOKENS_PER_BYTE_MAX))
            self._tokens_per_byte += weight * (ratio - self._tokens_per_byte)

    def _blend(self, need: Need) -> None:
        if not self.mean.tokens:
            self.mean = need
            return
        self.mean = Need(
            *(was + _WEIGHT_MIN * (now - was) for was, now in zip(self.mean, need, strict=True))
        )


def measured(body: bytes) -> tuple[int, int]:
    """Bytes of text, and pictures or files beside it."""
    if len(body) < _INLINE_BYTES_MIN:
        return len(body), 0
    inline = [len(part) for part in body.split(b'"') if _is_inline(part)]
    return len(body) - sum(inline), len(inline)


def _is_inline(part: bytes) -> bool:
    return (
        len(part) >= _INLINE_BYTES_MIN
        and b" " not in part
        and b"\\" not in part
        and b"," not in part[_INLINE_BYTES_MIN:]
        and part.isascii()
    )


def output_asked(body: bytes, choices: int) -> float | None:
    """The most output that a request allows; None where it does not say."""
    bounds = decode_or_none(body, _BOUNDS)
    if bounds is None:
        return None
    most = as_count(bounds.max_completion_tokens) or as_count(bounds.max_tokens)
    return float(most * min(max(1, choices), _CHOICES_MAX)) if most else None
