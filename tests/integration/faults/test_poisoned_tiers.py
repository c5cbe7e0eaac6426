"""What somebody else put into a tier: never given, never an error, and soon overwritten."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from hashlib import blake2b
from math import nan
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.gateway import Gateway
from tests.support.tiered import asking, lookups, tiered, truth, words, writes
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.support.wire import Response

from headrace.cache.codec import decode, encode
from headrace.cache.record import Record
from headrace.model import Usage
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running
from headrace.store.open import CACHE_FILE

PREFIX = b"headrace:"
OURS, THEIRS = ({"authorization": f"Bearer key-of-{name}"} for name in ("us", "them"))


class Shop:
    """A gateway of two tenants with one tier, and a way to what that tier holds.

    Attributes:
        tier: its name.
    """

    def __init__(self, gateway: Gateway, sim: ThreadedSim, tier: str) -> None:
        self.gateway = gateway
        self.sim = sim
        self.tier = tier

    def keep(self, text: str, headers: dict[str, str]) -> bytes:
        """Have a question answered and kept, and pushed out of memory; its key."""
        before = writes(self.gateway, self.tier)
        answer = asking(self.gateway, text, headers=headers)
        assert (answer.status, answer.cache) == (200, "miss")
        asking(self.gateway, text + " Or something else?", headers=headers)
        eventually(lambda: writes(self.gateway, self.tier) >= before + 2)
        return bytes.fromhex(answer.headers["x-headrace-key"])

    def ask(self, text: str) -> Response:
        return asking(self.gateway, text, headers=OURS)

    def get(self, key: bytes) -> bytes:
        raise NotImplementedError

    def put(self, key: bytes, value: bytes) -> None:
        raise NotImplementedError


class ValkeyShop(Shop):
    valkey: Valkey

    def get(self, key: bytes) -> bytes:
        value: bytes = self.valkey.command("GET", PREFIX + key)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        self.valkey.command("SET", PREFIX + key, value)


class SqliteShop(Shop):
    file: Path

    def get(self, key: bytes) -> bytes:
        with closing(sqlite3.connect(self.file)) as db:
            query = "SELECT value FROM headrace_answers WHERE key = ?"
            value: bytes = db.execute(query, (key,)).fetchone()[0]
            return value

    def put(self, key: bytes, value: bytes) -> None:
        with closing(sqlite3.connect(self.file)) as db, db:
            update = "UPDATE headrace_answers SET value = ? WHERE key = ?"
            assert db.execute(update, (value, key)).rowcount == 1


@pytest.fixture(scope="module", params=["l2", "l3"])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    keys = [{"key": f"key-of-{name}", "tenant": name} for name in ("us", "them")]
    with ExitStack() as stack:
        sim = stack.enter_context(running(SimOptions()))
        open_gateway = partial(_open, stack, folder, sim, keys=keys)
        if request.param == "l2":
            (folder / "valkey").mkdir()
            valkey = stack.enter_context(Valkey(folder / "valkey"))
            shop: Shop = ValkeyShop(open_gateway({"shared": valkey.url}), sim, "l2")
            shop.valkey = valkey  # type: ignore[attr-defined]
        else:
            gateway = open_gateway({"durable": True}, data_dir=str(folder))
            shop = SqliteShop(gateway, sim, "l3")
            shop.file = folder / CACHE_FILE  # type: ignore[attr-defined]
        yield shop


def _open(
    stack: ExitStack, folder: Path, sim: ThreadedSim, cache: dict[str, Any], **more: Any
) -> Gateway:
    whole = tiered(sim, cache={"tier_timeout_ms": 2000, **cache}, **more)
    return stack.enter_context(Gateway(folder / "gateway", whole))


def changed(**fields: Any) -> Callable[[bytes, bytes], bytes]:
    """The record that was there, with other fields and a right checksum."""

    def change(ours: bytes, _theirs: bytes) -> bytes:
        record = decode(ours)
        assert record is not None
        return packed(msgspec.structs.replace(record, **fields))

    return change


def packed(record: Record) -> bytes:
    return encode(record, compress_above_bytes=1 << 30)


def flipped(ours: bytes, _theirs: bytes) -> bytes:
    return ours[:-50] + bytes((ours[-50] ^ 1,)) + ours[-49:]


def of_another_version(ours: bytes, _theirs: bytes) -> bytes:
    record = decode(ours)
    assert record is not None
    plain = packed(record)
    lead, payload = plain[:2] + b"\x02" + plain[3:12], plain[20:]
    return lead + blake2b(lead + payload, digest_size=8).digest() + payload


POISONS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "garbage": lambda _ours, _theirs: b"no answer at all",
    "nothing": lambda _ours, _theirs: b"",
    "flipped": flipped,
    "cut": lambda ours, _theirs: ours[:-1],
    "of another version": of_another_version,
    "another tenant's": lambda _ours, theirs: theirs,
    "another tenant's under our key": changed(tenant="them"),
    "another key in it": changed(key=b"k" * 20),
    "an error": changed(status=500),
    "no such status": changed(status=7),
    "no such shape": changed(shape=7),
    "a header that begins another answer": changed(
        headers=((b"content-type", b"text/plain\r\n\r\nHTTP/1.1 200 OK"),)
    ),
    "a price that is no number": changed(cost_usd=nan),
    "a price below nothing": changed(cost_usd=-1e9),
    "tokens below nothing": changed(usage=Usage(-(10**9), 1, 1)),
    "expired": changed(expires_s=1.0),
    "for ever": changed(expires_s=nan),
    "of a purge that never was": changed(seq=2**60),
}


@pytest.mark.parametrize("poison", POISONS)
def test_poison_is_never_given(shop: Shop, poison: str):
    text = f"What is {poison}?"
    theirs, ours = shop.keep(text, THEIRS), shop.keep(text, OURS)
    assert ours != theirs
    shop.put(ours, POISONS[poison](shop.get(ours), shop.get(theirs)))
    invalid, bad = lookups(shop.gateway, shop.tier, "invalid"), shop.get(ours)
    answer = shop.ask(text)
    assert (answer.status, answer.cache) == (200, "miss")
    assert words(answer) == truth(shop.sim, text)
    if poison != "another tenant's under our key":  # which is seen above the tier
        assert lookups(shop.gateway, shop.tier, "invalid") == invalid + 1
    eventually(lambda: shop.get(ours) != bad)  # the right answer is there again
    shop.ask("Something else, to push it out of memory.")
    again = shop.ask(text)
    assert (again.cache, words(again)) == (shop.tier, words(answer))
    saved = shop.gateway.metrics().get(f'headrace_saved_usd_total{{by="{shop.tier}"}}', 0.0)
    assert 0 <= saved < 1


def test_good_values_are_given(shop: Shop):
    """Or the test above would prove nothing."""
    ours = shop.keep("What is good?", OURS)
    shop.put(ours, changed()(shop.get(ours), b""))
    assert shop.ask("What is good?").cache == shop.tier
