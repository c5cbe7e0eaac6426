"""minijinja, set up so that templates can do nothing but write text, and only so much of it."""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from headrace.errors import InvalidRequest, SettingsInvalid
from headrace.prompt.templates.bounds import FUEL
from headrace.prompt.templates.filters import Budget, Filters
from headrace.prompt.templates.problems import Unusable
from headrace.prompt.templates.template import (
    Message,
    RenderedTemplate,
    Template,
    nothing_came_out,
    parts_of,
)

if TYPE_CHECKING:
    from minijinja import Environment, TemplateError

_GLOBALS: Final = ("cycler", "debug", "dict", "joiner", "namespace")
_FILTERS: Final = (
    *("attr", "batch", "chain", "e", "escape", "filesizeformat", "format", "pluralize", "pprint"),
    *("safe", "slice", "striptags", "urlencode", "wordwrap", "zip"),
)
# What filters raise that are given what they do not take.
_WRONG_ARGUMENTS: Final = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
_NUMBER_CHARS: Final = 32


class Press:
    """Compiles and renders the templates of one set. Any thread may use it.

    Args:
        mark: what begins a mark of a role in their sources.

    Raises:
        SettingsInvalid: minijinja is not installed.
    """

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self._budget = Budget()
        filters = Filters(self._budget)
        self._plain = _environment(filters)
        self._counted = _environment(filters, self._count)
        self._error: type[TemplateError] = _minijinja().TemplateError
        self._sources: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._in_counted: set[str] = set()

    def add(self, key: str, source: str, includes: tuple[str, ...]) -> None:
        """Compile a template.

        Raises:
            Unusable: minijinja does not take it; lines count within `source`.
        """
        try:
            self._plain.add_template(key, source)
        except self._error as error:
            raise Unusable(error.detail or error.message, error.line or 1) from None
        self._sources[key] = (source, includes)

    def names_used(self, key: str) -> set[str]:
        """The variables that a template reads, those of its includes left out."""
        names: set[str] = self._plain.undeclared_variables_in_template(key)
        return names - {"range", "loop"}

    def precompile(self) -> None:
        """Compile every template for both ways of rendering."""
        for key in self._sources:
            self._compile_counted(key)

    def render(self, template: Template, given: Mapping[str, Any]) -> RenderedTemplate:
        """Write the text.

        Raises:
            InvalidRequest: the variables are not what is wanted, or the text cannot be written
                for them.
        """
        name = template.key
        values, chars = template.wanted.check(name, given)
        try:
            if chars > template.uncounted_chars_max:
                self._compile_counted(name)
                self._budget.begin()
                text = self._counted.render_template(name, **values)
            else:
                text = self._plain.render_template(name, **values)
        except self._error as error:
            raise _failed(template, error) from None
        except Unusable as unusable:
            raise _unrendered(template, unusable.message) from None
        except _WRONG_ARGUMENTS as error:
            raise _unrendered(
                template, f"a filter does not take what it is given ({error})"
            ) from None
        if template.has_roles:
            return RenderedTemplate(template, parts_of(text, self.mark, name))
        words = text.strip()
        if not words:
            raise nothing_came_out(name)
        return RenderedTemplate(template, (Message("user", words),))

    def _compile_counted(self, key: str) -> None:
        if key in self._in_counted:
            return
        source, includes = self._sources[key]
        for included in includes:
            self._compile_counted(included)
        self._counted.add_template(key, source)
        self._in_counted.add(key)  # last: another thread may ask meanwhile

    def _count(self, value: Any) -> Any:
        """What is printed where it is counted."""
        if type(value) is str:
            self._budget.write(len(value))
        elif type(value) in (int, float, bool):
            self._budget.write(_NUMBER_CHARS)
        elif value is None:
            return ""
        elif isinstance(value, dict | list | tuple):
            raise Unusable("a list or an object is printed as such; write x|join(', ') or x|tojson")
        return value


def new_mark() -> str:
    """A text that no variable can hold, since nobody can know it."""
    return f"\x00{secrets.token_hex(12)}:"


def _environment(filters: Filters, finalizer: Any = None) -> "Environment":
    environment: Environment = _minijinja().Environment(
        fuel=FUEL,
        undefined_behavior="strict",
        auto_escape_callback=_never,
        pycompat=False,
        debug=False,
        finalizer=finalizer,
    )
    for name in _GLOBALS:
        environment.remove_global(name)
    for name in _FILTERS:
        environment.remove_filter(name)
    for name, made in filters.by_name().items():
        environment.add_filter(name, made)
    return environment


def _minijinja() -> Any:
    try:
        import minijinja
    except ImportError:
        raise SettingsInvalid(
            "Templates need minijinja: pip install 'headrace[templates]'."
        ) from None
    return minijinja


def _never(_name: str) -> bool:
    return False  # prompts are not HTML


def _failed(template: Template, error: "TemplateError") -> InvalidRequest:
    if error.kind == "OutOfFuel":
        return _unrendered(template, f"it takes above {FUEL} steps; does a loop have an end?")
    line = error.line or 1
    where = template if error.name in (None, template.key) else None
    source_lines = template.body.split("\n") if where else []
    shown = source_lines[line - 1].strip()[:120] if line <= len(source_lines) else ""
    told = error.detail or error.message.partition(" (in ")[0]
    return _unrendered(template, told + (f" in `{shown}`" if shown else ""))


def _unrendered(template: Template, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"Template {template.key} cannot be rendered with these variables: {why}.",
        param="template",
        code="template_failed",
    )
