import itertools
from typing import Any

import pytest

from headrace.sim.sample import sample

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 18, "maximum": 20},
        "kind": {"enum": ["a", "b"]},
        "tags": {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
        "next": {"$ref": "#/$defs/next"},
        "maybe": {"type": ["null", "number"]},
    },
    "$defs": {"next": {"anyOf": [{"const": 4}, {"type": "null"}]}},
}


@pytest.mark.parametrize("byte", [0, 1, 77, 255])
def test_values_fit_their_schema(byte: int):
    value = sample(PERSON, itertools.repeat(byte))
    assert set(value) == set(PERSON["properties"])
    assert isinstance(value["name"], str)
    assert 18 <= value["age"] <= 20
    assert value["kind"] in ("a", "b")
    assert [type(tag) for tag in value["tags"]] == [bool, bool]
    assert value["next"] == 4
    assert isinstance(value["maybe"], float)


def test_a_schema_that_holds_itself_ends():
    endless: dict[str, Any] = {"type": "object", "properties": {"more": {"$ref": "#"}}}
    assert sample(endless, itertools.repeat(1)) is not None


@pytest.mark.parametrize("schema", [{}, {"$ref": "#/no"}, {"type": "what"}, {"items": 3}])
def test_odd_schemas_still_give_a_value(schema: dict[str, Any]):
    assert isinstance(sample(schema, iter(b"")), str)
