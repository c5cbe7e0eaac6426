"""The job `video`: a script becomes an mp4 among the job's files."""

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from headrace.errors import InvalidRequest
from headrace.jobs.context import JobContext
from headrace.jobs.kinds import JobKind
from headrace.jobs.scripts import Script
from headrace.jobs.video_options import VideoOptions, check_video

if TYPE_CHECKING:
    from headrace.jobs.rendering import RenderPlace

_Texts = Annotated[list[str], msgspec.Meta(min_length=1)]


class VideoInput(VideoOptions, frozen=True, kw_only=True):
    """What is wanted, beside the look.

    Attributes:
        script: prose, in which an empty line begins a new scene; or the scenes' texts.
        title: of the first card; none without it.
        content: in place of both: what a job `content` gave.
    """

    script: str | _Texts | None = None
    title: str = ""
    content: dict[str, Any] | None = None


class VideoWork:
    """Makes videos for the jobs of this process."""

    def __init__(self) -> None:
        self._place: RenderPlace | None = None

    @property
    def place(self) -> "RenderPlace":
        """Where they are rendered; what it needs is imported when it is first asked for."""
        if self._place is None:
            from headrace.jobs.rendering import RenderPlace

            self._place = RenderPlace()
        return self._place

    async def make(self, job: JobContext, wanted: VideoInput) -> dict[str, Any]:
        """Make one."""
        title, script = _title_and_script(wanted)
        told = await self.place.make(job, title, script, wanted)
        return {"title": title, **msgspec.to_builtins(told)}


def video_kind(work: VideoWork) -> JobKind[VideoInput]:
    """The kind."""
    return JobKind(
        "video",
        VideoInput,
        work.make,
        about="A video of a script: title card, readable text, captions, speech if wanted.",
        queue="video",
        check=_check,
    )


def _title_and_script(wanted: VideoInput) -> tuple[str, str | list[str]]:
    if wanted.content is None:
        if wanted.script is None:
            raise InvalidRequest(
                "A job of kind 'video' takes `script`, or `content`: what a job 'content' gave.",
                code="invalid_input",
                param="input",
            )
        return wanted.title, wanted.script
    if wanted.script is not None:
        raise InvalidRequest(
            "A job of kind 'video' takes either `script` or `content`.",
            code="invalid_input",
            param="input",
        )
    try:
        script = msgspec.convert(wanted.content, Script)
    except msgspec.ValidationError as error:
        raise InvalidRequest(
            f"`content` is not what a job 'content' gives: {error}",
            code="invalid_input",
            param="input.content",
        ) from None
    return wanted.title or script.title, list(script.texts)


def _check(wanted: VideoInput) -> None:
    check_video(*_title_and_script(wanted), wanted)
