"""Lines that are asked again, and the end of that."""

import asyncio
from typing import Any, cast

from headrace.batches.answers import Answers
from headrace.batches.lines import Line
from headrace.batches.results import Writing
from headrace.batches.window import Window
from headrace.errors import Overloaded
from headrace.identity.keys import Principal

LINE = Line(1, "a", b"{}")


class Busy:
    """Always too much to do."""

    def __init__(self) -> None:
        self.asked = 0
        self.was_asked = asyncio.Event()

    async def ask(self, *_words: Any) -> Any:
        self.asked += 1
        self.was_asked.set()
        raise Overloaded("Later.", retry_after_s=600.0)

    def error_body(self, *_words: Any) -> bytes:
        return b"{}"


def test_who_waits_to_ask_again_ends_when_the_gateway_does() -> None:
    async def main() -> None:
        busy = Busy()
        answers = Answers(
            cast("Any", busy),
            Principal("app", "k"),
            "/v1/embeddings",
            Writing("b"),
            Window(1, lambda: 0.0),
            tries=3,
            uniform=lambda: 0.0,
            now_s=lambda: 0.0,
            on_retry=lambda: None,
        )
        waiting = asyncio.ensure_future(answers.result(LINE))
        await busy.was_asked.wait()
        answers.stop()
        assert not (await waiting).is_good
        assert not (await answers.result(LINE)).is_good
        assert busy.asked == 2

    asyncio.run(asyncio.wait_for(main(), 10))
