"""Records on their way down: what is large is encoded in a thread, once, and late."""

import asyncio
import threading
from functools import partial

import pytest
from tests.support.records import record

from headrace.cache import codec
from headrace.cache.parcel import ENCODED_AT_ONCE_BYTES_MAX, Parcel
from headrace.cache.record import Record

LARGE = record(body=bytes(ENCODED_AT_ONCE_BYTES_MAX + 1))
SMALL = record(body=bytes(ENCODED_AT_ONCE_BYTES_MAX))


class Encoder:
    """Encodes, and remembers where."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.fault: Exception | None = None
        self._encode = partial(codec.encode, compress_above_bytes=1 << 30)

    def __call__(self, given: Record) -> bytes:
        self.threads.append(threading.get_ident())
        if self.fault is not None:
            raise self.fault
        return self._encode(given)


def test_what_is_small_is_encoded_at_once():
    encode = Encoder()
    parcel = Parcel(SMALL, encode)
    assert encode.threads == [threading.get_ident()]
    item = asyncio.run(parcel.item())
    assert codec.decode(item.value) == SMALL
    assert parcel.weight == len(item.value)
    assert len(encode.threads) == 1


def test_what_is_large_is_encoded_in_a_thread_when_it_is_due():
    encode = Encoder()
    parcel = Parcel(LARGE, encode)
    assert encode.threads == []
    assert parcel.weight == len(LARGE.body)
    item = asyncio.run(parcel.item())
    assert threading.get_ident() not in encode.threads
    assert codec.decode(item.value) == LARGE
    assert (item.key, item.scopes, item.worth_usd) == (LARGE.key, LARGE.scopes, LARGE.cost_usd)


def test_two_tiers_share_one_encoding_though_one_of_them_gives_up():
    encode = Encoder()

    async def both() -> bytes:
        parcel = Parcel(LARGE, encode)
        one, other = (asyncio.ensure_future(parcel.item()) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        item = await other
        assert (await parcel.item()) is item
        return item.value

    assert codec.decode(asyncio.run(both())) == LARGE
    assert len(encode.threads) == 1


def test_bytes_that_are_known_are_not_made_again():
    encode = Encoder()
    parcel = Parcel(LARGE, encode, b"known")
    assert asyncio.run(parcel.item()).value == b"known"
    assert (parcel.weight, encode.threads) == (5, [])


def test_a_mistake_is_raised_to_whoever_writes():
    encode = Encoder()
    encode.fault = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(Parcel(LARGE, encode).item())
