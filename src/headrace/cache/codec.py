"""Records as bytes for the tiers below memory: versioned, checked, and never trusted.

An encoded record is a header and a payload:

    offset  bytes  what
    0       2      b"HR"
    2       1      version of this format
    3       1      flags: bit 0 says that the payload is a Zstandard frame
    4       8      bytes of the payload before it was compressed, big-endian
    12      8      BLAKE2b, cut to 64 bits, of bytes 0 to 12 and the payload
    20             the record in MessagePack, as `Record` says

The checksum finds what was damaged; it keeps nobody out who may write to a tier. So what is read
is bounded before it is expanded, and builds nothing but a `Record`.
"""

import struct
from hashlib import blake2b
from math import isfinite
from typing import Final

import msgspec

from headrace.cache.record import Record

_MAGIC: Final = b"HR"
_VERSION: Final = 1
_ZSTD: Final = 0x01

_LEAD: Final = struct.Struct("!2sBBQ")
_CHECKSUM_BYTES: Final = 8
_HEADER_BYTES: Final = _LEAD.size + _CHECKSUM_BYTES

DECODED_BYTES_MAX: Final = 128 * 1024 * 1024
"""No answer within the default bounds comes near it; without it a few bytes could fill memory."""

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Record)


def encode(record: Record, *, compress_above_bytes: int) -> bytes:
    """A record as bytes that `decode` understands, in any process of this version.

    Args:
        record: the record.
        compress_above_bytes: a larger payload is compressed, where that makes it smaller and the
            package `zstandard` is there.
    """
    payload = _ENCODER.encode(record)
    flags, size = 0, len(payload)
    if size > compress_above_bytes:
        compressed = _compress(payload)
        if compressed is not None and len(compressed) < size:
            flags, payload = _ZSTD, compressed
    lead = _LEAD.pack(_MAGIC, _VERSION, flags, size)
    return b"".join((lead, _checksum(lead, payload), payload))


def decoded_bytes(data: bytes) -> int:
    """How many bytes there will be to read, by its own word; it may lie."""
    return _LEAD.unpack_from(data)[3] if len(data) >= _LEAD.size else 0


def decode(data: bytes) -> Record | None:
    """The record in `data`, or `None`: cut, damaged, too large, another version, not one of ours.

    Never raises, whatever the bytes are.
    """
    if len(data) < _HEADER_BYTES:
        return None
    magic, version, flags, size = _LEAD.unpack_from(data)
    if magic != _MAGIC or version != _VERSION or flags & ~_ZSTD or size > DECODED_BYTES_MAX:
        return None
    view = memoryview(data)
    payload = view[_HEADER_BYTES:]
    if view[_LEAD.size : _HEADER_BYTES] != _checksum(view[: _LEAD.size], payload):
        return None
    if flags & _ZSTD:
        expanded = _expand(payload, size)
        return None if expanded is None else _read(expanded)
    return _read(payload) if len(payload) == size else None


def _checksum(lead: bytes | memoryview, payload: bytes | memoryview) -> bytes:
    digest = blake2b(lead, digest_size=_CHECKSUM_BYTES)
    digest.update(payload)
    return digest.digest()


def _read(payload: bytes | memoryview) -> Record | None:
    try:
        record = _DECODER.decode(payload)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
        return None
    # An expiry that is not a number would be later than any time.
    times_s = record.stored_s + record.fresh_until_s + record.expires_s
    return record if isfinite(times_s + record.seconds) else None


def _compress(payload: bytes) -> bytes | None:
    try:
        from zstandard import ZstdCompressor
    except ImportError:
        return None
    return ZstdCompressor().compress(payload)


def _expand(payload: memoryview, size: int) -> bytes | None:
    """What a frame holds, where that is `size` bytes, by its own word and in truth."""
    try:
        from zstandard import ZstdDecompressor, ZstdError, get_frame_parameters
    except ImportError:
        return None
    try:
        # Checked before: the decompressor makes room for as much as the frame says.
        if get_frame_parameters(payload).content_size != size:
            return None
        expanded = ZstdDecompressor().decompress(payload, allow_extra_data=False)
    except ZstdError:
        return None
    return expanded if len(expanded) == size else None
