"""Lines with labels: read, or refused with the reason."""

import msgspec
import pytest

from headrace.routing.complexity.features import read_features
from headrace.routing.complexity.labelled import LineBroken, read_line


def test_a_request_is_read_as_it_is_when_it_is_routed() -> None:
    request = {"model": "auto", "messages": [{"role": "user", "content": "prove it"}]}
    body = msgspec.json.encode(request)
    line = read_line(msgspec.json.encode({"request": request, "good": False, "note": "kept"}))
    assert line.features == read_features(request, len(body)).features
    assert not line.is_good
    assert line.strong_is_good


def test_features_are_taken_as_they_are() -> None:
    line = read_line(
        b'{"features": {"length": 0.5, "code": 1}, "good": true, "strong_good": false}'
    )
    assert (line.features.length, line.features.code) == (0.5, 1.0)
    assert line.is_good
    assert not line.strong_is_good


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "truncated"),
        (b"good", "malformed"),
        (b"[]", "object"),
        (b'{"good": true}', "either `request` or `features`"),
        (b'{"good": true, "request": {}, "features": {}}', "either `request` or `features`"),
        (b'{"good": "yes", "request": {}}', "bool"),
        (b'{"good": true, "features": {"lenght": 1}}', "no feature 'lenght'"),
        (b'{"good": true, "features": {"length": 1.5}}', "from 0 to 1"),
        (b'{"good": true, "features": {"length": -1}}', "from 0 to 1"),
        (b'{"good": true, "request": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}", "recursion"),
        (b'\xff{"good": true}', "malformed"),
    ],
)
def test_broken_lines_are_refused_with_the_reason(line: bytes, why: str) -> None:
    with pytest.raises(LineBroken, match=why):
        read_line(line)
