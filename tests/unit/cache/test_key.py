"""Cache keys: what is refused, and the pairs that other gateways confuse."""

import random
from typing import Any

import pytest

from headrace.cache.key import (
    canonical_key,
    decode_document,
    repeat_key,
    scope_digest,
    without_marks,
)
from headrace.errors import InvalidRequest

SCOPE = scope_digest(b"tenant", b"openai", b"https://api.openai.com/v1", b"chat")
NOTHING: frozenset[str] = frozenset()


def key(body: bytes, scope: bytes = SCOPE, uncounted: frozenset[str] = NOTHING) -> bytes:
    return canonical_key(scope, decode_document(body), uncounted, "m")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b"{", "truncated"),
        (b'{"a":}', "byte 5"),
        (b'{"a":1} x', "byte 9"),
        (b'{"a":NaN}', "byte 5"),
        (b'{"a":"x\n"}', "byte 7"),
        (b'{"a":"\xff"}', "not UTF-8 (byte 6)"),
        (b'{"\xff":1}', "not UTF-8 (byte 2)"),
        (b'{"a":"\\ud800"}', "cannot be read"),
        (b'{"a":"\\udc00 and more"}', "surrogate"),
        (b'{"a":1e999}', "1e999 is out of range"),
        (b'{"a":-1e999}', "-1e999 is out of range"),
        (b'{"a":' + b"9" * 5000 + b"}", "out of range"),
        (b"[1]", "Expected `object`, got `array`"),
        (b'"text"', "Expected `object`"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
        (b"\xef\xbb\xbf{}", "byte 0"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_why(body: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_document(body)
    assert says in caught.value.message
    assert caught.value.code == "invalid_json"


def test_mutations_of_a_body_decode_or_are_refused() -> None:
    seeded = random.Random(7)
    body = b'{"model":"m","messages":[{"role":"user","content":"h\\u00e9 \\"x\\""}],"top_p":0.5}'
    for _ in range(5000):
        mutated = bytearray(body)
        for _ in range(seeded.randint(1, 6)):
            mutated[seeded.randrange(len(mutated))] = seeded.randrange(256)
        try:
            document = decode_document(bytes(mutated[: seeded.randint(1, len(mutated))]))
        except InvalidRequest:
            continue
        canonical_key(SCOPE, document, NOTHING, "m")


def test_a_document_too_deep_to_encode_is_refused() -> None:
    document: dict[str, object] = {}
    for _ in range(100_000):
        document = {"a": document}
    with pytest.raises(InvalidRequest):
        canonical_key(SCOPE, document, NOTHING, "m")
    while document:
        document = document["a"]  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"stop":"ENDtop_p: 1"}', b'{"stop":"END","top_p":1}'),
        (b'{"a":true}', b'{"a":1}'),
        (b'{"a":false}', b'{"a":0}'),
        (b'{"a":"1"}', b'{"a":1}'),
        (b'{"a":"true"}', b'{"a":true}'),
        (b'{"a":null}', b"{}"),
        (b'{"a":null}', b'{"a":"null"}'),
        (b'{"a":[]}', b'{"a":{}}'),
        (b'{"a":[]}', b'{"a":null}'),
        (b'{"a":""}', b'{"a":null}'),
        (b'{"a":[1,2]}', b'{"a":[2,1]}'),
        (b'{"a":[[1],2]}', b'{"a":[1,[2]]}'),
        (b'{"a":[1,2]}', b'{"a":["1,2"]}'),
        (b'{"a":{"b":1},"c":2}', b'{"a":{"b":1,"c":2}}'),
        (b'{"a":"\\u0000"}', b'{"a":""}'),
        (b'{"a":"e\\u0301"}', b'{"a":"\\u00e9"}'),
        (b'{"a":"x "}', b'{"a":"x"}'),
        (b'{"a":"X"}', b'{"a":"x"}'),
        (b'{"a":1.5}', b'{"a":1.25}'),
        (b'{"a":9007199254740993}', b'{"a":9007199254740992}'),
        (b'{"a":18446744073709551617}', b'{"a":18446744073709551616}'),
        (b'{"a":0}', b'{"a":5e-324}'),
        (b'{"a\\":1,\\"b":1}', b'{"a":1,"b":1}'),
    ],
)
def test_nasty_pairs_have_keys_of_their_own(one: bytes, other: bytes) -> None:
    assert key(one) != key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1}', b'{"a":1.0}'),
        (b'{"a":1}', b'{"a":1e0}'),
        (b'{"a":100}', b'{"a":1E+2}'),
        (b'{"a":0}', b'{"a":-0.0}'),
        (b'{"a":9007199254740992}', b'{"a":9007199254740992.0}'),
        (b'{"a":0.5}', b'{"a":5e-1}'),
        (b'{"a":{"x":1,"y":[{"p":1,"q":2}]},"b":2}', b'{"b":2,"a":{"y":[{"q":2,"p":1}],"x":1}}'),
        (b'{"a":"A\\/\\u00e9"}', b'{"a":"\\u0041/\xc3\xa9"}'),
        (b'{"a":"\\ud83d\\ude00"}', '{"a":"😀"}'.encode()),
        (b' {\n"a" :\t[ 1 , 2 ] } ', b'{"a":[1,2]}'),
    ],
)
def test_spellings_of_one_request_share_a_key(one: bytes, other: bytes) -> None:
    assert key(one) == key(other)


