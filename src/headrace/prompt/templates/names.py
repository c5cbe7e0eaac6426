"""What templates are called, and how a caller says which one is meant."""

import re
from typing import Final

import msgspec

from headrace.errors import InvalidRequest

NAME_CHARS_MAX: Final = 128
VERSION_DIGITS_MAX: Final = 6
LATEST: Final = "latest"
"""The label that always stands at the highest number."""
PRODUCTION: Final = "production"
"""The label that is meant where neither label nor number is given."""

_SEGMENT: Final = r"[A-Za-z0-9][A-Za-z0-9_-]*"
_PARTIAL: Final = r"_[A-Za-z0-9][A-Za-z0-9_-]*"
_NAME: Final = re.compile(rf"(?:{_SEGMENT}/)*{_SEGMENT}")
_ANY_NAME: Final = re.compile(rf"(?:{_SEGMENT}/)*(?:{_SEGMENT}|{_PARTIAL})")
_LABEL: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_SHOWN: Final = 80


class Reference(msgspec.Struct, frozen=True):
    """Which template is meant.

    Attributes:
        name: the template's.
        label: whose version is meant, `None` for the usual one.
        version: the number that is meant, `None` for that of the label.
    """

    name: str
    label: str | None = None
    version: int | None = None


def parse_reference(text: str) -> Reference:
    """Read `name`, `name@label` or `name@3`.

    Raises:
        InvalidRequest: it is none of them.
    """
    name, at, which = text.strip().partition("@")
    if not is_name(name):
        raise _unreadable(text, "names are made of letters, digits, - and _, with / between")
    if not at:
        return Reference(name)
    if is_number(which):
        return Reference(name, version=int(which))
    if not is_label(which):
        raise _unreadable(text, "what follows @ is a label, or a number from 1 on")
    return Reference(name, label=which)


def is_name(text: str, *, partials: bool = False) -> bool:
    """Whether a template can be called so; `partials`: or what is only there to be included."""
    pattern = _ANY_NAME if partials else _NAME
    if len(text) > NAME_CHARS_MAX or pattern.fullmatch(text) is None:
        return False
    return not text.rpartition("/")[2].isdigit()  # which would be a number


def is_partial(name: str) -> bool:
    """Whether this is only there to be included by others."""
    return name.rpartition("/")[2].startswith("_")


def is_label(text: str) -> bool:
    """Whether a label can be called so."""
    return _LABEL.fullmatch(text) is not None


def is_number(text: str) -> bool:
    """Whether this is the number of a version, in the one way it is written."""
    return (
        text.isascii()
        and text.isdigit()
        and len(text) <= VERSION_DIGITS_MAX
        and not text.startswith("0")
    )


def key_of(name: str, version: int) -> str:
    """What one version is called as a whole; one without a number goes by the bare name."""
    return f"{name}@{version}" if version else name


def shown(text: str) -> str:
    """A text of the caller's as a message shows it."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def _unreadable(text: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"{shown(text)} names no template: {why}. Write name, name@label or name@3.",
        param="template",
        code="invalid_value",
    )
