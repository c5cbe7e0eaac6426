"""What the body of a template may do. Pure.

minijinja has no dangerous words, but some that never end, some that make much of little, and some
that call into Python: its dictionaries and lists are Python's own, whose methods change them. Only
words that are known to be harmless are let through, and no method is called. Turns of loops are
bounded by fuel and what comes out of loops is counted (`rendering.py`); what else could grow
without bound is refused here:
- `set` builds on variables, not on what another `set` put together: nothing doubles twenty times;
- a number that multiplies is written out, and small, and texts that are repeated are written out
  too: anything else that is multiplied has to be a number when it is rendered;
- loops are few within each other, and text within loops is short.
"""

from collections.abc import Callable, Sequence
from typing import Final

from headrace.prompt.templates import words
from headrace.prompt.templates.bounds import (
    ELIFS_MAX,
    FACTOR_MAX,
    INCLUDES_MAX,
    LOOP_TEXT_CHARS_MAX,
    LOOPS_DEEP_MAX,
    REPEATED_CHARS_MAX,
)
from headrace.prompt.templates.lexer import Piece, Token
from headrace.prompt.templates.parsed import Parsed
from headrace.prompt.templates.problems import Problem, Unusable, nearest

_GROWING: Final = frozenset("~+*[{(")
_BRANCHES: Final = frozenset(("if", "elif", "endif"))

Find = Callable[[str], Parsed]
"""The file that an `include` names; raises `Unusable` where it names none."""


