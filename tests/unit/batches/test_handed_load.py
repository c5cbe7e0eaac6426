"""Answers of a provider's batch, whatever stands beside them in its file."""

import asyncio
import json
from pathlib import Path
from typing import Any

from headrace.batches.handed.book import Book, Entry
from headrace.batches.handed.load import Load, Ways
from headrace.batches.handed.provider import Told
from headrace.settings.batches import BatchApiSettings


class Answered:
    """A provider whose batch is done already."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def read(self, batch: str) -> Told:
        return Told(batch, "completed", output_file_id="file")

    async def content(self, file_id: str) -> bytes:
        return self._content


class Heard:
    """Remembers what it is told, as a flight is."""

    began_s = 0.0
    attempts = 0

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.faults: list[Exception] = []

    def on_head(self, status: int, headers: object) -> None: ...

    def on_body(self, body: bytes) -> None:
        self.bodies.append(body)

    def on_end(self) -> None: ...

    def on_fault(self, why: Exception) -> None:
        self.faults.append(why)


def test_names_that_we_never_gave_are_passed_over(tmp_path: Path) -> None:
    names = ("", "\u00b2", "\u0663", "-1", "1.0", "9" * 5000, "1", "1")
    lines = [
        json.dumps({"custom_id": name, "response": {"status_code": 200, "body": at}})
        for at, name in enumerate(names)
    ]
    content = "\n".join([*lines[:3], "{", "null", *lines[3:]]).encode() + b"\n\xff\xfe"
    one, two = Heard(), Heard()
    orders: Any = {1: (None, one), 3: (None, two)}

    async def run() -> None:
        async def note(write: Any, entry: Entry) -> None:
            write(entry)

        async def pause(_: float) -> None:
            raise AssertionError("nothing has to be waited for")

        ways = Ways("/v1/chat/completions", Book(tmp_path / "b"), note, bool, pause, float, print)
        entry = Entry("t", "p", [1, 3], "batch_1")
        client: Any = Answered(content)
        await Load(entry, orders, client, BatchApiSettings(), ways, is_new=False).run()

    asyncio.run(run())
    assert (one.bodies, one.faults) == ([b"6"], [])
    assert two.bodies == []
    assert len(two.faults) == 1
