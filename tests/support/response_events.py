"""Events of the Responses API as the official SDK knows them."""

from collections.abc import Mapping

import openai
from openai.types.responses import ResponseStreamEvent


class _Any(openai.BaseModel):
    event: ResponseStreamEvent


def check_event(event: Mapping[str, object]) -> None:
    """Have the SDK check every field of an event.

    Raises:
        ValueError: it is not one that OpenAI describes.
    """
    _Any.model_validate({"event": event})
