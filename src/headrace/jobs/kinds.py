"""Kinds of jobs: what a job takes, and the function that does it.

How a kind is written:

    class ReportInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        topic: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]

    async def write_report(job: JobContext, wanted: ReportInput) -> dict[str, object]:
        outline = await job.step("outline", lambda: ask_outline(job.models, wanted.topic), Outline)
        for at, part in enumerate(outline.parts):
            await job.step(f"part-{at}", lambda part=part: write_part(job, part), str)
            await job.progress((at + 1) / len(outline.parts), f"{part} is written")
        return {"file": "report.txt"}

    REPORT = JobKind("report", ReportInput, write_report, about="A report on a topic.")

- The function may be started again after a crash, on another machine: whatever must not be done
  twice goes into a step, and a step that was recorded gives what it gave before, by its name.
  A crash between a step's effect and its record does it again, so an effect on disk is a file that
  is written under another name and then renamed, and an effect elsewhere carries `job.key(step)`.
- What a step gives is kept as JSON. Keep it small: large things are files in `job.files`.
- It is cancelled like any task: `asyncio.CancelledError` comes out of an `await`. End children in
  `finally`. Work that does not await belongs into `asyncio.to_thread` and looks at `job.is_over`.
- `JobFailed` says that trying again is of no use. Everything else is tried again, later each time.
- The room of a kind imports nothing of the worker: it is handed all it needs by its context.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

from headrace.errors import InvalidRequest
from headrace.jobs.context import JobContext

Input = TypeVar("Input", bound=msgspec.Struct)

Run = Callable[[JobContext, Input], Awaitable[object]]

_NAMES_SHOWN_MAX: Final = 20


class JobKind(Generic[Input]):
    """A kind of job.

    Args:
        name: what callers call it.
        input_type: what it takes; bounds belong into its fields.
        run: does it; what it returns is the job's result, kept as JSON.
        about: a line for users.
        queue: where its jobs wait; one of its own for what takes much of the machine.
        has_steps: whether it records steps. One that does one thing needs none, and is cheaper.
        attempts_max: how often it is tried.
        limit_s: how long one try may take.
        check: says what else is wrong with an input, by raising `InvalidRequest`.
    """

    def __init__(
        self,
        name: str,
        input_type: type[Input],
        run: Run[Input],
        *,
        about: str,
        queue: str = "default",
        has_steps: bool = True,
        attempts_max: int = 3,
        limit_s: float = 3600.0,
        check: Callable[[Input], None] | None = None,
    ) -> None:
        self.name = name
        self.input_type = input_type
        self.run = run
        self.about = about
        self.queue = queue
        self.has_steps = has_steps
        self.attempts_max = attempts_max
        self.limit_s = limit_s
        self._check = check

    def read(self, document: object) -> Input:
        """The input of a job, from decoded JSON.

        Raises:
            InvalidRequest: it is not what this kind takes.
        """
        try:
            read = msgspec.convert(document, self.input_type)
        except msgspec.ValidationError as error:
            told = str(error).replace("`$.", "`input.").replace("`$`", "`input`")
            raise InvalidRequest(
                f"A job of kind '{self.name}': {told}", code="invalid_input", param="input"
            ) from None
        if self._check is not None:
            self._check(read)
        return read


class Kinds:
    """The kinds that there are. Immutable.

    Args:
        kinds: each with a name of its own.
    """

    def __init__(self, kinds: Iterable[JobKind[Any]]) -> None:
        self._kinds: Mapping[str, JobKind[Any]] = {kind.name: kind for kind in kinds}

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(sorted(self._kinds))

    @property
    def queues(self) -> frozenset[str]:
        """The queues in which they wait."""
        return frozenset(kind.queue for kind in self._kinds.values())

    def has_steps(self, name: str) -> bool:
        """Whether jobs of a kind record steps; also of one that there was before."""
        kind = self._kinds.get(name)
        return kind is None or kind.has_steps

    def find(self, name: str) -> JobKind[Any]:
        """A kind by its name.

        Raises:
            InvalidRequest: there is none.
        """
        kind = self._kinds.get(name)
        if kind is None:
            known = ", ".join(self.names[:_NAMES_SHOWN_MAX])
            raise InvalidRequest(
                f"No kind of job '{name[:64]}'; there are {known}.",
                code="unknown_kind",
                param="kind",
            )
        return kind
