"""One call for the same question among all processes: who holds the lease asks, the others wait.

A lease lasts for `LEASE_S` and is renewed for as long as the call takes, so it ends by itself soon
after its process has ended. It keeps others away and promises nothing more: where it cannot be had
in time, everybody asks for themselves, which costs a call and never an answer. Whoever hands leases
out is left alone after failures in a row, like any tier.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from headrace.cache.breaker import Breaker
from headrace.cache.tier import TierFault
from headrace.cache.tiers import Found, Spawn, TierStack
from headrace.clock import Clock
from headrace.store.faults import StoreFault

if TYPE_CHECKING:
    from headrace.store.store import Store

LEASE_S: Final = 30.0
# Nobody waits for a claim.
CLAIM_S_MAX: Final = 2.0
# A third of it, so that two renewals may fail.
RENEW_S: Final = 10.0
_RENEW_PAUSE_S: Final = 1.0
_PAUSE_S_MIN: Final = 0.01
_PAUSE_S_MAX: Final = 0.25
# Together as long as a lease.
_RELEASE_PAUSES_S: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class Leases(Protocol):
    """Who hands leases out."""

    async def try_lease(self, key: bytes, ttl_s: float, token: bytes = b"") -> bytes | None:
        """What `release` is called with, or `None` where somebody else has it.

        Args:
            key: canonical key.
            ttl_s: how long it lasts.
            token: what `release` is to be called with; made up where it is empty.

        Raises:
            TierFault: nobody knows; it may have been taken.
        """
        ...

    async def release(self, key: bytes, token: bytes) -> bool: ...

    async def renew(self, tokens: Mapping[bytes, bytes], ttl_s: float) -> None:
        """Hold leases for longer, by key; those that are somebody else's by now stay theirs.

        Raises:
            TierFault: it is not known which are.
        """
        ...


class _Lease(NamedTuple):
    """A lease of this process."""

    token: bytes
    taken_s: float
    renewed_s: float


class Turns:
    """Belongs to one event loop.

    Args:
        leases: who hands them out.
        tiers: where the answer of another process appears.
        clock: the time.
        timeout_s: how long it may take to hear whether a lease can be had, in seconds.
        spawn: starts the tasks that ask for leases.
        call_s_max: how long a call may take, in seconds.
    """

    def __init__(
        self,
        leases: Leases,
        tiers: TierStack,
        clock: Clock,
        *,
        timeout_s: float,
        spawn: Spawn,
        call_s_max: float,
    ) -> None:
        self._leases = leases
        self._tiers = tiers
        self._clock = clock
        self._timeout_s = timeout_s
        self._spawn = spawn
        self._breaker = Breaker()
        self._call_s_max = call_s_max
        # The one whose renewal is longest ago stands first.
        self._held: dict[bytes, _Lease] = {}
        self._is_renewing = False
        self._next_renewal_s = 0.0

    def renew(self) -> None:
        """Hold the leases of calls that take long; to be called every second or so."""
        now_s = self._clock.monotonic_s()
        if now_s < self._next_renewal_s or self._is_renewing:
            return
        self._next_renewal_s = now_s + _RENEW_PAUSE_S
        due: dict[bytes, _Lease] = {}
        for key, lease in self._held.items():
            if now_s - lease.renewed_s < RENEW_S:
                break
            due[key] = lease
        if due:
            self._is_renewing = True
            self._spawn(self._renew(due))

    async def take(self, key: bytes) -> bytes | None:
        """The lease on a key, empty where nobody knows; `None` where somebody else has it."""
        try:
            return await self._try_lease(key)
        except TierFault:
            return b""

    async def claim(self, name: bytes) -> bool:
        """Whether this process does what one of all is to do; where nobody knows, each does.

        It is not given back, so that those whose clocks are a little late find it taken.
        """
        try:
            async with asyncio.timeout(CLAIM_S_MAX):
                return await self._leases.try_lease(name, LEASE_S) is not None
        except (TierFault, TimeoutError):
            return True

    async def wait(self, key: bytes, is_wanted: Callable[[], bool]) -> bytes | Found | None:
        """The lease on a key, or what its holder was answered.

        Args:
            key: canonical key.
            is_wanted: whether anybody still waits for it.

        Returns:
            `None` where neither came in time, or nobody knows: then ask without a lease.
        """
        end_s = self._clock.monotonic_s() + self._call_s_max
        pause_s = _PAUSE_S_MIN
        while is_wanted():
            try:
                token = await self._try_lease(key)
            except TierFault:
                return None
            # Its holder may have ended between the look-up before and now.
            found = await self._fresh(key) if token is None or pause_s > _PAUSE_S_MIN else None
            if token is not None and found is not None:
                self._spawn(self.give_back(key, token))
            if found is not None or token is not None:
                return found or token
            if self._clock.monotonic_s() >= end_s:
                return None
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_S_MAX)
        return None

    async def _fresh(self, key: bytes) -> Found | None:
        """What a holder was answered; what is stale was there before."""
        found = await self._tiers.find(key)
        is_fresh = found is not None and found.record.fresh_until_s > self._clock.wall_s()
        return found if is_fresh else None

    async def hand_over(self, key: bytes, token: bytes) -> None:
        """The answer is on its way down: give the lease back once it is there to be found."""
        await self._tiers.flush()
        await self.give_back(key, token)

    async def give_back(self, key: bytes, token: bytes) -> None:
        """Let somebody else ask. What fails is tried again, until the lease ends by itself: nobody
        is to wait for an answer that is not under way any more."""
        lease = self._held.get(key)
        if lease is not None and lease.token == token:
            del self._held[key]
        for pause_s in _RELEASE_PAUSES_S:
            try:
                await self._leases.release(key, token)
            except TierFault:
                await asyncio.sleep(pause_s)
            else:
                return

    async def _try_lease(self, key: bytes) -> bytes | None:
        """The lease on a key, or `None` where somebody else has it.

        Raises:
            TierFault: nobody knows, at least not in time.
        """
        if not self._breaker.allows(self._clock.monotonic_s()):
            raise TierFault("leases", "they failed too often and are left alone for a while")
        said: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._spawn(self._ask(key, said))
        try:
            async with asyncio.timeout(self._timeout_s):
                token = await said
        except (TierFault, TimeoutError) as fault:
            self._breaker.failed(self._clock.monotonic_s())
            raise TierFault("leases", "there is none to be had in time") from fault
        self._breaker.succeeded()
        if token is not None:
            now_s = self._clock.monotonic_s()
            self._held.pop(key, None)
            self._held[key] = _Lease(token, now_s, now_s)
        return token

    async def _renew(self, due: Mapping[bytes, _Lease]) -> None:
        try:
            await self._leases.renew({key: lease.token for key, lease in due.items()}, LEASE_S)
        except TierFault:
            return  # they are due still
        finally:
            self._is_renewing = False
        now_s = self._clock.monotonic_s()
        for key, lease in due.items():
            if self._held.get(key) is lease:
                del self._held[key]
                if now_s - lease.taken_s < self._call_s_max:  # no call takes longer
                    self._held[key] = lease._replace(renewed_s=now_s)

    async def _ask(self, key: bytes, said: "asyncio.Future[bytes | None]") -> None:
        wanted = secrets.token_bytes(16)
        try:
            token = await self._leases.try_lease(key, LEASE_S, wanted)
        except TierFault as fault:
            if not said.done():
                said.set_exception(fault)
            await self.give_back(key, wanted)  # the answer may have been lost, and not the lease
            return
        if not said.done():
            said.set_result(token)
        elif token is not None:  # too late: a lease that nobody knows of would keep others waiting
            await self.give_back(key, token)


class StoreLeases:
    """Leases of a store, with faults of a tier.

    Args:
        store: which.
        clock: the time.
    """

    def __init__(self, store: "Store", clock: Clock) -> None:
        self._leases = store.leases
        self._clock = clock

    async def try_lease(self, key: bytes, ttl_s: float, token: bytes = b"") -> bytes | None:
        """See `Leases`."""
        token = token or secrets.token_bytes(16)
        try:
            is_ours = await self._leases.try_lease(key, token, ttl_s, self._clock.wall_s())
        except StoreFault as fault:
            raise TierFault("l3", fault.message.rstrip(".")) from fault
        return token if is_ours else None

    async def release(self, key: bytes, token: bytes) -> bool:
        """See `Leases`."""
        try:
            return await self._leases.release(key, token)
        except StoreFault as fault:
            raise TierFault("l3", fault.message.rstrip(".")) from fault

    async def renew(self, tokens: Mapping[bytes, bytes], ttl_s: float) -> None:
        """See `Leases`."""
        try:
            await self._leases.extend(tokens, ttl_s, self._clock.wall_s())
        except StoreFault as fault:
            raise TierFault("l3", fault.message.rstrip(".")) from fault
