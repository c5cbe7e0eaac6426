"""The job `generate`: one question to a model, whose answer is kept."""

from typing import Annotated, Any

import msgspec

from headrace.errors import InvalidRequest
from headrace.jobs.context import JobContext
from headrace.jobs.kinds import JobKind

_Filled = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000_000)]


class GenerateInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is asked.

    Attributes:
        model: who is asked.
        prompt: what is asked; or `messages`.
        messages: a conversation, as in a chat request.
        fields: further fields of the request, such as `temperature`.
    """

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    prompt: _Filled | None = None
    messages: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)] | None = None
    fields: dict[str, Any] = {}


async def generate(job: JobContext, wanted: GenerateInput) -> dict[str, Any]:
    """Ask, and keep what came: the text, the whole answer's usage and who gave it."""
    messages = wanted.messages or [{"role": "user", "content": wanted.prompt}]
    document = {**wanted.fields, "model": wanted.model, "messages": messages}
    answer = await job.models.post("/v1/chat/completions", document)
    choices = answer.get("choices") or [{}]
    return {
        "text": (choices[0].get("message") or {}).get("content"),
        "model": answer.get("model"),
        "finish_reason": choices[0].get("finish_reason"),
        "usage": answer.get("usage"),
    }


def _check(wanted: GenerateInput) -> None:
    if (wanted.prompt is None) == (wanted.messages is None):
        raise InvalidRequest("A job of kind 'generate' takes either `prompt` or `messages`.")
    if wanted.fields.get("stream"):
        raise InvalidRequest(
            "A job keeps whole answers: leave `stream` out of `input.fields`.", param="input.fields"
        )


GENERATE = JobKind(
    "generate",
    GenerateInput,
    generate,
    about="One question to a model; the answer is kept.",
    has_steps=False,  # one call, whose answer is the job's result: nothing else to record
    limit_s=1800.0,
    check=_check,
)
