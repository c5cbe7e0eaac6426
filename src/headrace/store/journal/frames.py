"""Records as they stand in a journal: a mark, a length, a checksum, the bytes. Pure.

A record is whole or it is not there. What is damaged is passed over: the next record is found by
its mark and proved by its checksum.
"""

import struct
from typing import Final, NamedTuple
from zlib import crc32

MARK: Final = b"\xb6HRr"
HEAD: Final = struct.Struct("<4sII")
HEAD_BYTES: Final = HEAD.size
# Two bodies of a call, as long as the settings let them be, and what else there is of it.
RECORD_BYTES_MAX: Final = 1 << 20
FRAME_BYTES_MAX: Final = HEAD_BYTES + RECORD_BYTES_MAX


class Portion(NamedTuple):
    """Records read in one go.

    Attributes:
        records: their bytes, in order.
        end: where the next one begins.
        damaged: stretches without a readable record that were passed over.
    """

    records: list[bytes]
    end: int
    damaged: int


def frame(record: bytes) -> bytes:
    """A record as it is written.

    Args:
        record: at most `RECORD_BYTES_MAX` bytes, and not empty.
    """
    return HEAD.pack(MARK, len(record), crc32(record)) + record


def read_frames(data: bytes, count_max: int, *, is_last: bool, passes_damage: bool) -> Portion:
    """The records that stand at the beginning of some bytes.

    Args:
        data: begins where a record does; long enough for any of them, or else the last.
        count_max: no more of them.
        is_last: whether nothing follows `data`.
        passes_damage: whether to look for a record behind what is none. Otherwise that is the end:
            whoever writes may be in the middle of it.
    """
    records: list[bytes] = []
    position = damaged = 0
    while len(records) < count_max:
        found = _record_at(data, position)
        if found is not None:
            records.append(found)
            position += HEAD_BYTES + len(found)
            continue
        if not passes_damage or _is_cut(data, position, is_last=is_last):
            break
        following = _next_frame(data, position + 1, is_last=is_last)
        if following < 0:  # nothing that could be one, up to the end of these bytes
            is_blank = not data[position:].strip(b"\0")
            damaged += not is_blank
            position = len(data) if is_last else max(position, len(data) - len(MARK) + 1)
            break
        damaged += 1
        position = following
    return Portion(records, position, damaged)


def _record_at(data: bytes, position: int) -> bytes | None:
    start = position + HEAD_BYTES
    if start > len(data):
        return None
    mark, length, checksum = HEAD.unpack_from(data, position)
    if mark != MARK or not 0 < length <= RECORD_BYTES_MAX or start + length > len(data):
        return None
    record = data[start : start + length]
    return record if crc32(record) == checksum else None


def _is_cut(data: bytes, position: int, *, is_last: bool) -> bool:
    """Whether a record may begin here whose rest is not among these bytes."""
    if is_last or position + FRAME_BYTES_MAX <= len(data):
        return False
    if position + HEAD_BYTES > len(data):
        return True
    mark, length, _ = HEAD.unpack_from(data, position)
    is_beyond: bool = position + HEAD_BYTES + length > len(data)
    return is_beyond and mark == MARK and 0 < length <= RECORD_BYTES_MAX


def _next_frame(data: bytes, start: int, *, is_last: bool) -> int:
    """Where the next record begins, or may begin; -1 where none does."""
    position = data.find(MARK, start)
    while position >= 0:
        is_whole = _record_at(data, position) is not None
        if is_whole or _is_cut(data, position, is_last=is_last):
            return position
        position = data.find(MARK, position + 1)
    return -1
