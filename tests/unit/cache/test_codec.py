"""The encoding of records: what older processes wrote is read, and no bytes can do harm."""

import builtins
import struct
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from types import ModuleType
from typing import Any

import msgspec
import pytest
import zstandard
from tests.support.records import record

from headrace.cache.codec import DECODED_BYTES_MAX, decode, encode
from headrace.cache.record import Record

HEADER_BYTES = 20
NEVER = 10**9

# What version 1 made of record(). A change of it is a new version: nobody else could read it.
GOLDEN = bytes.fromhex(
    "4852010000000000000000caca9dc24004600ef9dc0010c4146b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b"
    "6ba3617070a66f70656e6169ab6770742d346f2d6d696e6991a366617100ccc89192c40c636f6e74656e742d"
    "74797065c4106170706c69636174696f6e2f6a736f6ec40b7b226964223a202261227d83ac696e7075745f74"
    "6f6b656e730cad6f75747075745f746f6b656e7322ad6361636865645f746f6b656e7305cb3f613404ea4a8c"
    "15cb3fe999999999999acb41d954fc40000000cb41d954ffc4000000cb41d9550348000000cf00060a241810"
    "e000"
)


def sealed(payload: bytes, *, version: int = 1, flags: int = 0, size: int | None = None) -> bytes:
    """Any payload with a header that is right."""
    lead = struct.pack("!2sBBQ", b"HR", version, flags, len(payload) if size is None else size)
    return lead + blake2b(lead + payload, digest_size=8).digest() + payload


def payload_of(given: Record) -> bytes:
    return msgspec.msgpack.encode(given)


def test_what_is_held_in_tiers_can_still_be_read() -> None:
    assert decode(GOLDEN) == record()
    assert encode(record(), compress_above_bytes=NEVER) == GOLDEN


def test_a_header_that_is_right_is_what_the_tests_below_begin_with() -> None:
    assert decode(sealed(payload_of(record()))) == record()


def test_large_ones_are_compressed_and_small_ones_are_not() -> None:
    large = record(body=b"the same again, " * 1000)
    plain, small = (encode(large, compress_above_bytes=limit) for limit in (NEVER, 1000))
    assert len(small) < len(plain) / 10
    assert decode(small) == decode(plain) == large
    assert len(plain) == len(payload_of(large)) + HEADER_BYTES


def test_what_compression_would_make_longer_is_left_as_it_is() -> None:
    tiny = record(body=b"")
    assert encode(tiny, compress_above_bytes=0)[3] in (0, 1)
    random_bytes = b"".join(blake2b(bytes([n])).digest() for n in range(256))
    noise = record(body=random_bytes)
    encoded = encode(noise, compress_above_bytes=0)
    assert len(encoded) <= len(payload_of(noise)) + HEADER_BYTES
    assert decode(encoded) == noise


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_a_miss(version: int) -> None:
    assert decode(sealed(payload_of(record()), version=version)) is None


@pytest.mark.parametrize("flags", [2, 4, 128, 255])
def test_an_unknown_flag_is_a_miss(flags: int) -> None:
    assert decode(sealed(payload_of(record()), flags=flags)) is None


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_size_that_is_not_true_is_a_miss(difference: int) -> None:
    payload = payload_of(record())
    frame = zstandard.compress(payload)
    assert decode(sealed(payload, size=len(payload) + difference)) is None
    assert decode(sealed(frame, flags=1, size=len(payload) + difference)) is None
    assert decode(sealed(frame, flags=1, size=len(payload))) == record()


def test_every_byte_of_every_place_counts() -> None:
    encoded = encode(record(body=b"word " * 60), compress_above_bytes=0)
    for place in range(len(encoded)):
        for bit in range(8):
            flipped = bytearray(encoded)
            flipped[place] ^= 1 << bit
            assert decode(bytes(flipped)) is None, (place, bit)


