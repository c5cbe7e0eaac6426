"""The lines of one batch, asked in the window that there is room for, and their results."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from headrace.batches.answers import Answers, Reply
from headrace.batches.gear import Gear
from headrace.batches.handed.handover import Handover
from headrace.batches.journal import Journal
from headrace.batches.lines import Line, LineFault
from headrace.batches.nouns import PURPOSE_OUT, Batch, KeptFile
from headrace.batches.results import Result, ResultFile, Totals, Writing
from headrace.batches.source import LineSource
from headrace.batches.unanswered import HandoverFailed
from headrace.batches.window import Window
from headrace.observe.telemetry.traces import Links

_NUMBER_MAX: Final = 1_000_000  # of a line; what the settings allow
_GROUP: Final = 512
_EXPIRED: Final = "The time of the batch was over before this line was answered."


class Work:
    """Asks the lines of one batch. Belongs to one event loop.

    Args:
        batch: whose lines.
        gear: what runs share.
        may_write: whether this process still holds the batch.
        links: what the spans of its lines belong to.

    Attributes:
        totals: how far it is.
        lines: where its lines are, for a `LineSource`.
    """

    def __init__(
        self, batch: Batch, gear: Gear, *, may_write: Callable[[], bool], links: Links = ()
    ) -> None:
        settings = gear.settings()
        now_s = gear.clock.monotonic_s
        self.totals = Totals(
            batch.completed,
            batch.failed,
            batch.input_tokens,
            batch.output_tokens,
            batch.cached_tokens,
        )
        self.lines: tuple[Path, str, int] = (
            gear.shelf.path(batch.input_file),
            batch.endpoint,
            settings.listen.body_bytes_max,
        )
        self._batch = batch
        self._gear = gear
        self._may_write = may_write
        self._words = Writing(batch.id.partition("_")[2])
        self._done = bytearray(_NUMBER_MAX + 1)
        self._concurrency = settings.batches.concurrency
        self._window = Window(self._concurrency, now_s)
        self._is_stopping = False
        self._journal: Journal | None = None
        self._source: LineSource | None = None
        self._answers = Answers(
            gear.asker,
            batch.who,
            batch.endpoint,
            self._words,
            self._window,
            tries=settings.batches.tries,
            uniform=gear.uniform,
            now_s=now_s,
            on_retry=gear.counts.retried,
            links=links,
        )
        self._handover = Handover(
            batch,
            gear,
            self.lines,
            ask=self._answers.handed,
            settle=self._settle_handed,
            done=self._done,
            may_write=may_write,
        )
        self._is_handing = False

    def stop(self) -> None:
        """Ask no more lines; those under way are waited for."""
        self._is_stopping = True
        self._answers.stop()
        self._handover.stop()

    async def open(self) -> None:
        """Find out what is there already.

        Raises:
            OSError: the files cannot be used.
        """
        self._source = LineSource(*self.lines)
        await self._handover.open()
        output, errors = await asyncio.to_thread(self._recover)
        self._output, self._errors = output, errors
        self._journal = Journal(
            output,
            errors,
            self.totals,
            may_write=self._may_write,
            on_trouble=self._tell_trouble,
            spawn=self._gear.spawn,
            now_s=self._gear.clock.monotonic_s,
        )

    async def ask_all(self) -> bool:
        """Ask every line that has no result yet; whether all have one now.

        Raises:
            OSError: the lines cannot be read.
        """
        self._is_handing = self._handover.is_needed
        try:
            if not await self._ask_by_all():
                return False
            if self._is_handing and not self._is_stopping:
                self._is_handing = False
                assert self._source is not None  # noqa: S101  # it was opened
                self._source.close()
                self._source = LineSource(*self.lines)
                await self._ask_by_all()  # what Batch APIs did not answer
        except* OSError as several:
            raise several.exceptions[0] from None
        return not self._is_stopping

    async def _ask_by_all(self) -> bool:
        handing: asyncio.Task[bool] | None = None
        async with asyncio.TaskGroup() as group:
            for _ in range(self._concurrency):
                group.create_task(self._ask_lines())
            if self._is_handing:
                handing = group.create_task(self._handover.run())
        return handing is None or handing.result()

    async def finish(self, *, is_expired: bool) -> None:
        """Bring all results to the disk.

        Args:
            is_expired: whether lines without a result get one that says that time is over.
        """
        if self._journal is None:
            await self.open()
        assert self._journal is not None  # noqa: S101  # it was opened
        await self._handover.give_up()
        await self._journal.settle()
        if is_expired:
            await self._expire_rest(self._journal)
        await self._journal.sync()

    def files(self, now_s: float) -> Sequence[KeptFile]:
        """What was written, as it is kept from now on; nothing where it was not opened."""
        if self._journal is None:
            return []
        batch = self._batch
        named = (
            (batch.output_file, "output", self._output.bytes),
            (batch.error_file, "errors", self._errors.bytes),
        )
        return [
            KeptFile(
                file_id,
                batch.tenant,
                PURPOSE_OUT,
                f"{batch.id}_{name}.jsonl",
                size,
                now_s,
                now_s + batch.keep_s,
                batch.place,
            )
            for file_id, name, size in named
            if size
        ]

    async def close(self) -> None:
        """Give up what is under way; what was answered is still written down."""
        await self._handover.close()
        if self._journal is not None:
            await self._journal.close()
        if self._source is not None:
            self._source.close()
        await asyncio.to_thread(self._remove_empty)

    # The inside.

    def _recover(self) -> tuple[ResultFile, ResultFile]:
        shelf, batch, totals = self._gear.shelf, self._batch, Totals()
        output = ResultFile(shelf.path(batch.output_file))
        errors = ResultFile(shelf.path(batch.error_file))
        output.recover(self._done, is_good=True, totals=totals)
        errors.recover(self._done, is_good=False, totals=totals)
        self.totals = totals
        return output, errors

    async def _ask_lines(self) -> None:
        assert self._source is not None  # noqa: S101  # it was opened
        while not self._is_stopping:
            await self._window.enter()
            try:
                line = await self._source.next()
                if line is None:
                    return
                await self._settle(line)
            finally:
                self._window.leave()

    async def _settle(self, line: Line | LineFault) -> None:
        assert self._journal is not None  # noqa: S101  # it was opened
        number = line.line if isinstance(line, LineFault) else line.number
        if self._done[number] or (
            self._is_handing and isinstance(line, Line) and self._handover.owns(line)
        ):
            return
        if isinstance(line, LineFault):
            result = Result(self._refusal(line), is_good=False)
            self._gear.counts.ended("invalid")
        else:
            result = await self._answers.result(line)
            if self._is_stopping and not result.is_good:
                return  # it may be the end of the gateway that speaks: a successor asks again
            self._gear.counts.ended("answered" if result.is_good else "failed")
        await self._put(number, result)

    async def _put(self, number: int, result: Result) -> None:
        assert self._journal is not None  # noqa: S101  # it was opened
        self._done[number] = 1  # first: who is cancelled from here on has its result written
        await self._journal.put(result)

    async def _settle_handed(self, line: Line, outcome: Reply | HandoverFailed) -> None:
        """Put down what became of a line that was handed over; what is left of it is asked here."""
        number, words = line.number, self._words
        if self._is_stopping and isinstance(outcome, Reply) and outcome.is_ours:
            return  # it may be the end of the gateway that speaks: a successor asks again
        if isinstance(outcome, HandoverFailed):
            if self._handover.leaves(line, outcome):
                return
            worded = words.failed(number, line.custom_id, outcome.code, outcome.message)
            result = Result(worded, is_good=False)
        else:
            if outcome.may_change and self._handover.leaves(line):
                return
            worded = words.answered(number, line.custom_id, outcome.status, outcome.body)
            result = Result(worded, outcome.is_good, outcome.usage)
        self._gear.counts.ended("answered" if result.is_good else "failed")
        await self._put(number, result)

    async def _expire_rest(self, journal: Journal) -> None:
        source = LineSource(*self.lines)
        results: list[Result] = []
        try:
            while (line := await source.next()) is not None:
                number = line.line if isinstance(line, LineFault) else line.number
                if self._done[number]:
                    continue
                if isinstance(line, LineFault):
                    worded = self._refusal(line)
                else:
                    worded = self._words.failed(number, line.custom_id, "batch_expired", _EXPIRED)
                    self._gear.counts.ended("expired")
                results.append(Result(worded, is_good=False))
                if len(results) >= _GROUP:
                    await asyncio.gather(*map(journal.put, results))
                    results.clear()
            await asyncio.gather(*map(journal.put, results))
        finally:
            source.close()

    def _refusal(self, fault: LineFault) -> bytes:
        return self._words.failed(
            fault.line, fault.custom_id, fault.code, fault.message, fault.param
        )

    def _remove_empty(self) -> None:
        """A file without a line is not worth keeping; who goes on makes it again."""
        for file_id in (self._batch.output_file, self._batch.error_file):
            path = self._gear.shelf.path(file_id)
            if self._may_write() and path.exists() and not path.stat().st_size:
                path.unlink(missing_ok=True)

    def _tell_trouble(self, error: OSError) -> None:
        self._gear.say(
            "warning",
            "batch_disk",
            about=self._batch.id,
            detail=f"results cannot be written, and are tried again: {error.strerror}",
        )
