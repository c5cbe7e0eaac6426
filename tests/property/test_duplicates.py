"""Names that stand twice in one object: always found, and never where there are none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cache.key import decode_document
from headrace.dialects.duplicates import find_duplicate
from headrace.errors import InvalidRequest

# Texts that look like what the check looks at.
texts = st.text('a:"\\{},u003aé😀\n', max_size=6) | st.sampled_from(
    ['":', '{"a":1,"a":2}', "\\u003a", "\\\\u003a", "a", "b", "model", "role"]
)
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
documents = st.dictionaries(texts, values, max_size=4)
spaces = st.sampled_from(["", " ", "\n\t", "  "])


class Writer:
    """Writes a value in one of the ways that mean the same.

    Args:
        data: chooses white space and escapes.
        doubled: the number of the name, counted as they are written, that is written twice.
    """

    def __init__(self, data: st.DataObject, doubled: int | None = None) -> None:
        self._data = data
        self._doubled = doubled
        self.names = 0

    def write(self, value: Any) -> str:
        space = self._data.draw(spaces)
        if isinstance(value, list):
            inner = f",{space}".join(map(self.write, value))
            return f"[{space}{inner}{space}]"
        if not isinstance(value, dict):
            return self._text(value) if isinstance(value, str) else json.dumps(value)
        pairs = []
        for name, inner in value.items():
            number, self.names = self.names, self.names + 1
            pairs.append(self._pair(name, self.write(inner)))
            if number == self._doubled:
                again = self.write(self._data.draw(values))
                at = self._data.draw(st.integers(0, len(pairs)))
                pairs.insert(at, self._pair(name, again))
        return f"{{{space}{f',{space}'.join(pairs)}{space}}}"

    def _pair(self, name: str, written: str) -> str:
        space = self._data.draw(spaces)
        return f"{self._text(name)}{space}:{space}{written}"

    def _text(self, text: str) -> str:
        written = json.dumps(text, ensure_ascii=self._data.draw(st.booleans()))
        if self._data.draw(st.booleans()):
            colon = self._data.draw(st.sampled_from(["\\u003a", "\\u003A"]))
            written = written.replace(":", colon)
        return written


@given(documents, st.data())
def test_a_sound_body_is_never_refused(document: dict[str, Any], data: st.DataObject) -> None:
    body = Writer(data).write(document).encode()
    assert decode_document(body) == document
    assert find_duplicate(body) is None


@given(documents.filter(bool), st.data())
def test_a_name_that_stands_twice_is_always_found(
    document: dict[str, Any], data: st.DataObject
) -> None:
    counter = Writer(data)
    counter.write(document)
    doubled = data.draw(st.integers(0, counter.names - 1))
    body = Writer(data, doubled).write(document).encode()
    with pytest.raises(InvalidRequest, match="written twice") as caught:
        decode_document(body)
    assert caught.value.code == "invalid_json"
    assert caught.value.param is not None
