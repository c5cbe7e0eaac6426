"""Which target of a model is asked first; the others come behind it."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from headrace.gateway.gates.gate import Gate
from headrace.routing.balance import Balance
from headrace.routing.directory import Target
from headrace.routing.load import Load

_SESSION_BYTES: Final = 16


class Way(msgspec.Struct, frozen=True, eq=False):
    """A target as its model's choice sees it.

    Attributes:
        gate: knows whether it may be asked, and how many calls it has.
        load: what the balancer goes by.
    """

    gate: Gate
    load: Load

    def is_ready(self, now_s: float) -> bool:
        """Whether it would be asked at once."""
        return not self.gate.closed_s and self.gate.breaker.would_pass(now_s)


class Choice:
    """One configured model's choice among its targets. Belongs to one event loop.

    Args:
        balance: chooses; `None` takes them as they stand.
        is_sticky: whether calls of one session stay together.
        ways: the targets.
        is_out: whether a provider is to be passed over while there are others.
        prefix_bytes_min: calls without a session's name stay together where the beginning of their
            prompt has so many bytes of JSON.

    Attributes:
        ways: the targets.
    """

    def __init__(
        self,
        balance: Balance | None,
        ways: Mapping[Target, Way],
        is_out: Callable[[str], bool],
        *,
        is_sticky: bool,
        prefix_bytes_min: int = 0,
    ) -> None:
        self.ways = ways
        self._balance = balance
        self._is_sticky = is_sticky
        self._prefix_bytes_min = prefix_bytes_min
        self._is_out = is_out

    def session(self, named: bytes, document: Mapping[str, Any]) -> bytes:
        """What calls that stay together have in common; empty where that is of no use.

        Args:
            named: what the caller calls the session, if anything.
            document: the request. Without a name it is what a provider's prompt cache begins
                with: the system prompt and the first message of the user.
        """
        if not self._is_sticky:
            return b""
        return named or self._beginning(document)

    def ranked(
        self, targets: tuple[Target, ...], session: bytes, now_s: float
    ) -> tuple[Target, ...]:
        """The same targets, the one to be asked first in front, those that are out behind.

        Args:
            targets: some of the model's, in the order of the settings.
            session: as `session` gives it.
            now_s: monotonic seconds.
        """
        well = [target for target in targets if not self._is_out(target.provider)]
        first = [target for target in well if not target.is_reserve]
        if not first:
            # Who stands in for what is left alone does so for what is out.
            first = [target for target in well if "open" in target.after]
        elif self._balance is not None:
            self._prefer(self._balance, first, session, now_s)
        if not first:
            return targets
        return (*first, *(each for each in targets if each not in first))

    def _beginning(self, document: Mapping[str, Any]) -> bytes:
        messages = document.get("messages")
        if not isinstance(messages, Sequence):
            return b""
        first: list[Any] = [document.get("system")]
        for message in messages:
            first.append(message)
            if isinstance(message, Mapping) and message.get("role") == "user":
                break
        beginning = msgspec.json.encode(first)
        if len(beginning) < self._prefix_bytes_min:
            tools = msgspec.json.encode(document.get("tools"))
            if len(beginning) + len(tools) < self._prefix_bytes_min:
                return b""
        return blake2b(beginning, digest_size=_SESSION_BYTES).digest()

    def _prefer(
        self, balance: Balance, targets: list[Target], session: bytes, now_s: float
    ) -> None:
        """Put in front who is chosen of those that would be asked at once."""
        loads = []
        for target in targets:
            way = self.ways[target]
            if way.is_ready(now_s):
                way.load.inflight = way.gate.calls
                way.load.quota_left = way.gate.quota_left
                loads.append(way.load)
        if loads:
            chosen = balance.choose(loads, now_s, session)
            at = next(at for at, each in enumerate(targets) if self.ways[each].load is chosen)
            targets.insert(0, targets.pop(at))
