"""Has what is left out of conversations summed up, in the background.

Nobody ever waits for a summary: where it is not there yet, the prompt goes out without it. What is
going to be left out is known some turns ahead, so most are there in time.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, NamedTuple, Protocol

from headrace.errors import BudgetExceeded, HeadraceError
from headrace.gateway.tasks import Spawn
from headrace.prompt.window.fit import FitReport, Recall
from headrace.prompt.window.summaries import SummaryShelf, Wanted, digest_of, wanted
from headrace.prompt.window.weights import Message

PURPOSE: Final = "summary"
AT_ONCE_MAX: Final = 4
WAITING_MAX: Final = 64
# How long nobody is asked after a failure.
REST_S: Final = 60.0


class _Noted(NamedTuple):
    """A summary that is to be written: by whom, for whom, how long at most, and of what."""

    target: str
    tenant: str
    tokens_max: int
    wanted: Wanted


class Complete(Protocol):
    """Asks a model."""

    def __call__(
        self, target: str, prompt: str, purpose: str, tokens_max: int, tenant: str
    ) -> Awaitable[str]: ...


class Summaries:
    """Written summaries, and those that are being written.

    Belongs to one event loop; `recall` and `note` may be called from threads.

    Args:
        complete: asks a model.
        spawn: starts a task.
        now_s: gives monotonic seconds.
        bytes_max: about how much memory they may take.
    """

    def __init__(
        self, complete: Complete, spawn: Spawn, now_s: Callable[[], float], bytes_max: int
    ) -> None:
        self._complete = complete
        self._spawn = spawn
        self._now_s = now_s
        self._shelf = SummaryShelf(bytes_max)
        self._noted: deque[_Noted] = deque(maxlen=WAITING_MAX)
        self._under_way: set[bytes] = set()
        self._rests_until_s = 0.0

    def resize(self, bytes_max: int) -> None:
        """Go by another bound from the next summary on."""
        self._shelf.bytes_max = bytes_max

    def recall(self, target: str, tenant: str) -> Recall:
        """What finds the summary of messages that are left out.

        Args:
            target: who writes them.
            tenant: whose they are.
        """
        return partial(self._find, _scope(target, tenant))

    def note(
        self, target: str, tenant: str, messages: list[Message], report: FitReport, tokens_max: int
    ) -> None:
        """Have a summary written, if one is missing.

        Args:
            target: `PROVIDER/MODEL` that is asked for it.
            tenant: whose it is.
            messages: the conversation.
            report: what was left out of it, and what will be.
            tokens_max: how long it may be.
        """
        found = wanted(self._shelf, _scope(target, tenant), messages, report, tokens_max=tokens_max)
        if found is not None:
            self._noted.append(_Noted(target, tenant, tokens_max, found))

    def sweep(self) -> None:
        """Begin what was noted; a few at a time."""
        while self._noted and len(self._under_way) < AT_ONCE_MAX:
            noted = self._noted.popleft()
            found = noted.wanted
            if self._now_s() < self._rests_until_s or found.digest in self._under_way:
                continue
            if self._shelf.get(found.digest) is None:
                self._under_way.add(found.digest)
                self._spawn(self._write(noted))

    async def _write(self, noted: _Noted) -> None:
        target, tenant, tokens_max, found = noted
        try:
            said = await self._complete(target, found.prompt, PURPOSE, tokens_max, tenant)
        except BudgetExceeded:  # of this tenant; the others' are written
            return
        except HeadraceError:  # booked with the provider; the prompts go out without
            self._rests_until_s = self._now_s() + REST_S
            return
        finally:
            self._under_way.discard(found.digest)
        if said.strip():
            self._shelf.put(found.digest, said.strip())
        else:  # a model that has thought for as long as it may, say
            self._rests_until_s = self._now_s() + REST_S

    def _find(self, scope: bytes, gone: list[Message]) -> str | None:
        return self._shelf.get(digest_of(scope, gone))


def _scope(target: str, tenant: str) -> bytes:
    return f"{target}\n{tenant}".encode()
