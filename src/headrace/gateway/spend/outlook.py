"""The most that a call will probably use, from its request and from calls before it. Pure.

Input is guessed from the size of the text, by a ratio that follows the highest of late: it rises
at once, and falls slowly. Output is what the request allows; where it allows everything, more than
calls of the model nearly ever used: their mean and twice their mean deviation.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from headrace.gateway.spend.size import Size

# Text has a token for every four bytes or so, JSON around it fewer; some tokenizers make half as
# many again, and other scripts than Latin have a token for every two or three bytes.
_TOKENS_PER_BYTE: Final = 0.5
_TOKENS_PER_BYTE_MIN: Final = 0.25
_TOKENS_PER_BYTE_MAX: Final = 1.0
# Another text of the same size may well have a quarter more tokens.
_INPUT_MARGIN: Final = 1.25
_FALL: Final = 0.02
# A picture, whatever its size: of Anthropic's and OpenAI's largest.
_PICTURE_TOKENS: Final = 1600

# Before anything is known of a model.
_OUTPUT_TOKENS: Final = 1000.0
_OUTPUT_WEIGHT: Final = 0.05
_DEVIATIONS: Final = 2.0

# Models that anything is remembered of; names may be made up.
_MODELS_MAX: Final = 256


class Forecast(NamedTuple):
    """What one call may use.

    Attributes:
        input_tokens: at most, probably.
        output_tokens: at most, probably.
        usual_tokens: of output, on average.
    """

    input_tokens: float
    output_tokens: float
    usual_tokens: float


class Outlook:
    """What calls of one model use. Learns from each whose usage is told."""

    __slots__ = ("_deviation", "_output", "_seen", "_tokens_per_byte")

    def __init__(self) -> None:
        self._tokens_per_byte = _TOKENS_PER_BYTE
        self._output = _OUTPUT_TOKENS
        self._deviation = 0.0
        self._seen = 0

    def forecast(self, size: Size) -> Forecast:
        """The most that a call will probably use."""
        input_tokens = size.text_bytes * self._tokens_per_byte + size.pictures * _PICTURE_TOKENS
        if not size.has_output:
            return Forecast(input_tokens, 0.0, 0.0)
        probable = self._output + _DEVIATIONS * self._deviation
        asked = size.output_tokens
        output_tokens = probable * size.choices if asked is None else asked
        return Forecast(
            input_tokens, output_tokens, min(self._output * size.choices, output_tokens)
        )

    def learn(self, size: Size, input_tokens: int, output: int) -> None:
        """Take in what a call really used."""
        if size.text_bytes and input_tokens:
            ratio = input_tokens / size.text_bytes * _INPUT_MARGIN
            ratio = max(_TOKENS_PER_BYTE_MIN, min(ratio, _TOKENS_PER_BYTE_MAX))
            is_lower = ratio < self._tokens_per_byte
            self._tokens_per_byte += (_FALL if is_lower else 1.0) * (ratio - self._tokens_per_byte)
        if size.has_output:
            self._seen += 1
            weight = max(_OUTPUT_WEIGHT, 1 / (self._seen + 1))
            apart = output / max(1, size.choices) - self._output
            self._output += weight * apart
            self._deviation += weight * (abs(apart) - self._deviation)


class Outlooks:
    """Those of the models that were asked last."""

    def __init__(self) -> None:
        self._by_model: OrderedDict[tuple[str, str], Outlook] = OrderedDict()

    def of(self, provider: str, model: str) -> Outlook:
        """What is known of a provider's model."""
        name = (provider, model)
        outlook = self._by_model.get(name)
        if outlook is None:
            outlook = self._by_model[name] = Outlook()
            if len(self._by_model) > _MODELS_MAX:
                self._by_model.popitem(last=False)
        else:
            self._by_model.move_to_end(name)
        return outlook
