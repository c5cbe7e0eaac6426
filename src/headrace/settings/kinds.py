"""The kinds of value a setting may have, as the schema's type descriptions tell them."""

import math
import re
from typing import Any, Final

from msgspec import UNSET, inspect

_TRUE: Final = frozenset(("true", "yes", "on"))
_FALSE: Final = frozenset(("false", "no", "off"))
_WHOLE: Final = re.compile(r"[-+]?[0-9](?:_?[0-9]){0,39}")
_NUMBER: Final = re.compile(r"[-+]?(?:[0-9](?:_?[0-9])*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def parsed(kind: inspect.Type, text: str) -> Any:
    """`text` as a scalar of `kind`, `UNSET` where it is none."""
    match kind:
        case inspect.CustomType():
            return kind.cls(text)
        case inspect.LiteralType():
            return text if text in kind.values else UNSET
        case inspect.BoolType():
            lower = text.lower()
            return lower in _TRUE if lower in _TRUE | _FALSE else UNSET
        case inspect.IntType():
            return int(text) if _WHOLE.fullmatch(text) else UNSET
        case inspect.FloatType():
            value = float(text) if _NUMBER.fullmatch(text) else math.inf
            return value if math.isfinite(value) else UNSET
        case _:
            return text


def bound_problem(kind: inspect.Type, value: Any) -> str | None:
    """Why `value` is outside the bounds of `kind`."""
    if not isinstance(kind, inspect.IntType | inspect.FloatType):
        return None
    if kind.ge is not None and value < kind.ge:
        return f"expected at least {kind.ge}"
    if kind.gt is not None and value <= kind.gt:
        return f"expected more than {kind.gt}"
    if kind.le is not None and value > kind.le:
        return f"expected at most {kind.le}"
    return None


def wanted(kind: inspect.Type) -> str:
    """What `kind` is, in the words of a message."""
    match kind:
        case inspect.Metadata():
            return wanted(kind.type)
        case inspect.StructType():
            return f"expected a mapping with {', '.join(f.encode_name for f in kind.fields)}"
        case inspect.DictType():
            return "expected a mapping of names"
        case inspect.VarTupleType():
            return "expected a list"
        case inspect.LiteralType():
            return f"expected one of {', '.join(map(str, kind.values))}"
        case inspect.BoolType():
            return "expected true or false"
        case inspect.IntType():
            return "expected a whole number"
        case inspect.FloatType():
            return "expected a number"
        case _:
            return "expected a text"


def holds_secret(kind: inspect.Type) -> bool:
    """Whether a credential may stand anywhere in a value of `kind`."""
    match kind:
        case inspect.CustomType():
            return True
        case inspect.Metadata():
            return holds_secret(kind.type)
        case inspect.UnionType():
            return any(holds_secret(part) for part in kind.types)
        case inspect.StructType():
            return any(holds_secret(field.type) for field in kind.fields)
        case inspect.DictType():
            return holds_secret(kind.value_type)
        case inspect.VarTupleType():
            return holds_secret(kind.item_type)
        case _:
            return False


def unusable_problem(text: str) -> str | None:
    """What keeps `text` from being passed on to files, headers and logs."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        return "holds characters that are no text"
    return None
