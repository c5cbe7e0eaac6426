"""From the files of a directory to a set of templates, all of them or none.

What is wrong anywhere is told together, with file and line.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

from headrace.errors import InvalidRequest
from headrace.prompt.templates.bounds import OUTPUT_CHARS_MAX, UNCOUNTED_CHARS_MAX
from headrace.prompt.templates.check import Wanted, wanted
from headrace.prompt.templates.files import LABELS, Found
from headrace.prompt.templates.front import read_yaml
from headrace.prompt.templates.guard import Walk
from headrace.prompt.templates.lexer import Piece, with_numbers_checked, without_own_lines
from headrace.prompt.templates.names import (
    LATEST,
    PRODUCTION,
    is_label,
    is_name,
    is_number,
    is_partial,
    key_of,
    shown,
)
from headrace.prompt.templates.parsed import Parsed, parse_source
from headrace.prompt.templates.problems import Problem, Unusable, invalid, nearest
from headrace.prompt.templates.rendering import Press
from headrace.prompt.templates.schema import RESERVED, Shape
from headrace.prompt.templates.shelf import Shelf
from headrace.prompt.templates.template import Template, sign_of

_DIGEST_BYTES: Final = 16


def build(found: Found, mark: str) -> Shelf:
    """Make a set of what was found.

    Args:
        found: files and labels.
        mark: what begins a mark of a role, which no variable can hold.

    Raises:
        SettingsInvalid: something is wrong; the message holds every problem, a line each.
    """
    return _Building(found, mark).run()


class _Building:
    """The making of one set."""

    def __init__(self, found: Found, mark: str) -> None:
        self._found = found
        self._press = Press(mark)
        self._problems: set[Problem] = set(found.problems)
        self._parsed: dict[str, Parsed] = {}
        self._numbers: dict[str, list[int]] = {}
        self._walks: dict[str, Walk] = {}

    def run(self) -> Shelf:
        for source in self._found.sources:
            self._numbers.setdefault(source.name, []).append(source.version)
            try:
                self._parsed[key_of(source.name, source.version)] = parse_source(source)
            except Unusable as unusable:
                self._complain(source.path, unusable)
        versions = self._versions()
        for key, parsed in self._parsed.items():
            self._compile(key, parsed)
        templates = {key: self._template(walk) for key, walk in self._walks.items()}
        labels = self._labels(versions)
        if self._problems:
            raise invalid(self._problems)
        named = {name: each for name, each in versions.items() if not is_partial(name)}
        usual = {
            name: templates[key_of(name, labels.get(name, {}).get(PRODUCTION, numbers[-1]))]
            for name, numbers in named.items()
        }
        return Shelf(templates, named, labels, self._press, usual)

    def _complain(self, path: str, unusable: Unusable) -> None:
        self._problems.add(Problem(path, unusable.line, unusable.message))

    def _versions(self) -> dict[str, tuple[int, ...]]:
        versions = {name: tuple(sorted(numbers)) for name, numbers in self._numbers.items()}
        for name, numbers in versions.items():
            if numbers[0] == 0 and len(numbers) > 1:
                message = f"{name} has numbers as well; make this one of them: {name}/N.prompt"
                self._problems.add(Problem(f"{name}.prompt", 0, message))
        return versions

    def _included(self, name: str) -> Parsed:
        """The file that an include names: `name`, or `name@3` where it has numbers."""
        bare, at, number = name.partition("@")
        if not is_name(bare, partials=True) or (at and not is_number(number)):
            raise Unusable(
                f"{shown(name)} names no file of this directory: write a name such as tone, "
                "parts/tone, or tone@2 for a number"
            )
        above, slash, last = bare.rpartition("/")
        candidates = (bare, bare if last.startswith("_") else f"{above}{slash}_{last}")
        known = next((each for each in candidates if each in self._numbers), None)
        if known is None:
            raise Unusable(f"there is no {shown(bare)} to include{nearest(bare, self._numbers)}")
        numbers = self._numbers[known]
        if not at and 0 not in numbers:
            raise Unusable(f"{bare} has numbers; say which: {bare}@{max(numbers)}")
        if at and int(number) not in numbers:
            raise Unusable(f"{bare} has no number {number}")
        parsed = self._parsed.get(key_of(known, int(number) if at else 0))
        if parsed is None:
            raise Unusable(f"{name} cannot be used itself")
        return parsed

    def _compile(self, key: str, parsed: Parsed) -> None:
        walk = Walk(self._included)
        walk.go(parsed)
        self._problems |= walk.problems
        if walk.problems:
            return
        keys = (_key(each) for each in walk.visited)
        try:
            self._press.add(key, self._source_text(parsed), tuple(dict.fromkeys(keys))[1:])
        except Unusable as unusable:
            line = parsed.pieces[0].line + unusable.line - 1
            self._problems.add(Problem(parsed.source.path, line, unusable.message))
        else:
            self._walks[key] = walk

    def _source_text(self, parsed: Parsed) -> str:
        """The body as minijinja is given it: roles as marks, includes by key."""
        return "".join([self._piece_text(piece) for piece in without_own_lines(parsed.pieces)])

    def _piece_text(self, piece: Piece) -> str:
        if piece.kind == "role":
            return self._press.mark + sign_of(piece.role)
        if any(each.text == "*" and each.kind == "operator" for each in piece.tokens):
            return with_numbers_checked(piece)
        if piece.kind != "statement" or piece.tokens[0].text != "include":
            return piece.text
        key = _key(self._included(piece.tokens[1].text))
        start = min(at for quote in "\"'" if (at := piece.text.find(quote)) >= 0)
        end = piece.text.rfind(piece.text[start])
        return f'{piece.text[:start]}"{key}"{piece.text[end + 1 :]}'

    def _template(self, walk: Walk) -> Template:
        parsed = walk.visited[0]
        visited = {_key(each): each for each in walk.visited}
        needs = self._wanted(parsed, walk, visited)
        digest = blake2b(digest_size=_DIGEST_BYTES)
        for each in visited.values():
            digest.update(each.digest)
        return Template(
            _key(parsed),
            parsed.source.name,
            parsed.source.version,
            parsed.source.path,
            parsed.description,
            parsed.model,
            parsed.config,
            needs,
            parsed.body,
            uncounted_chars_max=_uncounted_chars_max(walk, needs.shape.fields.values()),
            has_roles=any(piece.role for each in visited.values() for piece in each.pieces),
            includes=tuple(visited)[1:],
            digest=digest.digest(),
        )

    def _wanted(self, parsed: Parsed, walk: Walk, visited: Mapping[str, Parsed]) -> Wanted:
        """What is wanted of callers; where the file does not say, everything that it uses."""
        used: dict[str, Parsed] = {}
        for key, each in visited.items():
            if key in self._walks:
                for name in self._press.names_used(key) - walk.bound:
                    used.setdefault(name, each)
        shape = parsed.variables
        if shape is None:
            shape = Shape(
                "object",
                fields={
                    name: Shape("any", is_optional=name in parsed.defaults)
                    for name in sorted({*used, *parsed.defaults})
                },
            )
            self._check_free(used)
        elif not shape.is_open and not is_partial(parsed.source.name):
            self._check_declared(parsed, shape, used)
        needs = wanted(shape, parsed.defaults)
        try:
            needs.check_defaults()
        except InvalidRequest as error:
            self._problems.add(Problem(parsed.source.path, 1, f"input.default: {error.message}"))
        return needs

    def _check_free(self, used: Mapping[str, Parsed]) -> None:
        for name in sorted(RESERVED & used.keys()):
            source = used[name].source
            self._problems.add(
                Problem(source.path, _line_of(used[name], name), f"{name} is no variable")
            )

    def _check_declared(self, parsed: Parsed, shape: Shape, used: Mapping[str, Parsed]) -> None:
        for name in sorted(used.keys() - shape.fields.keys()):
            where = used[name]
            message = f"uses {name}, which input.schema of {parsed.source.path} does not declare"
            hint = nearest(name, shape.fields)
            self._problems.add(Problem(where.source.path, _line_of(where, name), message + hint))

    def _labels(self, versions: Mapping[str, tuple[int, ...]]) -> dict[str, dict[str, int]]:
        labels: dict[str, dict[str, int]] = {}
        for name, text in self._found.labels.items():
            path = f"{name}/{LABELS}" if name else LABELS
            numbers = versions.get(name)
            if not numbers or numbers == (0,):
                self._problems.add(Problem(path, 0, "there are no numbers beside it to label"))
                continue
            try:
                labels[name] = _read_labels(text, numbers)
            except Unusable as unusable:
                self._complain(path, unusable)
        return labels


def _read_labels(text: str, numbers: tuple[int, ...]) -> dict[str, int]:
    labels = read_yaml(text)
    for label, number in labels.items():
        if not is_label(label) or label == LATEST:
            why = "always stands at the highest number" if label == LATEST else "is no label"
            raise Unusable(f"{shown(label)} {why}")
        if type(number) is not int or number not in numbers:
            known = ", ".join(map(str, numbers))
            raise Unusable(f"{label}: expected one of the numbers {known}, found {number!r:.40}")
    return labels


def _key(parsed: Parsed) -> str:
    return key_of(parsed.source.name, parsed.source.version)


def _uncounted_chars_max(walk: Walk, shapes: Iterable[Shape]) -> int:
    """Of values that are printed as what they are: so long that they stay within the bound."""
    if walk.may_grow or not all(each.is_scalar for each in shapes):
        return -1
    return min(UNCOUNTED_CHARS_MAX, OUTPUT_CHARS_MAX // max(1, walk.named))


def _line_of(parsed: Parsed, name: str) -> int:
    for piece in parsed.pieces:
        if any(token.kind == "name" and token.text == name for token in piece.tokens):
            return piece.line
    return 0
