"""The threads of `headrace cache warm`: each asks one request after the other."""

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from headrace.cache.warm_file import Prompt
from headrace.cli.cache_warm_lines import Address, Line, Unreachable
from headrace.cli.cache_warm_outcome import Kind, Outcome, is_other_dialect, judge
from headrace.dialects.anthropic import AnthropicDialect
from headrace.dialects.base import Dialect
from headrace.dialects.openai import OpenAIDialect
from headrace.model import DialectName

_PROBE: Final = "only-if-cached"


class Crew:
    """Asks a gateway, a bounded number of requests at once.

    Args:
        address: of the gateway.
        key: of the gateway, if it wants one.
        prompts: what to ask, in order.
        concurrency: requests at once.
        is_probe: only find out what is stored.
    """

    def __init__(
        self,
        address: Address,
        key: str | None,
        prompts: Sequence[Prompt],
        *,
        concurrency: int,
        is_probe: bool,
    ) -> None:
        self._lines = [Line(address, key) for _ in range(min(concurrency, len(prompts)))]
        self._prompts = iter(prompts)
        self._taking = threading.Lock()
        self._is_probe = is_probe
        self._is_over = threading.Event()
        self._told: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self._dialects: Mapping[DialectName, Dialect] = {
            "openai": OpenAIDialect(),
            "anthropic": AnthropicDialect(),
        }

    def outcomes(self) -> Iterator[Outcome]:
        """What became of each request, as they end; fewer than all where it is stopped."""
        for line in self._lines:
            threading.Thread(target=self._work, args=(line,), daemon=True).start()
        at_work = len(self._lines)
        while at_work:
            outcome = self._told.get()
            if outcome is None:
                at_work -= 1
            else:
                yield outcome

    def stop(self) -> None:
        """Give up what is asked at the moment, and ask no more."""
        self._is_over.set()
        for line in self._lines:
            line.cut()

    def _work(self, line: Line) -> None:
        try:
            while (prompt := self._next()) is not None:
                outcome = self._ask(line, prompt)
                if outcome.ends_all:
                    self._is_over.set()
                self._told.put(outcome)
        finally:
            line.close()
            self._told.put(None)

    def _next(self) -> Prompt | None:
        with self._taking:
            return None if self._is_over.is_set() else next(self._prompts, None)

    def _ask(self, line: Line, prompt: Prompt) -> Outcome:
        try:
            return self._ask_in_turn(line, prompt)
        except Unreachable as error:
            return Outcome(prompt.line, Kind.FAILED, error.message, ends_all=error.is_absent)

    def _ask_in_turn(self, line: Line, prompt: Prompt) -> Outcome:
        """Ask in the dialect that the model wants, which the gateway knows."""
        for name in prompt.dialects[:-1]:
            dialect = self._dialects[name]
            reply = line.post(*self._request(prompt, dialect))
            if not is_other_dialect(reply):
                return judge(prompt, reply, dialect)
        dialect = self._dialects[prompt.dialects[-1]]
        return judge(prompt, line.post(*self._request(prompt, dialect)), dialect)

    def _request(self, prompt: Prompt, dialect: Dialect) -> tuple[str, bytes, Mapping[str, str]]:
        headers = {name.decode(): value.decode() for name, value in dialect.default_headers}
        if self._is_probe:
            headers["cache-control"] = _PROBE
        if prompt.tags:
            headers["x-headrace-tags"] = ", ".join(prompt.tags)
        if prompt.ttl_s is not None:
            headers["x-headrace-ttl"] = str(prompt.ttl_s)
        path = dialect.grammars[prompt.operation(dialect.name)].path
        return f"/v1{path}", prompt.body(dialect.name), headers
