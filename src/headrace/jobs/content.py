"""The job `content`: a topic becomes a script, and, where that is wanted, a video."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from headrace.errors import HeadraceError, InvalidRequest
from headrace.jobs.context import JobContext, JobFailed
from headrace.jobs.kinds import JobKind
from headrace.jobs.scripts import (
    BadScript,
    Script,
    read_script,
    repair_messages,
    response_format,
)
from headrace.jobs.video import VideoWork
from headrace.jobs.video_options import VideoOptions

PROMPTS: Final = Path(__file__).parent / "prompts"
_SCRIPT_SHARE: Final = 0.3
_ALONE_SHARE: Final = 0.95
_BAD_SCRIPT: Final = "bad_script"
_SHOWN_CHARS: Final = 200

_Words = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ContentInput(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """What is wanted.

    Attributes:
        topic: what the script is about.
        model: who writes it.
        scenes: how many.
        language: of the script, in words; that of the topic, usually, without it.
        audience: whom it is for, in words.
        fields: further fields of the request, such as `temperature`.
        video: whether a video is made of it as well, or how.
    """

    topic: Annotated[str, msgspec.Meta(min_length=1, max_length=4000, pattern=r"\S")]
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    scenes: Annotated[int, msgspec.Meta(ge=1, le=50)] = 6
    language: _Words | None = None
    audience: _Words | None = None
    fields: dict[str, Any] = {}
    video: bool | VideoOptions = False


class Answer(msgspec.Struct, frozen=True):
    """What a model wrote, and what that took."""

    text: str
    model: str | None
    usage: dict[str, Any] | None


class ContentWork:
    """Writes scripts for the jobs of this process.

    Args:
        videos: makes the videos of those that want one.
    """

    def __init__(self, videos: VideoWork) -> None:
        self._videos = videos

    async def write(self, job: JobContext, wanted: ContentInput) -> dict[str, Any]:
        """Write one: asked once, and once more where the answer is no script."""
        options = _options(wanted)
        await job.progress(0.0, "the script is being written")
        script, answers = await self._script(job, wanted)
        result: dict[str, Any] = {
            **msgspec.to_builtins(script),
            "model": answers[-1].model,
            "usage": [answer.usage for answer in answers],
        }
        if options is None:
            await job.progress(_ALONE_SHARE, "the script is written")
            return result
        place = self._videos.place
        told = await place.make(job, script.title, script.texts, options, before=_SCRIPT_SHARE)
        return {**result, "video": msgspec.to_builtins(told)}

    async def _script(
        self, job: JobContext, wanted: ContentInput
    ) -> tuple[Script, tuple[Answer, ...]]:
        messages, config = prompt(wanted)
        document = {
            **config,
            "response_format": response_format(),
            **wanted.fields,
            "model": wanted.model,
        }

        async def ask(messages: list[Mapping[str, Any]], step: str) -> Answer:
            key = {"idempotency-key": job.key(step)}
            asked = {**document, "messages": messages}
            return _answer(await job.models.post("/v1/chat/completions", asked, key))

        first = await job.step("script", lambda: ask(messages, "script"), Answer)
        try:
            return read_script(first.text), (first,)
        except BadScript as bad:
            again = repair_messages(messages, first.text, str(bad))
        second = await job.step("repair", lambda: ask(again, "repair"), Answer)
        try:
            return read_script(second.text), (first, second)
        except BadScript as bad:
            raise JobFailed(
                f"Model '{wanted.model}' wrote no script, and none when asked again: {bad}. It "
                f"began: {second.text[:_SHOWN_CHARS]!r}",
                code=_BAD_SCRIPT,
            ) from bad


def prompt(wanted: ContentInput) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
    """The messages that ask for a script, and the fields that go with them.

    Raises:
        JobFailed: what renders templates is not installed.
    """
    from headrace.prompt.templates.registry import TemplateRegistry

    variables: dict[str, Any] = {"topic": wanted.topic, "scenes": wanted.scenes}
    more = {"language": wanted.language, "audience": wanted.audience}
    variables |= {name: value for name, value in more.items() if value is not None}
    try:
        rendered = TemplateRegistry(PROMPTS).render("script", variables=variables)
    except HeadraceError as error:
        raise JobFailed(error.message, code=error.code) from error
    return list(rendered.messages), rendered.config


def content_kind(work: ContentWork) -> JobKind[ContentInput]:
    """The kind."""
    return JobKind(
        "content",
        ContentInput,
        work.write,
        about="A script on a topic, written by a model; and a video of it, if wanted.",
        check=_check,
    )


def _options(wanted: ContentInput) -> VideoOptions | None:
    if isinstance(wanted.video, VideoOptions):
        return wanted.video
    return VideoOptions() if wanted.video else None


def _check(wanted: ContentInput) -> None:
    options = _options(wanted)
    if options is not None:
        options.look().check()
    if wanted.fields.get("stream"):
        raise InvalidRequest(
            "A job reads whole answers: leave `stream` out of `input.fields`.", param="input.fields"
        )


def _answer(document: Mapping[str, Any]) -> Answer:
    choices = document.get("choices") or [{}]
    text = (choices[0].get("message") or {}).get("content")
    return Answer(
        text if isinstance(text, str) else "", document.get("model"), document.get("usage")
    )
