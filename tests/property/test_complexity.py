"""Features of whatever is sent: from 0 to 1, the same each time, and nothing is changed."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from headrace.routing.complexity.features import read_features
from headrace.routing.complexity.weights import GUESS, LOGIT_MAX, Scorer

TEXTS = st.text(st.characters(codec=None), max_size=40)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["text", "image_url", "tool_result", "thinking", "file"]) | JSON,
        "text": TEXTS | JSON,
        "content": TEXTS | JSON,
        "is_error": st.booleans() | JSON,
    },
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "tool", "system"]) | JSON,
        "content": TEXTS | st.lists(PARTS | JSON, max_size=4) | JSON,
    },
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(MESSAGES | JSON, max_size=6) | JSON,
        "tools": JSON,
        "functions": JSON,
        "response_format": JSON,
        "tool_choice": JSON,
        "thinking": JSON,
        "reasoning_effort": JSON,
    },
)


@given(DOCUMENTS, st.integers(0, 1 << 40))
def test_whatever_is_sent_is_read_within_bounds(document: dict[str, Any], size: int) -> None:
    before = repr(document)
    reading = read_features(document, size)
    assert all(0.0 <= value <= 1.0 for value in msgspec.structs.astuple(reading.features))
    assert abs(Scorer(GUESS).logit(reading.features)) <= LOGIT_MAX
    assert read_features(document, size) == reading
    assert repr(document) == before
