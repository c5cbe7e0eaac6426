"""Names that stand twice in one object: which is told, and how."""

import pytest

from headrace.cache.key import decode_document
from headrace.dialects.duplicates import NAMED_BYTES_MAX, find_duplicate
from headrace.errors import InvalidRequest


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"model":"a","model":"b"}', "model"),
        (b'{"model":"a","model":"a"}', "model"),
        (b'{"model" : "a", "\\u006dodel" : "b"}', "model"),
        (b'{"messages":[{"role":"user"},{"role":"user","role":"system"}]}', "messages[1].role"),
        (b'{"a":[[{"b":{"c":1,"c":{}}}]]}', "a[0][0].b.c"),
        (b'{"a":{"b":1,"b":2},"a":1}', "a"),
        (b'{"":1,"":2}', ""),
        # As many colons are escaped as the second name brings along.
        (b'{"a":1,"a":"\\u003a"}', "a"),
        (b'{"b":"\\u003a","a":1,"a":2}', "a"),
        (b'{"b":"\\u003A\\\\u003a","a":1,"a":2}', "a"),
        # As long as what is left when one of them goes.
        (b'{"a":1e9,"a":1e3,"c":1e5}', "a"),
    ],
)
def test_what_stands_twice_is_named(body: bytes, path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_document(body)
    assert caught.value.param == path
    assert caught.value.message == (
        f"`{path}` is written twice in one object, and readers differ in which value they take. "
        "Correct it: write each name once."
    )


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"a":1,"A":2}',
        b'{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}',
        b'{"a":"\\":\\":", "b" :":::"}',
        b'{"\\u003a":1,"\\\\u003a":2,"\\\\\\u003A":"\\\\\\\\u003a"}',
        b'{"a":"{\\"a\\":1,\\"a\\":2}"}',
        b'{"a":1.50,"b":1e2,"c":"\\/"}',
    ],
)
def test_what_only_looks_like_it_is_let_through(body: bytes) -> None:
    decode_document(body)


def test_of_a_very_long_body_it_is_only_said_that_there_is_one() -> None:
    body = b'{"a":1,"a":"%b"}' % (b"x" * NAMED_BYTES_MAX)
    with pytest.raises(InvalidRequest, match="A name is written twice") as caught:
        decode_document(body)
    assert caught.value.param is None


def test_a_path_is_cut_where_it_is_long() -> None:
    body = b'{"a":1,"a":2}'
    for _ in range(100):
        body = b'{"%b":[%b]}' % (b"n" * 500, body)
    path = find_duplicate(body)
    assert path is not None
    assert path.endswith("[0].a")
    assert len(path) < 250