class TestBombs:
    """A few bytes that say they are many must not become many."""

    @pytest.fixture
    def expansions(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Frames that were expanded at all."""
        seen: list[int] = []

        real = zstandard.ZstdDecompressor

        class Watched:  # beside it, not below it: a type of C may not be ready to be inherited
            def decompress(self, data: Any, **options: Any) -> bytes:
                seen.append(len(data))
                return real().decompress(data, **options)

        monkeypatch.setattr(zstandard, "ZstdDecompressor", Watched)
        return seen

    def test_is_watched(self, expansions: list[int]) -> None:
        assert decode(sealed(zstandard.compress(b"\x00" * 100), flags=1, size=100)) is None
        assert len(expansions) == 1

    def test_by_its_own_word(self, expansions: list[int]) -> None:
        bomb = zstandard.compress(bytes(DECODED_BYTES_MAX + 1))
        assert len(bomb) < 100_000
        assert decode(sealed(bomb, flags=1, size=DECODED_BYTES_MAX + 1)) is None
        assert expansions == []

    def test_that_says_less_in_the_header(self, expansions: list[int]) -> None:
        bomb = zstandard.compress(bytes(1_000_000))
        assert decode(sealed(bomb, flags=1, size=1000)) is None
        assert expansions == []

    def test_that_does_not_say_how_large_it_is(self, expansions: list[int]) -> None:
        bomb = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1_000_000))
        assert decode(sealed(bomb, flags=1, size=1_000_000)) is None
        assert expansions == []

    def test_of_several_frames(self, expansions: list[int]) -> None:
        payload = payload_of(record())
        frames = zstandard.compress(payload) + zstandard.compress(bytes(1_000_000))
        assert decode(sealed(frames, flags=1, size=len(payload))) is None

    @pytest.mark.parametrize("flags", [0, 1])
    def test_a_size_beyond_the_bound(self, flags: int) -> None:
        assert decode(sealed(b"", flags=flags, size=2**63)) is None


def test_a_frame_that_is_none_is_a_miss() -> None:
    for frame in (b"", b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfd\x20\x00", b"no frame at all"):
        assert decode(sealed(frame, flags=1, size=100)) is None


def test_no_time_is_not_a_number() -> None:
    for name in ("stored_s", "fresh_until_s", "expires_s", "seconds"):
        for value in (float("nan"), float("inf"), float("-inf")):
            encoded = encode(record(**{name: value}), compress_above_bytes=NEVER)
            assert decode(encoded) is None, (name, value)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x90" * 5000,
        b"\x91" * 200_000 + b"\x90",
        msgspec.msgpack.encode([1, 2, 3]),
        msgspec.msgpack.encode({"key": b"k"}),
        msgspec.msgpack.encode(None),
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
    ],
    ids=["empty", "reserved", "arrays", "deep", "short", "map", "nil", "huge array", "huge bytes"],
)
def test_a_payload_that_is_no_record_is_a_miss(payload: bytes) -> None:
    assert decode(sealed(payload)) is None


def test_values_of_a_wrong_type_are_a_miss() -> None:
    fields = msgspec.msgpack.decode(payload_of(record()))
    for place in range(len(fields)):
        wrong: list[Any] = [*fields[:place], {"input_tokens": [1]}, *fields[place + 1 :]]
        assert decode(sealed(msgspec.msgpack.encode(wrong))) is None, place
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    assert decode(sealed(msgspec.msgpack.encode([*fields, deep]))) == record()
    assert decode(sealed(b"\xdc\x00\x11" + payload_of(record())[3:] + b"\x91" * 100_000)) is None


def test_text_that_is_no_utf8_is_a_miss() -> None:
    payload = payload_of(record())
    assert payload.count(b"\xa3app") == 1
    assert decode(sealed(payload.replace(b"\xa3app", b"\xa3\xff\xfe\xfd"))) is None


def test_without_the_package_nothing_is_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    large = record(body=b"the same again, " * 1000)
    compressed = encode(large, compress_above_bytes=0)
    real_import = builtins.__import__

    def refuse(
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if name == "zstandard":
            raise ImportError(name)
        return real_import(name, globals, locals, fromlist or (), level)

    monkeypatch.setattr(builtins, "__import__", refuse)
    plain = encode(large, compress_above_bytes=0)
    assert len(plain) > len(large.body)
    assert decode(plain) == large
    assert decode(compressed) is None
