"""The body of a template in pieces: plain text, `{{ }}` and `{% %}`, each with its tokens. Pure.

minijinja parses bodies, but shows nobody what it found. What has to be known before (includes,
roles, statements and calls that are not let through) is found here, by the same lexical rules.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from headrace.prompt.templates.bounds import TOKENS_MAX
from headrace.prompt.templates.problems import Unusable, nearest
from headrace.prompt.templates.words import ROLES

Kind = Literal["text", "output", "statement", "raw", "role"]


class Token(msgspec.Struct, frozen=True, gc=False):
    """One word of an expression: a name, a number, a string (its value) or an operator."""

    kind: Literal["name", "number", "string", "operator"]
    text: str


class Piece(msgspec.Struct, frozen=True):
    """A part of a body.

    Attributes:
        text: as it stands in the body.
        line: where it begins, from 1.
        tokens: of an output or a statement.
        role: whose words follow, where that is all it says.
    """

    kind: Kind
    text: str
    line: int
    tokens: tuple[Token, ...] = ()
    role: str = ""


# The beginning of a tag; nearly all of them are a name and nothing else.
_OPEN: Final = re.compile(r"\{(?:\{[-+]?\s*([A-Za-z_]\w*)\s*[-+]?\}\}|[{%#])", re.ASCII)
_RAW: Final = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}")
_END_RAW: Final = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_TOKEN: Final = re.compile(
    r"""\s+
    | (?P<name>[^\W\d]\w*)
    | (?P<number>\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?|0[xXoObB][\da-fA-F_]+)
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<operator>\*\*|//|==|!=|<=|>=|[-+*/%.,:~=|<>()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
NUMBER_FILTER: Final = "_number"
"""A filter that lets numbers through, and nothing else; no template can name it."""

_MULTIPLIED: Final = frozenset(("name", "operator"))
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_HANDLEBARS: Final = re.compile(r"\{\{[-~]?\s*(?:[#/^@&!]|else\s*\}\})")
_PARTIAL: Final = re.compile(r"\{\{>\s*([\w/@-]+)\s*\}\}")
_ROLE: Final = re.compile(r"\{\{\s*role\s+(\"\w+\"|'\w+')\s*\}\}")
_INCLUDE: Final = Token("name", "include")
_SPECIAL: Final = frozenset(("role", "history", "media", "else"))
_OPENS: Final[Mapping[str, str]] = {"}}": "{{", "%}": "{%"}
_HANDLEBARS_HINT: Final = (
    "this is Handlebars, and bodies are written in Jinja here: {% if x %}...{% endif %}, "
    "{% for each in x %}...{% endfor %}, {# a comment #}"
)


def pieces_of(body: str, line: int = 1) -> list[Piece]:
    """Take a body apart, whose first line is number `line`.

    Raises:
        Unusable: it breaks off within a tag, or holds what is not Jinja.
    """
    pieces: list[Piece] = []
    at, length = 0, len(body)
    while at < length:
        found = _OPEN.search(body, at)
        start = length if found is None else found.start()
        if start > at:
            text = body[at:start]
            pieces.append(Piece("text", text, line))
            line += text.count("\n")
        if found is None:
            break
        name = found[1]
        if name is not None and name not in _SPECIAL:
            pieces.append(Piece("output", found[0], line, (Token("name", name),)))
            at = found.end()
        else:
            piece, at = _tag(body, start, line)
            pieces.append(piece)
        if "\n" in pieces[-1].text:
            line += pieces[-1].text.count("\n")
    return pieces


def without_own_lines(pieces: Sequence[Piece]) -> list[Piece]:
    """The same pieces, without the lines that hold one statement or comment and nothing else.

    Their line ends move into the tag, so that every line keeps its number.
    """
    texts = [piece.text for piece in pieces]
    last = len(pieces) - 1
    for at, piece in enumerate(pieces):
        if not _may_stand_alone(piece):
            continue
        before = pieces[at - 1] if at else None
        after = pieces[at + 1] if at < last else None
        begins = before is None or _begins_a_line(before, is_first=at == 1)
        if not begins or not (after is None or _ends_the_line(after, is_last=at + 1 == last)):
            continue
        if before is not None:
            texts[at - 1] = texts[at - 1].rstrip(" \t")
        if after is not None and "\n" in after.text:
            texts[at + 1] = texts[at + 1].partition("\n")[2]
            close = -3 if piece.text[-3] in "-+" else -2
            texts[at] = f"{piece.text[:close]}\n{piece.text[close:]}"
    return [
        piece if text == piece.text else msgspec.structs.replace(piece, text=text)
        for piece, text in zip(pieces, texts, strict=True)
    ]