class Walk:
    """Goes through a body as it is going to be rendered, includes included.

    Args:
        find: finds what is included.

    Attributes:
        problems: what is not let through, and where.
        bound: names that the bodies give values to.
        may_grow: whether what comes out may be longer than what goes in, each time it is named.
        named: how often a name is printed.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        self._loops = 0
        self._loop_chars = 0
        self._includes = 0
        self._elifs: list[int] = []  # of each `if` that is open
        self._built: set[str] = set()  # names whose values were put together
        self._way: list[str] = []
        self.problems: set[Problem] = set()
        self.bound: set[str] = set()
        self.visited: list[Parsed] = []
        self.may_grow = False
        self.named = 0

    def go(self, parsed: Parsed) -> None:
        """Walk through one file; what is wrong is noted in `problems`."""
        path = parsed.source.path
        if path in self._way:
            cycle = " -> ".join([*self._way[self._way.index(path) :], path])
            raise Unusable(f"these include each other: {cycle}")
        self._way.append(path)
        self.visited.append(parsed)
        for piece in parsed.pieces:
            try:
                self._piece(piece)
            except Unusable as unusable:
                self.problems.add(Problem(path, unusable.line or piece.line, unusable.message))
        self._way.pop()

    def _piece(self, piece: Piece) -> None:
        if piece.kind == "statement":
            self._statement(piece.tokens)
        elif piece.kind == "output":
            check_expression(piece.tokens)
            self._note_growth(piece.tokens)
        elif self._loops:
            self._loop_chars += len(piece.text)
            if self._loop_chars > LOOP_TEXT_CHARS_MAX:
                raise Unusable(
                    f"above {LOOP_TEXT_CHARS_MAX} characters of text within loops; put long text "
                    "before or after them"
                )

    def _statement(self, tokens: Sequence[Token]) -> None:
        word, rest = (tokens[0].text, tokens[1:]) if tokens else ("", ())
        if word not in words.STATEMENTS:
            raise Unusable(f"{{% {word} %}} is not let through{nearest(word, words.STATEMENTS)}")
        if word == "include":
            self._include(rest)
            return
        check_expression(rest)
        self._note_growth(rest)
        if word in _BRANCHES:
            self._branch(word)
        elif word == "set":
            if not any(each.text == "=" and each.kind == "operator" for each in rest):
                raise Unusable("{% set %} takes a value here: {% set name = ... %}")
            self._bind(rest, "=")
        elif word == "with":
            self._bind(rest, "=")
        elif word == "for":
            self._enter_loop(rest)
        elif word == "endfor":
            self._loops -= 1

    def _note_growth(self, tokens: Sequence[Token]) -> None:
        for each in tokens:
            if each.kind == "name":
                self.named += 1
                self.may_grow |= each.text in words.GROWING_FILTERS
            elif each.kind == "operator" and each.text == "*":
                self.may_grow = True

    def _branch(self, word: str) -> None:
        if word == "if":
            self._elifs.append(0)
        elif self._elifs:
            if word == "endif":
                self._elifs.pop()
                return
            self._elifs[-1] += 1
            if sum(self._elifs) > ELIFS_MAX:
                raise Unusable(f"above {ELIFS_MAX} elif within one if; look it up in an object")

    def _include(self, tokens: Sequence[Token]) -> None:
        if len(tokens) != 1 or tokens[0].kind != "string":
            raise Unusable('an include names one file, in quotes: {% include "name" %}')
        self._includes += 1
        if self._includes > INCLUDES_MAX:
            raise Unusable(f"above {INCLUDES_MAX} includes, those of included files counted")
        self.go(self._find(tokens[0].text))

    def _enter_loop(self, tokens: Sequence[Token]) -> None:
        self._loops += 1
        self.may_grow = True
        if self._loops > LOOPS_DEEP_MAX:
            raise Unusable(f"above {LOOPS_DEEP_MAX} loops within each other")
        if tokens and tokens[-1].text == "recursive" and tokens[-1].kind == "name":
            raise Unusable("recursive loops are not let through")
        self._bind(tokens, "in")

    def _bind(self, tokens: Sequence[Token], sign: str) -> None:
        """Note what is given a value, and refuse to build on what was built already."""
        texts = [each.text if each.kind != "string" else "" for each in tokens]
        at = texts.index(sign) if sign in texts else len(texts)
        names = {each.text for each in tokens[:at] if each.kind == "name"}
        used = {
            each.text
            for before, each in zip((None, *tokens[at:]), tokens[at:], strict=False)
            if each.kind == "name" and not (before is not None and before.text in (".", "|"))
        }
        if "." in texts[:at]:
            raise Unusable("a value is given to a name, not to a field")
        grows = any(text in _GROWING for text in texts[at:] if text)
        built = used & self._built
        if grows and built:
            raise Unusable(
                f"{min(built)} was put together already, and nothing is put together from it "
                "again; write both where they are printed"
            )
        if grows or built:
            self._built |= names
            self.may_grow = True
        self.bound |= names


def check_expression(tokens: Sequence[Token]) -> None:
    """Refuse what an expression may not use.

    Raises:
        Unusable: it uses it.
    """
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else None
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        if token.kind == "name":
            if token.text in ("role", "history", "media", "self", "super", "caller"):
                raise Unusable(f"{token.text} cannot be used here")
            if before is not None and before.text == "is" and before.kind == "name":
                _check_test(token, after)
        elif token.kind == "operator":
            _check_operator(tokens, at, before, after)


def _check_test(token: Token, after: Token | None) -> None:
    name = token.text if token.text != "not" else (after.text if after else "")
    if name not in words.TESTS:
        raise Unusable(f"the test `is {name}` is not let through{nearest(name, words.TESTS)}")


def _check_operator(
    tokens: Sequence[Token], at: int, before: Token | None, after: Token | None
) -> None:
    match tokens[at].text:
        case "|":
            name = after.text if after is not None else ""
            if name not in words.FILTERS:
                raise Unusable(
                    f"the filter {name} is not let through{nearest(name, words.FILTERS)}"
                )
            _check_arguments(name, tokens[at + 2 :])
        case "(":
            _check_call(tokens, at, before)
        case ".":
            is_loop = before is not None and before.text == "loop"
            if after is not None and after.kind == "name" and not is_loop:
                _check_attribute(after.text)
        case "[":
            if _is_value(before) and after is not None and after.kind == "string":
                _check_attribute(after.text)
        case "*":
            _check_product(tokens, at, before, after)
        case "**":
            raise Unusable("** is not let through")


def _check_product(
    tokens: Sequence[Token], at: int, before: Token | None, after: Token | None
) -> None:
    if after is None or not _is_small(after):
        raise Unusable(f"* takes a number of at most {FACTOR_MAX}, written out: x * 100")
    if at + 2 < len(tokens) and tokens[at + 2].text == "|" and tokens[at + 2].kind == "operator":
        raise Unusable("a filter of a number that multiplies is not let through; use brackets")
    if before is not None and before.kind == "string":
        if len(before.text) * float(after.text.replace("_", "")) > REPEATED_CHARS_MAX:
            raise Unusable(f"a text is repeated to at most {REPEATED_CHARS_MAX} characters")
    elif before is None or not (before.kind == "number" or _is_value(before)):
        raise Unusable("* takes something before it: x * 100")
    elif at > 1 and before.kind == "number" and tokens[at - 2].text == ".":
        raise Unusable("a part of a list is written x[0]")
    elif at > 2 and tokens[at - 2].text == "*" and tokens[at - 3].kind == "string":
        raise Unusable("a text is repeated once")


def _check_call(tokens: Sequence[Token], at: int, before: Token | None) -> None:
    if not _is_value(before):
        return
    assert before is not None  # noqa: S101  # `_is_value` has said so
    earlier = tokens[at - 2] if at > 1 else None
    if before.kind == "name" and earlier is not None:
        is_negated = earlier.text == "not" and at > 2 and tokens[at - 3].text == "is"
        if earlier.text in ("|", "is") or is_negated:
            return
        if earlier.text == "." and before.text == "cycle" and tokens[at - 3].text == "loop":
            return
        if earlier.text == ".":
            raise Unusable(f"methods are not called: .{before.text}()")
    if before.kind != "name" or before.text not in words.FUNCTIONS:
        raise Unusable(f"{before.text}() is not let through; there is range()")


def _check_arguments(name: str, rest: Sequence[Token]) -> None:
    """The arguments of a filter that name an attribute, or another filter."""
    if not rest or rest[0].text != "(" or rest[0].kind != "operator":
        return
    depth = 0
    for at, token in enumerate(rest):
        depth += (token.text in "([{") - (token.text in ")]}") if token.kind == "operator" else 0
        if depth == 0:
            return
        is_first = at == 1
        is_named = at > 2 and rest[at - 2].text == "attribute" and rest[at - 1].text == "="
        if is_named or (is_first and name in words.ATTRIBUTE_FILTERS):
            if token.kind != "string":
                raise Unusable(f"the attribute of {name} is written out, in quotes")
            for part in token.text.split("."):
                _check_attribute(part)
        elif is_first and name == "map" and token.text != "attribute":
            if token.text not in words.FILTERS:
                raise Unusable(f"the filter {token.text} is not let through")
        elif is_first and name in ("select", "reject") and token.kind == "string":
            _check_test(token, None)


def _check_attribute(name: str) -> None:
    if name.startswith("_") or name in words.ATTRIBUTES_OF_VALUES:
        raise Unusable(
            f"a field cannot be called {name} here, which is a method of Python's; rename it"
        )


def _is_value(token: Token | None) -> bool:
    """Whether a bracket after this calls it, or takes a part of it."""
    if token is None:
        return False
    if token.kind == "name":
        return token.text not in words.OPERATORS_BEFORE_A_GROUP
    return token.kind == "string" or token.text in (")", "]", "}")


def _is_small(token: Token | None) -> bool:
    if token is None or token.kind != "number":
        return False
    try:
        return float(token.text) <= FACTOR_MAX
    except ValueError:
        return False