def test_uncounted_fields_and_the_callers_model_name_do_not_count() -> None:
    uncounted = frozenset({"stream", "metadata"})
    plain = key(b'{"a":1,"model":"alias"}', uncounted=uncounted)
    assert key(b'{"a":1,"model":"m","stream":true,"metadata":{}}', uncounted=uncounted) == plain
    assert key(b'{"a":1,"nested":{"stream":true}}', uncounted=uncounted) != plain
    document = decode_document(b'{"a":1,"model":"m"}')
    assert canonical_key(SCOPE, document, uncounted, "other") != plain
    assert document == {"a": 1, "model": "m"}


def test_scopes_are_told_apart_part_by_part() -> None:
    scopes = [
        scope_digest(b"tenant", b"openai"),
        scope_digest(b"tenan", b"topenai"),
        scope_digest(b"tenantopenai"),
        scope_digest(b"tenant", b"openai", b""),
        scope_digest(b"", b"tenant", b"openai"),
        scope_digest(b"openai", b"tenant"),
        scope_digest(),
    ]
    assert len(set(scopes)) == len(scopes)
    assert {len(scope) for scope in scopes} == {32}
    assert len({key(b"{}", scope) for scope in scopes}) == len(scopes)
    assert len({repeat_key(scope, b"{}") for scope in scopes}) == len(scopes)


def test_a_repeat_key_is_of_the_bytes_and_never_a_canonical_key() -> None:
    body = b'{"model":"m"}'
    assert repeat_key(SCOPE, body) == repeat_key(SCOPE, bytes(bytearray(body)))
    assert repeat_key(SCOPE, body) != repeat_key(SCOPE, body + b" ")
    assert repeat_key(SCOPE, body) != key(body)
    assert len(repeat_key(SCOPE, body)) == len(key(body)) == 20


def test_marks_are_taken_out_of_blocks_and_nowhere_else() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    result = {"type": "tool_result", "content": [{"type": "text", "text": "r", **mark}]}
    schema = {"properties": mark}
    document = {
        "tools": [{"name": "t", "input_schema": schema, **mark}],
        "system": [{"type": "text", "text": "s", **mark}, "odd"],
        "messages": [{"role": "user", "content": [{**result, **mark}]}, {"content": "c"}, 7],
    }
    assert without_marks(document, ("cache_control",)) == {
        "tools": [{"name": "t", "input_schema": schema}],
        "system": [{"type": "text", "text": "s"}, "odd"],
        "messages": [
            {
                "role": "user",
                "content": [{"type": "tool_result", "content": [{"type": "text", "text": "r"}]}],
            },
            {"content": "c"},
            7,
        ],
    }
    assert mark["cache_control"] == document["system"][0]["cache_control"]


@pytest.mark.parametrize(
    "document", [{"messages": "x"}, {"system": 5, "tools": {"cache_control": 1}}, {}]
)
def test_what_has_no_blocks_stays_as_it_is(document: dict[str, Any]) -> None:
    assert without_marks(document, ("cache_control",)) == document
