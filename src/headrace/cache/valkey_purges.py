"""Purges that reach every process, through Valkey or Redis.

One sorted set holds the number of the last purge of every scope; a script hands the numbers out,
so that all who purge stand in one order; a channel tells whoever listens. Messages may be lost and
a server may lose its memory: docs/decisions/0014-purges.md has the reasons why nothing purged comes
to life again all the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from headrace.cache.purges import ALL, NUMBER_STEP, SCOPES_MAX, Held, PurgeLedger
from headrace.cache.resp import Command
from headrace.cache.tier import TierFault
from headrace.cache.valkey_address import check_prefix
from headrace.cache.valkey_client import Client, Feed, Refused, Spawn
from headrace.clock import Clock

Result = TypeVar("Result")
OnPurge = Callable[[str, int], None]
OnState = Callable[[bool, str], None]

# Members of the sorted set that are no scopes: the last number, and the first of this memory.
_LAST: Final = "#last"
_AGE: Final = "#age"

_RESTORED_PER_COMMAND_MAX: Final = 500
_DAMAGED: Final = "holds purges that nobody can have put there"

# Purges have to get through where answers no longer fit: hence the flag.
_SHARED: Final = """\
#!lua flags=allow-oom
local map = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function text(number) return string.format('%.0f', number) end
local function mark(member, number) redis.call('ZADD', map, text(number), member) end
local last = tonumber(redis.call('ZSCORE', map, '#last') or '0')
"""

# ARGV: channel, step, scopes at most, message, scopes.
_PURGE: Final = (
    _SHARED
    + """\
