"""What a job is given while it runs."""

import shutil
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec

T = TypeVar("T")

_KEY_CHARS_MAX: Final = 128


class JobFailed(Exception):
    """A job cannot be done, and trying it again is of no use.

    Args:
        message: why, and what to do about it.
        code: stable and machine-readable.
    """

    def __init__(self, message: str, *, code: str = "job_failed") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class JobRefused(Exception):
    """A job could not be done now: it is tried again later.

    Args:
        message: why.
        retry_after_s: how long to wait at least.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class JobPutOff(JobRefused):
    """What a job needs went away, which says nothing of the job: it is tried again later, and this
    try does not count.

    Args:
        message: why.
        code: stable and machine-readable.
        retry_after_s: how long to wait at least.
        is_loss: whether the job itself may have brought it down; ten times are too often.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        retry_after_s: float | None = None,
        is_loss: bool = False,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.code = code
        self.is_loss = is_loss


class Models(Protocol):
    """The gateway, asked on behalf of whoever submitted the job."""

    async def post(
        self, path: str, document: Mapping[str, Any], headers: Mapping[str, str] = {}
    ) -> dict[str, Any]:
        """POST a request such as `/v1/chat/completions`, and read the answer.

        Raises:
            JobFailed: the request is wrong, or not allowed.
            JobRefused: there was no answer, or one that may be another one later.
        """
        ...

    async def chat(self, model: str, prompt: str, **fields: Any) -> str:
        """The text that a model answers to one prompt; `fields` go into the request.

        Raises:
            JobFailed: as above, or the answer holds no text.
            JobRefused: as above.
        """
        ...


class Recorder(Protocol):
    """Where steps and progress are kept. The worker has one for each job that it runs."""

    async def step(self, key: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """What `work` gives as plain data, or what it gave when it was recorded."""
        ...

    async def progress(self, share: float, text: str) -> None:
        """Note how far the job is."""
        ...


class JobContext:
    """A running job, as its function sees it.

    Args:
        id: of the job.
        tenant: whose job it is.
        attempt: which try this is, from 1.
        folder: a folder of the job's own.
        models: asks models.
        recorder: keeps steps and progress.

    """

    def __init__(
        self,
        id: str,  # noqa: A002
        *,
        tenant: str,
        attempt: int,
        folder: Path,
        models: Models,
        recorder: Recorder,
    ) -> None:
        self.id = id
        self.tenant = tenant
        self.attempt = attempt
        self.models = models
        self._folder = folder
        self._made: set[str] = set()
        self._recorder = recorder
        self._over = threading.Event()
        self._is_unwanted = False

    @property
    def files(self) -> Path:
        """Folder of result files, which callers may fetch by name. It is there, and stays as long
        as the job; a later try finds what an earlier one left."""
        return self._made_once("files")

    @property
    def scratch(self) -> Path:
        """Folder for all else. It is there, and goes when the try ends."""
        return self._made_once("scratch")

    @property
    def is_over(self) -> bool:
        """Whether the job was cancelled or has ended; for work in threads."""
        return self._over.is_set()

    def record_with(self, recorder: Recorder) -> None:
        """Keep steps and progress elsewhere from now on."""
        self._recorder = recorder

    @property
    def is_unwanted(self) -> bool:
        """Whether its caller cancelled it, so that no later try takes up what this one left."""
        return self._is_unwanted

    def end(self, *, unwanted: bool = False) -> None:
        """Tell work in threads that it is over, and whether for good."""
        self._is_unwanted = self._is_unwanted or unwanted
        self._over.set()

    @property
    def has_scratch(self) -> bool:
        """Whether anything may lie in `scratch`."""
        return "scratch" in self._made

    def clear(self) -> None:
        """Remove `scratch`, and what lies in it."""
        shutil.rmtree(self._folder / "scratch", ignore_errors=True)

    def key(self, step: str) -> str:
        """A key for effects elsewhere, such as an `idempotency-key`: the same in every try."""
        return f"{self.id}-{step}"

    async def step(self, key: str, work: Callable[[], Awaitable[T]], kind: type[T]) -> T:
        """Do a part of the job once: what it gave is recorded, and given again in later tries.

        Args:
            key: its name, a different one for each step of a job.
            work: does it; not called where the step is recorded.
            kind: what it gives; anything that msgspec makes of JSON.

        Raises:
            ValueError: the key is empty or too long.
        """
        if not 0 < len(key) <= _KEY_CHARS_MAX:
            raise ValueError(f"a step's key has 1 to {_KEY_CHARS_MAX} characters, not {len(key)}")

        async def plain() -> Any:
            return msgspec.to_builtins(await work())

        return msgspec.convert(await self._recorder.step(key, plain), kind)

    async def progress(self, share: float, text: str = "") -> None:
        """Say how far the job is; cheap, and told to callers a few times a second at most.

        Args:
            share: what is done, from 0 to 1.
            text: what is being done, for people.
        """
        await self._recorder.progress(min(max(share, 0.0), 1.0), text[:500])

    def _made_once(self, name: str) -> Path:
        path = self._folder / name
        if name not in self._made:
            path.mkdir(parents=True, exist_ok=True)
            self._made.add(name)
        return path
