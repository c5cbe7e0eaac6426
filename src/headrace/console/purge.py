"""What is to be purged, as a query says it. Pure."""

import re
from collections.abc import Sequence

from headrace.errors import InvalidRequest

NAME_CHARACTERS_MAX = 256

_KEY = re.compile(r"[0-9a-f]{16,128}")
_HOW = "Say what to purge: one of key=HEX, tag=NAME, model=PROVIDER/MODEL, tenant=NAME or all=true."


def read_scope(pairs: Sequence[tuple[str, str]]) -> str:
    """The scope that a query names.

    Args:
        pairs: names and values of the query, exactly one.

    Raises:
        InvalidRequest: it names none, more than one, or one there is not.
    """
    if len(pairs) != 1:
        raise InvalidRequest(_HOW, code="bad_scope")
    name, value = pairs[0]
    if name == "all" and value in ("true", "1"):
        return "all"
    if name == "key" and _KEY.fullmatch(value):
        return f"key:{value}"
    if name == "model" and "/" not in value.strip("/"):
        raise InvalidRequest(
            "A model is purged as PROVIDER/MODEL, such as openai/gpt-4o.",
            code="bad_scope",
            param="model",
        )
    if name in ("tag", "model", "tenant") and 0 < len(value) <= NAME_CHARACTERS_MAX:
        return f"{name}:{value}"
    raise InvalidRequest(_HOW, code="bad_scope", param=name[:32])