local number = math.max(last + ARGV[2], now)
for place = 5, #ARGV do mark(ARGV[place], number) end
if last == 0 then mark('#age', number) end
local over = redis.call('ZCARD', map) - ARGV[3] - 2
if over > 0 then
  local age = redis.call('ZSCORE', map, '#age')
  redis.call('ZREM', map, '#age', '#last')
  local oldest = redis.call('ZPOPMIN', map, over + 1)
  redis.call('ZADD', map, 'GT', text(oldest[#oldest]), 'all')
  mark('#age', age)
end
mark('#last', number)
redis.call('PUBLISH', ARGV[1], text(number) .. ' ' .. text(last) .. ' ' .. ARGV[4])
return {text(number)}"""
)

# ARGV: step, the last number that who joins was told.
_JOIN: Final = (
    _SHARED
    + """\
local told = tonumber(ARGV[2])
if last == 0 or last < told then
  local number = math.max(told, now)
  if last > 0 and now <= told then
    number = told + ARGV[1]
    mark('all', number)
  end
  mark('#last', number)
  mark('#age', number)
elseif not redis.call('ZSCORE', map, '#age') then
  mark('#age', last)
end
return {cjson.encode(redis.call('ZRANGE', map, 0, -1, 'WITHSCORES'))}"""
)

# ARGV: channel, message, then numbers and scopes in turn.
_RESTORE: Final = (
    _SHARED
    + """\
local changed = 0
for place = 3, #ARGV, 2 do
  changed = changed + redis.call('ZADD', map, 'GT', 'CH', ARGV[place], ARGV[place + 1])
end
if changed > 0 then redis.call('PUBLISH', ARGV[1], '0 0 ' .. ARGV[2]) end
return {text(changed)}"""
)

_Ask = Callable[[Command], Awaitable[Any]]


class _Memory(NamedTuple):
    """What the server knows.

    Attributes:
        last: the last number it gave.
        age: the number its memory began with; another one means that it has forgotten.
        purges: scopes with the numbers of their last purges.
    """

    last: int
    age: int
    purges: Mapping[str, int]


class ValkeyPurges:
    """Tells purges of this process to all others, and theirs to this one's ledger.

    Args:
        url: where the server is; see `valkey_address.parse`.
        prefix: what the names of key and channel begin with; the same for all who belong together.
        ledger: takes in what was purged.
        on_purge: told of a purge that this process had not heard of, after the ledger: scope and
            number. One that is issued here is told when it is asked for, and when it has its
            number.
        on_state: told once when purges are heard (again), and once when they are not, and why.
        clock: tells the time.
        uniform: draws from [0, 1), for the pauses.
        spawn: starts the task that opens a connection.
        timeout_s: how long the server may take over one thing. No request waits for it.
        heartbeat_s: how often the server is asked whether nothing was missed, and is there.
        pause_s_min: about how long the first pause before another try is.
        pause_s_max: how long they get.
        away_s_max: how long this process may have been cut off from a server that has then lost
            its memory, without dropping everything it holds.
        scopes_max: purges that the server keeps apart.

    Raises:
        SettingsInvalid: URL or prefix cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        ledger: PurgeLedger,
        on_purge: OnPurge,
        on_state: OnState,
        clock: Clock,
        uniform: Callable[[], float],
        spawn: Spawn,
        timeout_s: float = 1.0,
        heartbeat_s: float = 5.0,
        pause_s_min: float = 0.1,
        pause_s_max: float = 5.0,
        away_s_max: float = 10.0,
        scopes_max: int = SCOPES_MAX,
    ) -> None:
        check_prefix(prefix)
        self._client = Client(url, tier="l2", connect_timeout_s=timeout_s, spawn=spawn)
        self._map = f"{prefix}/purges"
        self._ledger = ledger
        self._on_purge = on_purge
        self._on_state = on_state
        self._clock = clock
        self._uniform = uniform
        self._timeout_s = timeout_s
        self._heartbeat_s = heartbeat_s
        self._pause_s_min = pause_s_min
        self._pause_s_max = pause_s_max
        self._away_s_max = away_s_max
        self._scopes_max = scopes_max
        self._is_connected: bool | None = None
        self._last = 0
        self._age = 0
        self._contact_s = clock.monotonic_s()
        self._gone_s: float | None = None
        self._failures = 0
        self._owed: dict[str, Held] = {}

    @property
    def is_connected(self) -> bool:
        """Whether purges of others are heard."""
        return bool(self._is_connected)

    @property
    def has_begun(self) -> bool:
        """Whether the server was ever reached."""
        return self._age != 0

    @property
    def last(self) -> int:
        """Every purge up to this number is in the ledger."""
        return self._last

    def resume(self, last: int) -> None:
        """Every purge up to this number is in the ledger, told by somebody who knew the server."""
        self._last = max(self._last, last)

    async def publish(self, scope: str) -> int | None:
        """Purge a scope, everywhere. In force here at once, whatever becomes of it.

        Returns:
            The purge's number, or `None` where the server could not be told. Then nothing of the
            scope is valid here until it was, which `follow` sees to; others hear of it then.

        Raises:
            ValueError: the scope is empty, or cannot be written in UTF-8, as no record's can.
        """
        if not scope or scope.startswith("#"):
            raise ValueError(f"{scope!r} is no scope")
        scope.encode()
        held = self._ledger.hold(scope)
        self._on_purge(held.scope, held.ticket)
        number = None
        try:
            number = await self._settle(held, self._ask_any)
        except TierFault:
            return None
        finally:
            if number is None:
                self._owed[held.scope] = held
        return number

    async def follow(self) -> None:
        """Hear what others purge, until cancelled; reconnects as often as it takes."""
        try:
            while True:
                try:
                    await self._follow_once()
                except TierFault as fault:
                    self._lost(fault)
                await asyncio.sleep(self._pause_s())
        finally:
            self._is_connected = None

    async def close(self) -> None:
        """Let go of what `publish` uses; `follow` is cancelled by whoever started it."""
        self._client.close()

    async def _follow_once(self) -> None:
        feed = Feed(self._client)
        try:
            await feed.open(self._map, timeout_s=self._timeout_s)
            await self._join(feed)
            while True:
                await self._pay(feed)
                said = await feed.hear(timeout_s=self._heartbeat_s)
                if not (await self._is_current(feed) if said is None else self._take_in(said)):
                    await self._join(feed)
                self._contact_s = self._clock.monotonic_s()
                self._failures = 0
        finally:
            feed.close()

    async def _join(self, feed: Feed) -> None:
        """Read all that the server knows, and tell it what it has forgotten."""
        told = self._ledger.told()
        known = max(self._last, *told.values(), 0)
        command = _script(_JOIN, self._map, NUMBER_STEP, known)
        memory = self._checked(_memory_of, await feed.ask(command, timeout_s=self._timeout_s))
        is_same = memory.age == self._age
        gone_s = self._clock.monotonic_s() if self._gone_s is None else self._gone_s
        away_s = gone_s - self._contact_s
        has_begun = self._age != 0
        for scope, number in sorted(memory.purges.items(), key=lambda purge: purge[1]):
            if not is_same or number > self._last:
                self._apply(scope, number)
        self._ledger.learn(memory.last)
        self._last, self._age, self._gone_s = memory.last, memory.age, None
        if has_begun and not is_same and away_s > self._away_s_max:
            # Purges may have been told and forgotten meanwhile that nobody remembers.
            self._ledger.drop_before(memory.last)
            self._on_purge(ALL, self._ledger.latest)
        if not is_same:
            await self._restore(feed, told, memory.purges)
        self._contact_s = self._clock.monotonic_s()
        self._tell_state(True, "purges of others are heard")

    async def _restore(self, feed: Feed, told: Mapping[str, int], there: Mapping[str, int]) -> None:
        everything = there.get(ALL, 0)
        forgotten = [
            (scope, number)
            for scope, number in told.items()
            if number > max(there.get(scope, 0), everything)
        ]
        for some in _chunks(forgotten):
            message = msgspec.json.encode(dict(some))
            pairs = [part for scope, number in some for part in (number, scope)]
            command = _script(_RESTORE, self._map, self._map, message, *pairs)
            await feed.ask(command, timeout_s=self._timeout_s)

    async def _is_current(self, feed: Feed) -> bool:
        """Whether the server says, too, that nothing was missed."""
        command = ("ZMSCORE", self._map, _LAST, _AGE)
        known: object = await feed.ask(command, timeout_s=self._timeout_s)
        return known == [self._last, self._age]

    def _take_in(self, message: bytes) -> bool:
        """Apply what was told; False where something before it was not."""
        try:
            number_text, before_text, said = message.split(b" ", 2)
            number, before = int(number_text), int(before_text)
            scopes = msgspec.json.decode(said, type=list[str] | dict[str, int])
        except (ValueError, msgspec.DecodeError):
            return False  # of a version that says more
        if isinstance(scopes, dict):
            for scope, old_number in scopes.items():
                self._apply(scope, old_number)
            return True
        if number <= self._last:
            return True  # read with all the others
        if before != self._last:
            return False
        for scope in scopes:
            self._apply(scope, number)
        self._ledger.learn(number)
        self._last = number
        return True

    def _apply(self, scope: str, number: int) -> None:
        if self._ledger.apply(scope, number):
            self._on_purge(scope, number)

    async def _pay(self, feed: Feed) -> None:
        """Tell the purges that the server could not be told when they were asked for."""
        for held in list(self._owed.values()):
            await self._settle(held, lambda command: self._ask_feed(feed, command))

    async def _settle(self, held: Held, ask: _Ask) -> int:
        message = msgspec.json.encode([held.scope])
        answer = await ask(
            _script(
                _PURGE, self._map, self._map, NUMBER_STEP, self._scopes_max, message, held.scope
            )
        )
        number = self._checked(lambda said: int(said[0]), answer)
        self._apply(held.scope, number)
        self._ledger.release(held)
        owed = self._owed.get(held.scope)
        if owed is not None and owed.ticket <= held.ticket:
            del self._owed[held.scope]
        return number

    def _checked(self, read: Callable[[Any], Result], answer: Any) -> Result:
        """What an answer says; whoever may write to the server may have made nonsense of it."""
        try:
            return read(answer)
        except (msgspec.DecodeError, ValueError, TypeError, OverflowError, LookupError) as error:
            raise TierFault("l2", f"{self._client.address} {_DAMAGED}") from error

    async def _ask_any(self, command: Command) -> Any:
        (answer,) = await self._client.ask(command, timeout_s=self._timeout_s)
        return answer

    async def _ask_feed(self, feed: Feed, command: Command) -> Any:
        return await feed.ask(command, timeout_s=self._timeout_s)

    def _lost(self, fault: TierFault) -> None:
        if isinstance(fault, Refused) and self._gone_s is None:
            # From now on there is no server that could tell anybody anything.
            self._gone_s = self._clock.monotonic_s()
        self._failures += 1
        self._tell_state(False, fault.why)

    def _tell_state(self, is_connected: bool, why: str) -> None:
        if is_connected is not self._is_connected:
            self._is_connected = is_connected
            self._on_state(is_connected, why)

    def _pause_s(self) -> float:
        """Full jitter: anything up to a bound that doubles (M. Brooker, AWS, 2015)."""
        doublings = min(self._failures, 30)
        return self._uniform() * min(self._pause_s_max, self._pause_s_min * 2.0**doublings)


def _script(text: str, key: str, *arguments: bytes | str | int) -> Command:
    return ("EVAL", text, 1, key, *arguments)


def _memory_of(answer: Any) -> _Memory:
    """What the script told: members and scores in turn, as one text, since many are read faster."""
    flat = msgspec.json.decode(answer[0], type=list[str])
    scores = {
        member: int(float(score)) for member, score in zip(flat[::2], flat[1::2], strict=True)
    }
    last, age = scores.pop(_LAST), scores.pop(_AGE)
    return _Memory(last, age, scores)


def _chunks(purges: list[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    for start in range(0, len(purges), _RESTORED_PER_COMMAND_MAX):
        yield purges[start : start + _RESTORED_PER_COMMAND_MAX]
