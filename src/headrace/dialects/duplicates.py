"""Names that stand twice in one object of a request.

Readers of JSON differ in which value they take (RFC 8259, 4), so that such a body could mean one
thing to whoever stores its answer and another to the provider.
"""

import json
from typing import Any

# Finding out which name it is takes far longer than finding out that there is one.
NAMED_BYTES_MAX = 1024 * 1024
_PATH_CHARS_MAX = 200
_NAME_CHARS_MAX = 60

# Where a value stands: the same of what holds it, and its name or its number in there.
_Trail = tuple[Any, "str | int"] | None


def has_duplicates(body: bytes, written: bytes) -> bool:
    """Whether a name stands twice in one object, at any depth.

    Args:
        body: sound JSON.
        written: the same, decoded and encoded again without white space, names in their order.
    """
    if body == written:
        return False
    # Every name is followed by one colon, and all other colons stand in texts, which never lose
    # any: what is missing went with a name that was replaced by its second.
    colons = body.count(b":")
    if b"\\" in body and b"\\u003" in body:  # the first is found far faster, and mostly missing
        escapes = body.replace(b"\\\\", b"")  # without escaped backslashes, every other begins one
        colons += escapes.count(b"\\u003a") + escapes.count(b"\\u003A")
    return colons > written.count(b":")


def find_duplicate(body: bytes) -> str | None:
    """The path of a name that stands twice in one object, such as `messages[0].role`.

    Args:
        body: sound JSON.

    Returns:
        `None` where there is none, or it cannot be told in good time.
    """
    if len(body) > NAMED_BYTES_MAX:
        return None
    try:
        # Numbers stay texts: nobody asks for them, and long ones take long.
        document = json.loads(body, object_pairs_hook=tuple, parse_int=str, parse_float=str)
    except RecursionError:
        return None
    waiting: list[tuple[_Trail, Any]] = [(None, document)]
    while waiting:
        trail, value = waiting.pop()
        if type(value) is list:
            waiting.extend(((trail, at), item) for at, item in enumerate(value))
        elif type(value) is tuple:  # an object
            names = set()
            for name, _ in value:
                if name in names:
                    return _spelled((trail, name))
                names.add(name)
            waiting.extend(((trail, name), item) for name, item in value)
    return None


def _spelled(trail: _Trail) -> str:
    parts: list[str] = []
    while trail is not None:
        trail, label = trail
        parts.append(f"[{label}]" if isinstance(label, int) else f".{label[:_NAME_CHARS_MAX]}")
    path = "".join(reversed(parts)).removeprefix(".")
    return path if len(path) <= _PATH_CHARS_MAX else f"…{path[-_PATH_CHARS_MAX:]}"
