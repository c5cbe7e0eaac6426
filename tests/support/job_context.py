"""A context for running the function of a kind of job without a worker."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from headrace.jobs.context import JobContext, JobFailed

Answer = Callable[[str, Mapping[str, Any]], dict[str, Any]]


class PlainRecorder:
    """Keeps steps and progress in memory: give the same one to two contexts, and steps last."""

    def __init__(self) -> None:
        self.steps: dict[str, Any] = {}
        self.told: list[tuple[float, str]] = []

    async def step(self, key: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if key not in self.steps:
            self.steps[key] = await work()
        return self.steps[key]

    async def progress(self, share: float, text: str) -> None:
        self.told.append((share, text))


class PlainModels:
    """Models that answer by a function."""

    def __init__(self, answer: Answer | None = None) -> None:
        self._answer = answer

    async def post(
        self, path: str, document: Mapping[str, Any], headers: Mapping[str, str] = {}
    ) -> dict[str, Any]:
        if self._answer is None:
            raise JobFailed("No model is there.")
        return self._answer(path, document)

    async def chat(self, model: str, prompt: str, **fields: Any) -> str:
        messages = [{"role": "user", "content": prompt}]
        document = {**fields, "model": model, "messages": messages}
        answer = await self.post("/v1/chat/completions", document)
        return str(answer["choices"][0]["message"]["content"])


def make_context(
    folder: Path,
    answer: Answer | None = None,
    *,
    recorder: PlainRecorder | None = None,
    job_id: str = "job_1",
    attempt: int = 1,
) -> JobContext:
    """A context in `folder`, whose models answer by `answer`."""
    return JobContext(
        job_id,
        tenant="default",
        attempt=attempt,
        folder=folder,
        models=PlainModels(answer),
        recorder=recorder or PlainRecorder(),
    )
