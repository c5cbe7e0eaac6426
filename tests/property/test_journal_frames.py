"""Records of a journal come back as they were, or not at all, whatever happens to the bytes."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.store.journal.frames import FRAME_BYTES_MAX, frame, read_frames

RECORDS = st.lists(st.binary(min_size=1, max_size=40), max_size=12)


def read(data: bytes, *, passes_damage: bool = True) -> tuple[list[bytes], int, int]:
    return read_frames(data, 1000, is_last=True, passes_damage=passes_damage)


@given(RECORDS, st.integers(0, 64))
def test_what_is_written_is_read(records: list[bytes], zeros: int) -> None:
    data = b"".join(map(frame, records))
    for passes_damage in (True, False):
        found, end, damaged = read(data + bytes(zeros), passes_damage=passes_damage)
        assert found == records
        assert damaged == 0
        assert end in (len(data), len(data) + zeros)


@given(RECORDS, st.integers(1, 5))
def test_it_may_be_read_in_portions(records: list[bytes], count: int) -> None:
    data = b"".join(map(frame, records))
    found: list[bytes] = []
    position = 0
    while portion := read_frames(data[position:], count, is_last=True, passes_damage=False).records:
        found += portion
        position += sum(len(frame(each)) for each in portion)
    assert found == records


@given(RECORDS, st.integers(0, 2000))
def test_what_is_cut_off_is_as_if_the_last_had_not_been_written(
    records: list[bytes], length: int
) -> None:
    data = b"".join(map(frame, records))[:length]
    found, _, _ = read(data)
    assert found == records[: len(found)]
    whole = b"".join(map(frame, found))
    assert len(data) - len(whole) < FRAME_BYTES_MAX
    assert data.startswith(whole)


@given(RECORDS.filter(bool), st.data())
def test_a_changed_byte_costs_one_record(records: list[bytes], data: st.DataObject) -> None:
    frames = [frame(each) for each in records]
    whole = bytearray(b"".join(frames))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    hurt = next(
        index for index in range(len(frames)) if at < sum(len(each) for each in frames[: index + 1])
    )
    found, end, damaged = read(bytes(whole))
    assert found == records[:hurt] + records[hurt + 1 :]
    assert damaged == 1
    assert end == len(whole)


@given(st.binary(max_size=500), RECORDS, st.binary(max_size=500))
def test_records_are_found_behind_anything(
    before: bytes, records: list[bytes], after: bytes
) -> None:
    found, end, _ = read(before + b"".join(map(frame, records)) + after)
    text = "|".join(each.hex() for each in found)
    assert "|".join(each.hex() for each in records) in text
    assert end == len(before) + sum(len(frame(each)) for each in records) + len(after)


@given(st.binary(max_size=300))
def test_garbage_is_no_record(data: bytes) -> None:
    assert read(data, passes_damage=False).__class__.__name__ == "Portion"
    assert read(data)[0] == []
