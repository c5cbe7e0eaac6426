"""Records for tests: plain ones, and any there can be."""

from hypothesis import strategies as st

from headrace.cache.entry import Shape
from headrace.cache.record import Record
from headrace.model import Usage

# More than any counter counts, and what every encoding of integers holds.
_COUNTS = st.integers(0, 2**53)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)
_PAIRS = st.tuples(st.binary(max_size=20), st.binary(max_size=40))


def record(key: bytes = b"k" * 20, body: bytes = b'{"id": "a"}', **fields: object) -> Record:
    """A record like those of every day; `fields` replace what it has."""
    values: dict[str, object] = {
        "key": key,
        "tenant": "app",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "tags": ("faq",),
        "shape": int(Shape.WHOLE),
        "status": 200,
        "headers": ((b"content-type", b"application/json"),),
        "body": body,
        "usage": Usage(12, 34, 5),
        "cost_usd": 0.0021,
        "seconds": 0.8,
        "stored_s": 1_700_000_000.0,
        "fresh_until_s": 1_700_003_600.0,
        "expires_s": 1_700_007_200.0,
        "seq": 1_699_999_999_123_456,
        **fields,
    }
    return Record(**values)  # type: ignore[arg-type]


RECORDS = st.builds(
    Record,
    key=st.binary(max_size=64),
    tenant=st.text(max_size=30),
    provider=st.text(max_size=30),
    model=st.text(max_size=30),
    tags=st.lists(st.text(max_size=20), max_size=4).map(tuple),
    shape=st.integers(0, 2),
    status=st.integers(100, 599),
    headers=st.lists(_PAIRS, max_size=6).map(tuple),
    body=st.binary(max_size=2000) | st.binary(max_size=20).map(lambda piece: piece * 300),
    usage=st.none() | st.builds(Usage, _COUNTS, _COUNTS, _COUNTS),
    cost_usd=st.none() | _NUMBERS,
    seconds=_NUMBERS,
    stored_s=_NUMBERS,
    fresh_until_s=_NUMBERS,
    expires_s=_NUMBERS,
    seq=_COUNTS,
)
