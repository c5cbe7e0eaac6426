"""Embedding requests of several callers as one, and its answer in parts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.dialects.openai_embeddings import read_ask, split, split_reply, write_ask


def body(given: Any, **fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": given, **fields}).encode()


def reply(count: int, **fields: Any) -> dict[str, Any]:
    data = [
        {"object": "embedding", "index": at, "embedding": [at, at + 0.5]} for at in range(count)
    ]
    usage = {"prompt_tokens": 100, "total_tokens": 100}
    return {"object": "list", "data": data, "model": "m-1", "usage": usage, **fields}


@pytest.mark.parametrize(
    ("sent", "inputs"),
    [
        ("a", (b'"a"',)),
        (["a", "b"], (b'"a"', b'"b"')),
        ([1, 2, 3], (b"[1, 2, 3]",)),
        ([[1, 2], [3]], (b"[1, 2]", b"[3]")),
        (["a", "a"], (b'"a"', b'"a"')),
        ([""], (b'""',)),
    ],
)
def test_inputs_are_read_as_they_came(sent: Any, inputs: tuple[bytes, ...]) -> None:
    ask = read_ask(body(sent, encoding_format="base64", dimensions=4))
    assert ask is not None
    assert ask.inputs == inputs
    assert ask.is_text is inputs[0].startswith(b'"')
    assert ask.fields == (("dimensions", b"4"), ("encoding_format", b'"base64"'))


@pytest.mark.parametrize(
    "sent", [[], ["a", [1]], ["a", 1], [None], [{"text": "a"}], [True], [-1.5], {"a": 1}, None]
)
def test_what_is_neither_texts_nor_tokens_goes_alone(sent: Any) -> None:
    assert read_ask(body(sent)) is None


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"model":"m"}', b'{"input":"a"'])
def test_what_cannot_be_read_goes_alone(raw: bytes) -> None:
    assert read_ask(raw) is None


def test_tokens_are_counted_or_estimated() -> None:
    counted = read_ask(body([[1, 2, 3], [4], [4]]))
    estimated = read_ask(body(["water " * 100]))
    assert counted is not None
    assert estimated is not None
    assert counted.tokens == 4
    assert 100 <= estimated.tokens <= 300


def test_one_request_is_written_for_all() -> None:
    ask = read_ask(body(["a", "b"], user="ü", dimensions=4))
    assert ask is not None
    whole = write_ask('my "model"', ask.fields, [*ask.inputs, b'"c"'])
    assert json.loads(whole) == {
        "model": 'my "model"',
        "user": "ü",
        "dimensions": 4,
        "input": ["a", "b", "c"],
    }


def test_everyone_gets_its_own_in_its_own_order() -> None:
    whole = reply(3, id="x", extra={"a": None})
    whole["data"].reverse()  # by index, not by place
    parts = split_reply(json.dumps(whole).encode(), 3, [[2, 0, 2], [1]], [3, 1])
    assert parts is not None
    first, second = map(json.loads, parts)
    assert [item["index"] for item in first["data"]] == [0, 1, 2]
    assert [item["embedding"][0] for item in first["data"]] == [2, 0, 2]
    assert [item["embedding"][0] for item in second["data"]] == [1]
    assert first["usage"] == {"prompt_tokens": 75, "total_tokens": 75}
    assert second["usage"] == {"prompt_tokens": 25, "total_tokens": 25}
    for part in (first, second):
        assert {name: part[name] for name in ("object", "model", "id", "extra")} == {
            "object": "list",
            "model": "m-1",
            "id": "x",
            "extra": {"a": None},
        }


def test_items_without_an_index_are_taken_as_they_stand() -> None:
    whole = reply(2)
    for item in whole["data"]:
        del item["index"]
    parts = split_reply(json.dumps(whole).encode(), 2, [[1], [0]], [1, 1])
    assert parts is not None
    assert [json.loads(part)["data"][0]["embedding"][0] for part in parts] == [1, 0]


def test_no_usage_is_no_usage() -> None:
    whole = reply(1)
    del whole["usage"]
    parts = split_reply(json.dumps(whole).encode(), 1, [[0], [0]], [1, 1])
    assert parts is not None
    assert all("usage" not in json.loads(part) for part in parts)


def doubled() -> dict[str, Any]:
    whole = reply(2)
    whole["data"][1]["index"] = 0
    return whole


@pytest.mark.parametrize(
    "whole",
    [
        reply(1),
        reply(3),
        doubled(),
        {**reply(2), "data": None},
        {**reply(2), "data": [1, 2]},
        {"object": "list"},
        {**reply(2), "error": {"message": "no"}},
        [],
        "text",
    ],
)
def test_what_is_not_one_vector_for_each_is_no_answer(whole: Any) -> None:
    assert split_reply(json.dumps(whole).encode(), 2, [[0], [1]], [1, 1]) is None


@pytest.mark.parametrize("raw", [b"", b"no", b'{"data":[', b"\xff"])
def test_garbage_is_no_answer(raw: bytes) -> None:
    assert split_reply(raw, 1, [[0]], [1]) is None


def test_numbers_are_shared_however_deep_and_all_else_is_everybodys() -> None:
    usage = {"total_tokens": 7, "details": {"cached": 1, "is_x": True}, "cost": 0.5, "unit": "t"}
    assert split(usage, [1, 1]) == [
        {"total_tokens": 4, "details": {"cached": 1, "is_x": True}, "cost": 0.25, "unit": "t"},
        {"total_tokens": 3, "details": {"cached": 0, "is_x": True}, "cost": 0.25, "unit": "t"},
    ]


def test_who_weighs_nothing_at_all_shares_alike() -> None:
    assert split(5, [0, 0]) == [3, 2]


WEIGHTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=50)


@given(st.integers(0, 10**9), WEIGHTS)
def test_shares_add_up_and_are_fair(total: int, weights: list[int]) -> None:
    shares = split(total, weights)
    assert sum(shares) == total
    whole = sum(weights)
    for share, weight in zip(shares, weights, strict=True):
        fair = total * weight / whole if whole else total / len(weights)
        assert abs(share - fair) < 1.001


@given(WEIGHTS)
def test_who_sent_tokens_pays_for_exactly_those(weights: list[int]) -> None:
    assert split(sum(weights), weights) == weights
