"""What the documents say is held against the code: nothing is missing, and nothing is stale."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import pytest
import typer
from msgspec import inspect

from headrace import errors
from headrace.cli.main import app
from headrace.observe.access_log import AccessLine
from headrace.observe.families import FAMILIES
from headrace.observe.family import Label
from headrace.observe.gen_ai_families import GEN_AI
from headrace.server.places import ADMIN_PLACES, MODEL_PREFIX, PLACES, Route, find_place
from headrace.settings import Secret, Settings, parse_settings
from headrace.upstream.faults import FaultKind, UpstreamFault

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = ROOT / "src" / "headrace"
DOCS: Final = ROOT / "docs"
PAGES: Final = (
    *sorted(ROOT.glob("*.md")),
    *sorted(DOCS.rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
)
NAMES: Final = [str(page.relative_to(ROOT)) for page in PAGES]

# Rooms whose errors travel over HTTP; the library's and the command line's own do not.
ROOMS: Final = (
    *("server", "gateway", "upstream", "dialects", "identity", "routing", "cache"),
    *("flow/scheduler", "prompt/templates", "prompt/window"),
    *("batches", "console", "conversations", "jobs"),
)
NOT_OVER_HTTP: Final = (errors.UpstreamRefused, errors.NotRunning, errors.SettingsInvalid)

_CODE: Final = re.compile(r"`([^`\n]+)`")
_FENCE: Final = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")


def read(name: str) -> str:
    """A page by its path below the root."""
    return (ROOT / name).read_text("utf-8")


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text)


def table_rows(text: str, head: str) -> list[tuple[str, ...]]:
    """The cells of every table whose first column is called `head`."""
    rows: list[tuple[str, ...]] = []
    is_inside = False
    for line in prose(text).splitlines():
        if not line.startswith("|"):
            is_inside = False
            continue
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if is_inside and not cells[0].startswith("---"):
            rows.append(cells)
        is_inside = is_inside or cells[0] == head
    return rows


def codes(text: str) -> tuple[str, ...]:
    """Everything a text sets as code."""
    return tuple(_CODE.findall(text))


# Settings.


def settings_told(kind: inspect.Type, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Path, default and allowed values of each setting below `kind`, as docs/settings.md says."""
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    match kind:
        case inspect.UnionType():
            for part in kind.types:
                yield from settings_told(part, path)
        case inspect.DictType():
            yield from settings_told(kind.value_type, f"{path}.NAME")
        case inspect.VarTupleType():
            yield from settings_told(kind.item_type, f"{path}[]")
        case inspect.StructType():
            for field in kind.fields:
                below = f"{path}.{field.encode_name}".lstrip(".")
                inner = list(settings_told(field.type, below))
                yield from inner or [(below, default_told(field), allowed_told(field.type))]


def default_told(field: inspect.Field) -> str:
    """A default as the page writes it."""
    if field.required:
        return "required"
    value = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory()
    match value:
        case None:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case float() if value.is_integer():
            return f"`{int(value)}`"
        case Secret():
            return f"`{value.reveal()}`"
        case () | {}:
            return "empty"
        case _:
            return f"`{value}`"


def allowed_told(kind: inspect.Type) -> str:
    """What a setting may be, as the page writes it."""
    match kind:
        case inspect.UnionType():
            return allowed_told(next(k for k in kind.types if not isinstance(k, inspect.NoneType)))
        case inspect.Metadata():
            return allowed_told(kind.type)
        case inspect.BoolType():
            return "`true`, `false`"
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in sorted(map(str, kind.values)))
        case inspect.IntType() | inspect.FloatType():
            return numbers_told(kind)
        case inspect.VarTupleType():
            return f"list, at least {kind.min_length}" if kind.min_length else "list"
        case inspect.DictType():
            return "mapping"
        case _:
            return "text"


def numbers_told(kind: inspect.IntType | inspect.FloatType) -> str:
    """The bounds of a number as the page writes them."""
    if kind.ge is None and kind.gt is None and kind.le is None:
        return "number"
    low = f"above {kind.gt:g}" if kind.gt is not None else f"{kind.ge:g}"
    return low if kind.le is None else f"{low} to {kind.le if kind.le % 1 else int(kind.le)}"


