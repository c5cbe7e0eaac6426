"""What is told where a prompt cannot be made to fit, in the words of each API's own refusal."""

from headrace.errors import InvalidRequest
from headrace.model import DialectName


def too_long(dialect: DialectName, tokens: int, room: int) -> InvalidRequest:
    """The error for a prompt of which nothing more may be left out.

    Args:
        dialect: whose words it is told in.
        tokens: of what has to stay.
        room: what there is room for, in tokens.
    """
    if dialect == "anthropic":
        told = f"prompt is too long: {tokens} tokens > {room} maximum."
    else:
        told = (
            f"This model's maximum context length leaves {room} tokens for the prompt. "
            f"However, your messages resulted in {tokens} tokens."
        )
    advice = (
        " Only what may not be left out was counted: system text, tools, pinned and first messages "
        "and the last turn. Please shorten those, pin fewer messages, ask for fewer output tokens, "
        "or take a model with a larger context window."
    )
    return InvalidRequest(told + advice, param="messages", code="context_length_exceeded")
