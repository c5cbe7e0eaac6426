"""One line of a log with labels: what was asked, and whether the cheap model was good enough.

    {"request": {"messages": [...]}, "good": true}
    {"features": {"length": 0.4, "code": 1}, "good": false, "strong_good": true}

`request` is a body as it was sent, of either dialect; `features` are those that were read of one.
Other fields are passed over, so that a line may keep what else is known.
"""

from typing import Any, Final

import msgspec

from headrace.routing.complexity.calibrate import Labelled
from headrace.routing.complexity.features import NAMES, Features, read_features

LINE_BYTES_MAX: Final = 32 * 1024 * 1024


class LineBroken(ValueError):
    """A line cannot be used; the message says why."""


class _Line(msgspec.Struct, frozen=True):
    good: bool
    strong_good: bool = True
    request: dict[str, Any] | None = None
    features: dict[str, float] | None = None


def read_line(line: bytes) -> Labelled:
    """Read a line.

    Raises:
        LineBroken: it is no such line.
    """
    if len(line) > LINE_BYTES_MAX:
        raise LineBroken(f"the line is larger than {LINE_BYTES_MAX} bytes")
    try:
        read = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LineBroken(str(error)) from None
    if (read.request is None) is (read.features is None):
        raise LineBroken("expected either `request` or `features`")
    if read.request is not None:
        body_bytes = len(msgspec.json.encode(read.request))
        features = read_features(read.request, body_bytes).features
    else:
        features = _features(read.features or {})
    return Labelled(features, read.good, read.strong_good)


def _features(given: dict[str, float]) -> Features:
    for name, value in given.items():
        if name not in NAMES:
            raise LineBroken(f"there is no feature '{name[:40]}'; there are {', '.join(NAMES)}")
        if not 0 <= value <= 1:
            raise LineBroken(f"the feature '{name}' is {value}, and not from 0 to 1")
    return Features(**given)