# What one setting demands beyond its type: settings/rules.py wants both prices.
_BY_RULE: Final[Mapping[str, tuple[str, str]]] = {
    "models.NAME.price.input": ("required", "0 or more"),
    "models.NAME.price.output": ("required", "0 or more"),
    "models.NAME.price.cached": ("none", "0 or more"),
    "models.NAME.price.cache_write": ("none", "0 or more"),
    "models.NAME.price.cache_write_1h": ("none", "0 or more"),
    "models.NAME.price.above[].input": ("required", "0 or more"),
    "models.NAME.price.above[].output": ("required", "0 or more"),
    "models.NAME.price.above[].cached": ("none", "0 or more"),
    "models.NAME.price.above[].cache_write": ("none", "0 or more"),
    "models.NAME.price.above[].cache_write_1h": ("none", "0 or more"),
}


def expected_settings() -> dict[str, tuple[str, str]]:
    """Default and allowed values of every setting by its path."""
    told = {p: (default, allowed) for p, default, allowed in settings_told(type_of_settings())}
    return {**told, **_BY_RULE}


def type_of_settings() -> inspect.Type:
    return inspect.type_info(Settings)


def test_every_setting_is_told_with_its_default_and_bounds() -> None:
    rows = table_rows(read("docs/settings.md"), "setting")
    told = {codes(name)[0]: (default, allowed) for name, default, allowed, *_ in rows}
    assert len(told) == len(rows), "a setting stands in two rows"
    assert told == expected_settings()


def test_every_setting_says_what_it_means() -> None:
    rows = table_rows(read("docs/settings.md"), "setting")
    assert [name for name, _, _, meaning in rows if len(meaning) < 10] == []


# Ends of names of files, and of a query.
_NO_SETTINGS: Final = (".damaged", ".find", ".json", ".md", ".py", ".sqlite3", ".yaml")


def test_settings_that_pages_name_are_there() -> None:
    there = [path.replace("[]", "") for path in expected_settings()]
    sections = {path.partition(".")[0] for path in there}
    for page in PAGES:
        for name in re.findall(r"`([a-z]+(?:\.\w+)+)`", prose(page.read_text("utf-8"))):
            if name.partition(".")[0] in sections and not name.endswith(_NO_SETTINGS):
                assert any(f"{path}.".startswith(f"{name}.") for path in there), (page, name)


def test_every_provider_of_the_environment_is_told() -> None:
    from headrace.settings.environment import KNOWN_PROVIDERS

    rows = table_rows(read("docs/settings.md"), "provider")
    told = {codes(name)[0]: codes(" ".join(cells)) for name, *cells in rows}
    assert told == {
        known.name: (known.key_variable, known.url_variable, known.base_url, known.dialect)
        for known in KNOWN_PROVIDERS
    }


# HTTP.


def test_every_route_is_told() -> None:
    rows = table_rows(read("docs/http.md"), "route")
    told = {codes(route)[0] for route, *_ in rows}
    fixed = {path for path, place in PLACES.items() if place.route is not Route.API}
    assert {*fixed, MODEL_PREFIX + "{id}", *ADMIN_PLACES} == {
        route for route in told if find_place(route).route is not Route.API
    }


def test_every_route_is_told_with_its_methods() -> None:
    for route, methods, *_ in table_rows(read("docs/http.md"), "route"):
        place = PLACES.get(codes(route)[0])
        if place is not None and place.route is not Route.API:
            assert set(codes(methods)) == {method.decode() for method in place.methods}, route


def test_every_header_of_our_own_is_told_and_no_other() -> None:
    named = re.compile(r"\bx-headrace-[a-z-]*[a-z]\b")
    in_source = {
        name for file in SOURCE.rglob("*.py") for name in named.findall(file.read_text("utf-8"))
    }
    rows = table_rows(read("docs/http.md"), "header")
    told = {codes(header)[0].partition(":")[0] for header, *_ in rows}
    assert in_source <= told
    assert set(named.findall(read("docs/http.md"))) <= in_source


def test_every_error_code_is_told_and_no_other() -> None:
    literal = re.compile(r'\bcode="([a-z_]+)"')
    raised = {
        code
        for room in ROOMS
        for file in (SOURCE / room).rglob("*.py")
        for code in literal.findall(file.read_text("utf-8"))
    }
    default = {error.default_code: error.status for error in errors_over_http()}
    faults = {
        f.code: f.status for f in (UpstreamFault(kind, "local") for kind in get_args(FaultKind))
    }
    told = {
        code: int(status)
        for status, names, *_ in table_rows(read("docs/http.md"), "status")
        for code in codes(names)
    }
    assert set(told) == raised | set(default) | set(faults)
    certain = {**default, **faults}
    assert {code: told[code] for code in certain} == certain


