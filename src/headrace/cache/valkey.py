"""The shared tier: answers in Valkey or Redis, where every process and machine finds them."""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from headrace.cache.resp import Command
from headrace.cache.tier import Item, TierFault
from headrace.cache.valkey_address import check_prefix
from headrace.cache.valkey_client import Client, Spawn

# One UNLINK, or scripts that are sent together.
_KEYS_PER_COMMAND_MAX: Final = 64

# What is sent in one go, if one value alone is not larger: it has to arrive within a time limit.
_LOAD_BYTES_MAX: Final = 1024 * 1024

# Whoever holds the lease is the only one who may end it.
_RELEASE: Final = """\
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0"""

_RENEW: Final = """\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])"""


class ValkeyTier:
    """Answers in Valkey or Redis: `PREFIX:KEY` with an expiry, and leases, `PREFIX/lease:KEY`.

    Look-ups and leases have a connection, and what is written has another one: nobody waits behind
    a large answer on its way to the server.

    Args:
        url: where the server is; see `valkey_address.parse`.
        prefix: what the names of all keys begin with: letters, digits and `_.-`.
        timeout_s: how long the server may take over a look-up or a lease.
        spawn: starts the tasks that open connections.
        write_timeout_s: how long it may take to write or remove, which nobody waits for.
        connect_timeout_s: how long opening a connection may take. Whoever looks up waits for it.

    Raises:
        SettingsInvalid: URL or prefix cannot be used.
    """

    name: Final = "l2"

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        timeout_s: float,
        spawn: Spawn,
        write_timeout_s: float = 1.0,
        connect_timeout_s: float = 1.0,
    ) -> None:
        check_prefix(prefix)
        self._lookups, self._writes = (
            Client(url, tier=self.name, connect_timeout_s=connect_timeout_s, spawn=spawn)
            for _ in range(2)
        )
        self._value_prefix = f"{prefix}:".encode()
        self._lease_prefix = f"{prefix}/lease:".encode()
        self._timeout_s = timeout_s
        self._write_timeout_s = write_timeout_s

    async def get(self, key: bytes) -> bytes | None:
        """The value of a key that has not expired.

        Raises:
            TierFault: the server did not say.
        """
        name = self._value_prefix + key
        # Not GET: where something else than a text stands there, that is a miss and no error.
        (values,) = await self._lookups.ask(("MGET", name), timeout_s=self._timeout_s)
        match values:
            case [bytes() | None as value]:
                return value
        raise TierFault(self.name, f"{self._lookups.address} answers something else than asked")

    async def put(self, items: Sequence[Item]) -> None:
        """Hold these in place of whatever their keys held, until they expire."""
        for some in _loads(items):
            await self._writes.ask(*map(self._set_command, some), timeout_s=self._write_timeout_s)

    async def remove(self, keys: Sequence[bytes]) -> None:
        """Hold these no longer."""
        names = [self._value_prefix + key for key in keys]
        if names:
            await self._writes.ask(
                *(_command("UNLINK", chunk) for chunk in _chunks(names)),
                timeout_s=self._write_timeout_s,
            )

    async def try_lease(self, key: bytes, ttl_s: float, token: bytes = b"") -> bytes | None:
        """Be the one among all processes who asks for a key's answer.

        Args:
            key: canonical key.
            ttl_s: after how long somebody else may, should this process die.
            token: what `release` is to be called with; made up where it is empty.

        Returns:
            What `release` is called with, or `None` where another one is at it.

        Raises:
            TierFault: nobody knows.
        """
        token = token or secrets.token_bytes(16)
        name = self._lease_prefix + key
        command = ("SET", name, token, "NX", "GET", "PX", max(1, round(ttl_s * 1000)))
        (holder,) = await self._lookups.ask(command, timeout_s=self._timeout_s)
        # Sent twice by `ask`, the second one finds what the first has set.
        return token if holder is None or holder == token else None

    async def release(self, key: bytes, token: bytes) -> bool:
        """Give a lease back; says whether it was still held.

        Raises:
            TierFault: it will end by itself.
        """
        command = ("EVAL", _RELEASE, 1, self._lease_prefix + key, token)
        (removed,) = await self._lookups.ask(command, timeout_s=self._timeout_s)
        return bool(removed)

    async def renew(self, tokens: Mapping[bytes, bytes], ttl_s: float) -> None:
        """Hold leases for longer, by key; those that are somebody else's by now stay theirs.

        Raises:
            TierFault: nobody knows which are.
        """
        ttl_ms = max(1, round(ttl_s * 1000))
        commands: list[Command] = [
            ("EVAL", _RENEW, 1, self._lease_prefix + key, token, ttl_ms)
            for key, token in tokens.items()
        ]
        for start in range(0, len(commands), _KEYS_PER_COMMAND_MAX):
            some = commands[start : start + _KEYS_PER_COMMAND_MAX]
            await self._writes.ask(*some, timeout_s=self._write_timeout_s)

    async def close(self) -> None:
        """Let go of the connections."""
        self._lookups.close()
        self._writes.close()

    def _set_command(self, item: Item) -> Command:
        expires_ms = max(1, int(item.expires_s * 1000))
        return ("SET", self._value_prefix + item.key, item.value, "PXAT", expires_ms)


def _loads(items: Sequence[Item]) -> Iterator[list[Item]]:
    load: list[Item] = []
    load_bytes = 0
    for item in items:
        if load and load_bytes + len(item.value) > _LOAD_BYTES_MAX:
            yield load
            load, load_bytes = [], 0
        load.append(item)
        load_bytes += len(item.value)
    if load:
        yield load


def _chunks(names: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(names), _KEYS_PER_COMMAND_MAX):
        yield names[start : start + _KEYS_PER_COMMAND_MAX]


def _command(name: str, keys: Iterable[bytes]) -> Command:
    return (name, *keys)
