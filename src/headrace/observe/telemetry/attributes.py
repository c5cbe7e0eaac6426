"""What spans tell of a request, by the conventions for generative AI: no prompt, no answer, no
secret. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from headrace.observe.gen_ai_families import operation_name
from headrace.observe.telemetry.traces import Attributes, Value

MODEL_CHARS_MAX: Final = 100

Pairs = Iterable[tuple[str, Value | None]]


class Asked(msgspec.Struct, frozen=True):
    """What was asked of a model, and what came of it.

    Attributes:
        route: where it came, or its operation.
        asked: the model as the caller named it; empty where that is not known.
        provider: who answered.
        model: what that calls the model.
        input_tokens: as the provider counted them.
        output_tokens: the same.
        error: what went wrong; empty where nothing did.
    """

    route: str
    asked: str = ""
    provider: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    error: str = ""

    @property
    def name(self) -> str:
        """What its span is called."""
        return f"{operation_name(self.route)} {self.asked[:MODEL_CHARS_MAX]}".rstrip()

    @property
    def pairs(self) -> Pairs:
        """What is known of it."""
        return (
            ("gen_ai.operation.name", operation_name(self.route) or None),
            ("gen_ai.provider.name", self.provider),
            ("gen_ai.request.model", self.asked[:MODEL_CHARS_MAX] or None),
            ("gen_ai.response.model", self.model),
            ("gen_ai.usage.input_tokens", self.input_tokens),
            ("gen_ai.usage.output_tokens", self.output_tokens),
            ("error.type", self.error or None),
        )


def known(*groups: Pairs) -> Attributes:
    """What is known of all that could be; what is not, is left out."""
    return tuple((name, value) for pairs in groups for name, value in pairs if value is not None)


def stages(names: Sequence[str], times_ms: Sequence[float]) -> Pairs:
    """The milliseconds that each stage took."""
    pairs = zip(names, times_ms, strict=True)
    return [(f"headrace.stage.{name}_ms", time_ms) for name, time_ms in pairs]
