"""Which words of minijinja templates may use: statements, filters, tests, functions."""

from collections.abc import Mapping
from typing import Final

STATEMENTS: Final = frozenset(
    (
        *("if", "elif", "else", "endif", "for", "endfor", "break", "continue"),
        *("set", "with", "endwith", "include"),
    )
)
FILTERS: Final = frozenset(
    (
        *("abs", "bool", "capitalize", "count", "d", "default", "dictsort", "first", "float"),
        *("groupby", "indent", "int", "items", "join", "last", "length", "lines", "list"),
        *("lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse"),
        *("round", "select", "selectattr", "sort", "split", "string", "sum", "title", "tojson"),
        *("trim", "truncate", "unique", "upper"),
    )
)
TESTS: Final = frozenset(
    (
        *("boolean", "defined", "divisibleby", "endingwith", "eq", "equalto"),
        *("even", "false", "float", "ge", "greaterthan", "gt", "in", "integer", "iterable"),
        *("le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd"),
        *("sequence", "startingwith", "string", "true", "undefined", "upper"),
    )
)
FUNCTIONS: Final = frozenset(("range",))
GROWING_FILTERS: Final = frozenset(("indent", "join", "map", "replace", "sum", "tojson"))
"""Filters whose results may be longer than what they are given."""

ATTRIBUTE_FILTERS: Final = frozenset(("groupby", "rejectattr", "selectattr"))
"""Filters whose first argument is the name of an attribute."""

OPERATORS_BEFORE_A_GROUP: Final = frozenset(
    ("and", "or", "not", "in", "if", "else", "elif", "is", "for", "set", "with")
)
"""Names after which a parenthesis is no call."""

ATTRIBUTES_OF_VALUES: Final = frozenset(
    name for kind in (dict, list) for name in dir(kind) if not name.startswith("_")
)
"""What Python's own lists and dictionaries answer to where they have no field of that name."""

ROLES: Final[Mapping[str, str]] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "model": "assistant",
    "assistant": "assistant",
}
"""Roles in bodies, and what messages call them."""

SYSTEM_ROLES: Final = ("system", "developer")
"""Roles whose words Anthropic's API takes beside the messages."""
