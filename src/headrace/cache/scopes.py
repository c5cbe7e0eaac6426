"""What answers are purged by, checked: tags, and the scopes that a purge may name. Pure."""

import re
from collections.abc import Iterable
from typing import Final

from headrace.errors import InvalidRequest
from headrace.limits import TAGS_MAX

NAME_CHARACTERS_MAX: Final = 256

_TAG: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_KEY: Final = re.compile(r"(?:[0-9a-f]{2}){8,64}")


def checked_tags(names: Iterable[str], told_as: str) -> tuple[str, ...]:
    """Names that an answer can be purged by, each once and in order.

    Args:
        names: as the caller gave them.
        told_as: what the caller calls them.

    Raises:
        InvalidRequest: there are too many, or one cannot be a tag.
    """
    tags = sorted(set(names))
    if len(tags) > TAGS_MAX or not all(map(_TAG.fullmatch, tags)):
        raise InvalidRequest(
            f"{told_as} takes up to {TAGS_MAX} names, each of up to 64 letters, digits, '.', "
            "'_', ':' or '-'.",
            param=told_as,
        )
    return tuple(tags)


def checked_scope(kind: str, value: str, how: str) -> str:
    """A scope other than that of everything, as purges carry it.

    Args:
        kind: `key`, `tag`, `model` or `tenant`.
        value: which one.
        how: what to tell a caller who got it wrong.

    Raises:
        InvalidRequest: there is no such scope.
    """
    if kind == "model" and "/" not in value.strip("/"):
        raise InvalidRequest(
            "A model is purged as PROVIDER/MODEL, such as openai/gpt-4o.",
            code="bad_scope",
            param="model",
        )
    is_named = kind in ("tag", "model", "tenant") and 0 < len(value) <= NAME_CHARACTERS_MAX
    if is_named or (kind == "key" and _KEY.fullmatch(value)):
        return f"{kind}:{value}"
    raise InvalidRequest(how, code="bad_scope", param=kind[:32])