def errors_over_http() -> Iterator[type[errors.HeadraceError]]:
    """Every class of error that a client can be told."""
    for value in vars(errors).values():
        is_error = isinstance(value, type) and issubclass(value, errors.HeadraceError)
        if is_error and value not in NOT_OVER_HTTP:
            yield value


# Metrics and the log.


def test_every_metric_is_told_with_its_kind_and_labels() -> None:
    rows = table_rows(read("docs/metrics.md"), "family")
    told = {codes(name)[0]: (kind, codes(labels)) for name, kind, labels, *_ in rows}
    assert len(told) == len(rows), "a family stands in two rows"
    assert told == {
        family.name: (family.kind, tuple(label.name for label in family.labels))
        for family in (*FAMILIES, *GEN_AI)
    }


def test_every_value_of_a_label_is_told() -> None:
    rows = table_rows(read("docs/metrics.md"), "label")
    told = {(codes(name)[0], codes(values)) for name, values, *_ in rows}
    assert told == {
        (label.name, label.values)
        for family in (*FAMILIES, *GEN_AI)
        for label in family.labels
        if has_fixed_values(label)
    }


def has_fixed_values(label: Label) -> bool:
    """Whether the values are words of the code, not names from settings or a version."""
    return not label.slotted and label.name != "version"


def test_every_field_of_the_log_is_told_in_order() -> None:
    rows = table_rows(read("docs/metrics.md"), "field")
    told = [code for names, *_ in rows for code in codes(names)]
    assert told == list(AccessLine.__struct_fields__)


# The command line.


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by the words that call it."""
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            yield from commands(below, (*path, name))
    else:
        yield " ".join(path), command


def test_every_command_is_told_with_its_options() -> None:
    rows = table_rows(read("README.md"), "command")
    told = {codes(name)[0]: set(codes(options)) for name, options, *_ in rows}
    assert told == {
        name: {
            max(param.opts, key=len)
            for param in command.params
            if param.param_type_name == "option" and "--help" not in param.opts
        }
        for name, command in commands(typer.main.get_command(app), ("headrace",))
    }


# All pages.


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    broken = [link for link in _LINK.findall(prose(read(name))) if not leads_somewhere(name, link)]
    assert broken == []


def leads_somewhere(name: str, link: str) -> bool:
    """Whether a relative link names a file that is there, and a heading in it."""
    if re.match(r"[a-z]+:", link):
        return True
    target, _, fragment = link.partition("#")
    page = (ROOT / name).parent / target if target else ROOT / name
    if not page.exists():
        return False
    return not fragment or fragment in anchors(page.read_text("utf-8"))


def anchors(text: str) -> set[str]:
    """The names that headings can be linked by."""
    titles = re.findall(r"^#+ +(.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", NAMES)
def test_settings_in_examples_can_be_used(name: str) -> None:
    for language, block in _FENCE.findall(read(name)):
        if language == "yaml":
            parse_settings(block, variables_of(block), name)


def variables_of(block: str) -> dict[str, str]:
    """A value for each variable that an example reads."""
    names = re.findall(r"\$\{(\w+)", block)
    secrets = {name: f"sk-{name}".ljust(40, "0") for name in names}
    return {n: "http://127.0.0.1:9100/v1" if n.endswith("_URL") else secrets[n] for n in names}


@pytest.mark.parametrize("name", NAMES)
def test_examples_in_python_and_json_can_be_read(name: str) -> None:
    for language, block in _FENCE.findall(read(name)):
        if language == "python":
            ast.parse(block)
        elif language == "json":
            msgspec.json.decode(block, type=Any)


def test_the_examples_are_seen() -> None:
    seen = {(name, language) for name in NAMES for language, _ in _FENCE.findall(read(name))}
    assert {("README.md", "yaml"), ("docs/settings.md", "yaml"), ("README.md", "python")} <= seen


def test_every_room_of_the_house_has_its_row() -> None:
    rows = {
        name for row in table_rows(read("docs/ARCHITECTURE.md"), "room") for name in codes(row[0])
    }
    house = ROOT / "src/headrace"
    rooms = {f"{file.parent.name}/" for file in house.glob("*/__init__.py")}
    assert rooms - rows == set()


def test_every_decision_is_listed_once() -> None:
    folder = DOCS / "decisions"
    listed = _LINK.findall(read("docs/decisions/README.md"))
    pages = sorted(page.name for page in folder.glob("*.md") if page.name != "README.md")
    assert sorted(link for link in listed if "/" not in link) == pages
