"""Every record survives the way through a tier, and nothing else is taken for one."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.support.records import RECORDS

from headrace.cache.codec import decode, encode
from headrace.cache.record import Record

THRESHOLDS = st.sampled_from([0, 200, 10**9])


@given(RECORDS, THRESHOLDS)
def test_what_was_encoded_is_decoded(record: Record, threshold: int) -> None:
    assert decode(encode(record, compress_above_bytes=threshold)) == record


@given(RECORDS, THRESHOLDS, st.data())
def test_every_changed_byte_is_a_miss(record: Record, threshold: int, data: st.DataObject) -> None:
    encoded = bytearray(encode(record, compress_above_bytes=threshold))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    assert decode(bytes(encoded)) is None


@given(RECORDS, THRESHOLDS, st.data())
def test_what_is_cut_or_longer_is_a_miss(
    record: Record, threshold: int, data: st.DataObject
) -> None:
    encoded = encode(record, compress_above_bytes=threshold)
    assert decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))]) is None
    assert decode(encoded + data.draw(st.binary(min_size=1, max_size=40))) is None


@given(RECORDS, RECORDS, THRESHOLDS, st.data())
def test_no_mixture_of_two_records_is_one(
    one: Record, other: Record, threshold: int, data: st.DataObject
) -> None:
    first, second = (encode(each, compress_above_bytes=threshold) for each in (one, other))
    place = data.draw(st.integers(0, min(len(first), len(second))))
    mixture = first[:place] + second[place:]
    assert decode(mixture) is None or mixture in (first, second)


@given(st.binary(max_size=400))
def test_garbage_is_a_miss(data: bytes) -> None:
    assert decode(data) is None


@given(st.recursive(st.none() | st.integers(0, 9) | st.binary(max_size=9), st.lists))
def test_what_is_well_formed_and_no_record_is_a_miss(value: object) -> None:
    assert decode(msgspec.msgpack.encode(value)) is None