def with_numbers_checked(piece: Piece) -> str:
    """The text of a tag, in which what is multiplied goes through a filter that takes numbers.

    Texts and lists would be repeated. Texts that are written out are left, since they are bounded.
    """
    text = piece.text
    parts: list[str] = []
    done, at, last = 0, 3 if text[2] in "-+" else 2, None
    for _ in range(2 * len(piece.tokens)):  # blanks may stand between any two
        found = _TOKEN.match(text, at)
        if found is None:
            break
        if found["operator"] == "*" and last is not None and last.lastgroup in _MULTIPLIED:
            parts += text[done : last.end()], f"|{NUMBER_FILTER}"
            done = last.end()
        last = found if found.lastgroup else last
        at = found.end()
    return "".join(parts) + text[done:]


def _may_stand_alone(piece: Piece) -> bool:
    """An include stands for its text, which is there on a line of its own too."""
    if piece.kind == "statement":
        return bool(piece.tokens) and piece.tokens[0].text != "include"
    return piece.kind == "raw" and piece.text.startswith("{#")


def _begins_a_line(before: Piece, *, is_first: bool) -> bool:
    if before.kind != "text":
        return False
    head, newline, tail = before.text.rpartition("\n")
    return not tail.strip(" \t") and bool(newline or (is_first and not head))


def _ends_the_line(after: Piece, *, is_last: bool) -> bool:
    if after.kind != "text":
        return False
    head, newline, _ = after.text.partition("\n")
    return not head.strip(" \t") and bool(newline or is_last)


def _tag(body: str, start: int, line: int) -> tuple[Piece, int]:
    """The tag at `start`, and where what follows it begins."""
    if (partial := _PARTIAL.match(body, start)) is not None:
        included = (_INCLUDE, Token("string", partial[1]))
        return Piece("statement", f'{{% include "{partial[1]}" %}}', line, included), partial.end()
    if (role := _ROLE.match(body, start)) is not None:
        return _role(role[0], role[1][1:-1], line), role.end()
    if body.startswith("{#", start):
        end = body.find("#}", start + 2)
        if end < 0:
            raise Unusable("a comment has no end: #} is missing", line)
        return Piece("raw", body[start : end + 2], line), end + 2
    if (raw := _RAW.match(body, start)) is not None:
        over = _END_RAW.search(body, raw.end())
        if over is None:
            raise Unusable("{% raw %} has no end: {% endraw %} is missing", line)
        return Piece("raw", body[start : over.end()], line), over.end()
    if _HANDLEBARS.match(body, start):
        raise Unusable(_HANDLEBARS_HINT, line)
    is_output = body.startswith("{{", start)
    tokens, end = _tokens(body, start + 2, "}}" if is_output else "%}", line)
    text = body[start:end]
    if is_output and tokens and tokens[0].kind == "name" and tokens[0].text in _SPECIAL:
        return _role(text, _named(tokens, line), line), end
    return Piece("output" if is_output else "statement", text, line, tokens), end


def _named(tokens: Sequence[Token], line: int) -> str:
    """The role in `{{ role("user") }}` and `{{history}}`."""
    words = [each.text for each in tokens]
    if words == ["history"]:
        return "history"
    if words[:2] == ["role", "("] and words[3:] == [")"] and tokens[2].kind == "string":
        return words[2]
    if words[0] == "media":
        raise Unusable("media is not supported: send images with the conversation", line)
    raise Unusable('a role is written {{role "user"}}, and a conversation {{history}}', line)


def _role(text: str, role: str, line: int) -> Piece:
    if role not in ROLES and role != "history":
        raise Unusable(f"{role!r} is no role{nearest(role, ROLES)}", line)
    return Piece("role", text, line, role=role)


def _tokens(body: str, at: int, close: str, line: int) -> tuple[tuple[Token, ...], int]:
    """The tokens up to `close`, and where what follows it begins."""
    tokens: list[Token] = []
    depth = 0
    if body.startswith(("-", "+"), at):
        at += 1
    while at < len(body):
        if depth == 0 or close == "%}":
            if body.startswith(close, at):
                return tuple(tokens), at + 2
            if body[at] in "-+" and body.startswith(close, at + 1):
                return tuple(tokens), at + 3
        found = _TOKEN.match(body, at)
        if found is None:
            raise Unusable(f"{body[at]!r} cannot stand between {_OPENS[close]} and {close}", line)
        at = found.end()
        kind = found.lastgroup
        if len(tokens) >= TOKENS_MAX:
            raise Unusable(f"above {TOKENS_MAX} words and signs in one tag; make more of it", line)
        if kind == "string":
            tokens.append(Token("string", _ESCAPE.sub(r"\1", found[0][1:-1])))
        elif kind == "operator":
            depth += (found[0] in "([{") - (found[0] in ")]}")
            tokens.append(Token("operator", found[0]))
        elif kind == "name":
            tokens.append(Token("name", found[0]))
        elif kind == "number":
            tokens.append(Token("number", found[0]))
    raise Unusable(f"a tag has no end: {close} is missing", line)
