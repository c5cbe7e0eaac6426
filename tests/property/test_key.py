"""Cache keys over arbitrary JSON: equal exactly for equal requests of one scope."""

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from headrace.cache.key import canonical_key, decode_document, repeat_key, scope_digest
from headrace.errors import InvalidRequest

SCOPE = scope_digest(b"tenant", b"openai")
NOTHING: frozenset[str] = frozenset()

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["1", "null", "true", "a,b", '":', "1.0"])
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(texts | st.sampled_from(["a", "top_p", "stop"]), values, max_size=4)


def encode(document: dict[str, Any], **style: Any) -> bytes:
    return json.dumps(document, **style).encode()


def key(body: bytes, scope: bytes = SCOPE) -> bytes:
    return canonical_key(scope, decode_document(body), NOTHING, "m")


def as_json_sees_it(value: Any) -> Any:
    """A value whose equality is that of JSON: types apart, key order and `1.0` not."""
    if isinstance(value, dict):
        return ("object", frozenset((k, as_json_sees_it(v)) for k, v in value.items()))
    if isinstance(value, list):
        return ("array", tuple(as_json_sees_it(item) for item in value))
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return (type(value).__name__, value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return ("integer", int(value))
    return ("float" if isinstance(value, float) else "integer", value)


def shuffled(value: Any, draw: Any) -> Any:
    if isinstance(value, list):
        return [shuffled(item, draw) for item in value]
    if isinstance(value, dict):
        order = draw(st.permutations(list(value)))
        return {name: shuffled(value[name], draw) for name in order}
    return value


@given(documents, documents)
def test_keys_are_equal_exactly_where_the_requests_are(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    one["model"] = other["model"] = "m"
    same = as_json_sees_it(one) == as_json_sees_it(other)
    assert (key(encode(one)) == key(encode(other))) is same


@given(documents, st.data())
def test_one_changed_leaf_changes_the_key(document: dict[str, Any], data: st.DataObject) -> None:
    names = [name for name in document if name != "model"]
    assume(names)
    name = data.draw(st.sampled_from(names))
    value = data.draw(values)
    assume(as_json_sees_it(value) != as_json_sees_it(document[name]))
    assert key(encode(document)) != key(encode({**document, name: value}))


@given(documents, st.data())
def test_order_white_space_and_escapes_do_not_matter(
    document: dict[str, Any], data: st.DataObject
) -> None:
    other = shuffled(document, data.draw)
    plain = key(encode(document))
    assert key(encode(other, ensure_ascii=False)) == plain
    assert key(encode(other, indent=data.draw(st.integers(0, 3)))) == plain
    assert key(encode(other, separators=(" ,\n", "\t: "))) == plain


@given(st.integers(-(2**53), 2**53))
def test_an_integer_is_alike_in_every_spelling(number: int) -> None:
    spellings = {f"{number}", f"{number}.0", f"{number}e0", f"{number}.00E+0", f"{number}e-0"}
    assert len({key(f'{{"a":{text}}}'.encode()) for text in spellings}) == 1


@given(documents, st.lists(st.lists(st.binary(max_size=6), max_size=4), min_size=2, max_size=5))
def test_keys_of_different_scopes_never_meet(
    document: dict[str, Any], scopes: list[list[bytes]]
) -> None:
    body = encode(document)
    distinct = {tuple(parts) for parts in scopes}
    assert len({key(body, scope_digest(*parts)) for parts in distinct}) == len(distinct)
    assert len({repeat_key(scope_digest(*parts), body) for parts in distinct}) == len(distinct)


@given(
    st.binary(max_size=60) | st.text('{}[]":,\\u0123456789eE+-. dn', max_size=40).map(str.encode)
)
def test_any_bytes_decode_or_are_refused(body: bytes) -> None:
    try:
        document = decode_document(body)
    except InvalidRequest:
        return
    assert isinstance(document, dict)
    assert len(canonical_key(SCOPE, document, NOTHING, "m")) == 20
