"""`${NAME}` and `${NAME:-default}` in a settings file; `$${` is a literal `${`.

YAML gives `{`, `:` and `}` meanings of their own inside `{...}` and `[...]`. References are
therefore masked, one character for one, before the text is parsed, and unmasked in the scalars:
every line and column stays what the author sees.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

_REFERENCE: Final = re.compile(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}\n]*))?\}")
# The end of the last private-use plane: no text means anything by these characters.
_MASK_START: Final = 0x10FF00
_MASK: Mapping[int, int] = {
    code: _MASK_START + code for code in range(0x20, 0x7F) if not chr(code).isalnum()
}
_UNMASK: Mapping[int, int] = {masked: code for code, masked in _MASK.items()}


class Expanded(msgspec.Struct, frozen=True):
    """A text after its references were read.

    Attributes:
        value: the text with the values of the environment in it.
        has_reference: whether any of it came from the environment.
        problem: why it cannot be used.
    """

    value: str
    has_reference: bool = False
    problem: str | None = None


def mask(text: str) -> str:
    """Replace the punctuation of every reference by characters without meaning in YAML."""
    return _REFERENCE.sub(lambda match: match[0].translate(_MASK), text)


def unmask(text: str) -> str:
    """Undo `mask`."""
    return text.translate(_UNMASK)


def expand(source: str, environment: Mapping[str, str]) -> Expanded:
    """Replace references by what the environment holds; an empty variable takes the default."""
    if "${" not in source:
        return Expanded(source)
    if "${" in _REFERENCE.sub("", source):
        return Expanded(
            source,
            problem="a reference is written ${NAME} or ${NAME:-default}, a literal ${ is $${",
        )
    missing: list[str] = []

    def value_of(match: re.Match[str]) -> str:
        escape, name, default = match[1], match[2], match[3]
        if escape:
            return match[0][1:]
        value = environment.get(name)
        if default is not None:
            return value or default
        if value is None:
            missing.append(name)
        return value or ""

    value = _REFERENCE.sub(value_of, source)
    problem = None
    if missing:
        names = ", ".join(dict.fromkeys(missing))
        problem = f"not set in the environment: {names}; set it or write ${{NAME:-default}}"
    has_reference = any(not match[1] for match in _REFERENCE.finditer(source))
    return Expanded(value, has_reference, problem)
