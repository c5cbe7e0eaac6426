"""The rules of the house that linters do not know, as pure functions from sources to complaints.

A rule yields one line per complaint: where, what, and what to do instead. The reasons stand beside
the rule, because a ban without a reason is the first to be worked around.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import Final, NamedTuple


class Source(NamedTuple):
    """One Python file: its path in the repository, its dotted module name, text and tree."""

    path: str
    module: str
    text: str
    tree: ast.Module

    @classmethod
    def parse(cls, path: str, text: str) -> "Source":
        """Read `text` as the file at `path`, given relative to the repository with slashes."""
        module = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
        return cls(path, module.removesuffix(".__init__"), text, ast.parse(text))

    @property
    def is_package(self) -> bool:
        return self.path.endswith("__init__.py")

    @property
    def is_shipped(self) -> bool:
        return self.path.startswith("src/")

    def at(self, node: ast.AST, complaint: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {complaint}"


Rule = Callable[[Source], Iterator[str]]


class Ban(NamedTuple):
    """A name that may be used in its homes only.

    Attributes:
        name: dotted, or ending in `.*` for a whole module, or starting with `*.` for any receiver.
        homes: patterns of modules where it is allowed.
        reason: why, and what to use instead.
        scope: pattern of the modules it is banned in.
    """

    name: str
    homes: tuple[str, ...]
    reason: str
    scope: str = "headrace*"


_CLOCK_REASON = "time is a dependency: take a headrace.clock.Clock"
_TASK_REASON = "a task without an owner is lost with its error: use the spawn you were handed"
_TASK_HOMES = ("headrace.gateway.tasks", "headrace.store.records.waits")
_CLOCK_HOMES = ("headrace.clock", "headrace.sim*", "headrace.cli*")

BANS: Final = (
    Ban("asyncio.create_task", _TASK_HOMES, _TASK_REASON),
    Ban("asyncio.ensure_future", _TASK_HOMES, _TASK_REASON),
    Ban("*.create_task", _TASK_HOMES, _TASK_REASON),
    *(
        Ban(f"time.{name}", _CLOCK_HOMES, _CLOCK_REASON)
        for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter")
    ),
    Ban("time.perf_counter_ns", _CLOCK_HOMES, _CLOCK_REASON),
    Ban("datetime.datetime.now", _CLOCK_HOMES, _CLOCK_REASON),
    Ban("time.sleep", ("headrace.cli*",), "it stops the loop: use loop.call_later or a clock"),
    Ban("time.sleep", (), "no test waits for its result: move a ManualClock", "tests.unit*"),
    Ban("time.sleep", (), "no test waits for its result: move a ManualClock", "tests.property*"),
    Ban(
        "random.*",
        ("headrace.sim*", "headrace.cache.simulation.synthetic", "headrace.bench.load.*"),
        "randomness is a dependency: take a seeded source",
    ),
    Ban(
        "os.environ", ("headrace.settings*", "headrace.cli*"), "only settings read the environment"
    ),
    Ban("os.getenv", ("headrace.settings*", "headrace.cli*"), "only settings read the environment"),
    Ban("print", ("headrace.cli*",), "standard output belongs to the command line"),
    Ban("functools.cache", (), "state of a module without a bound: own it in an object"),
    *(  # Tests may show that an object survives the way into another process.
        Ban(f"{name}.*", ("tests*",), "loading it runs code: store bytes or JSON", "*")
        for name in ("pickle", "marshal", "shelve", "dill")
    ),
    Ban("eval", (), "it runs what it is given", "*"),
    Ban("exec", (), "it runs what it is given", "*"),
)

_MUTABLE_MAKERS: Final = re.compile(
    "array|bytearray|ContextVar|count|Counter|cycle|defaultdict|deque|dict|Event|list|local|Lock"
    "|OrderedDict|Queue|Random|RLock|Semaphore|set|SimpleQueue|WeakKeyDictionary|WeakSet"
    "|WeakValueDictionary"
)
_NAMES_ITSELF: Final = frozenset({"NewType", "ParamSpec", "Typer", "TypeVar", "namedtuple"})
_MUTABLE_DISPLAYS: Final = (
    ast.List,
    ast.Set,
    ast.Dict,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
_TELLING_CALLS: Final = re.compile(
    "_*(count|critical|debug|error|exception|exit|failed|increment|info|log|observe|print_exc|record|report|say|warning)"
)
_VAGUE_NAME: Final = re.compile("common|helpers?|misc|stuff|tools|utils?")
_LATER: Final = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX")) + r")\b")
_REGISTRIES: Final = re.compile(
    r"\b(py[p]i\.org|python[h]osted\.org|npm[j]s\.(org|com)|yarnpkg\.com|docker\.(io|com)/|ghcr\.io|quay\.io"
    r"|crates\.io|proxy\.golang\.org|conda\.anaconda\.org)\b"
)
_HOMES: Final = re.compile(r"(?<![\w.:/}\]-])/(home|root|Users)/\w")


@cache
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """All nodes of a tree; rules share them, for walking takes longer than looking."""
    return tuple(ast.walk(tree))


def function_lines(source: Source) -> Iterator[tuple[int, str]]:
    """Length in lines and place of every function, decorators not counted."""
    for node in nodes(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield lines, source.at(node, node.name)


def imports(source: Source, *, known: frozenset[str], running: bool = False) -> set[str]:
    """Modules that `source` imports, `from x import y` as `x.y` where that is one of `known`.

    Args:
        running: only imports that run when the module is loaded.
    """
    found: set[str] = set()
    for node in _import_nodes(source.tree, running=running):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
            continue
        base = node.module or ""
        if node.level:
            parents = source.module.split(".")
            depth = len(parents) - node.level + source.is_package
            base = ".".join([*parents[:depth], *([base] if base else [])])
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            found.add(inner if inner in known else base)
    return found


def _import_nodes(tree: ast.AST, *, running: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif running and _runs_later(node):
            continue
        else:
            yield from _import_nodes(node, running=running)


def _runs_later(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return True
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def import_cycle(sources: Iterable[Source]) -> list[str]:
    """The modules of one import cycle at load time, empty where there is none."""
    sources = list(sources)
    known = frozenset(source.module for source in sources)
    graph = {
        s.module: (imports(s, known=known, running=True) & known) - {s.module} for s in sources
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cycle:
        return list(cycle.args[1])
    return []


def unreachable(sources: Iterable[Source], roots: Iterable[str]) -> list[str]:
    """Modules that no chain of imports reaches from `roots`; packages' own files are exempt."""
    by_name = {source.module: source for source in sources}
    known = frozenset(by_name)
    waiting, reached = [root for root in roots if root in known], set[str]()
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting.extend(imports(by_name[module], known=known) & known)
            waiting.extend(filter(known.__contains__, [module.rpartition(".")[0]]))
    return sorted(s.path for s in by_name.values() if s.module not in reached and not s.is_package)


def module_state(source: Source) -> Iterator[str]:
    """Nothing at module level may change: a module is shared by every test and every gateway."""
    for node in nodes(source.tree):
        if isinstance(node, ast.Global):
            yield source.at(node, f"global {', '.join(node.names)}: own it in an object")
    for node in _module_statements(source.tree):
        for name, value, annotation in _bindings(node):
            complaint = _mutability(name, value, annotation)
            if complaint:
                yield source.at(node, f"{name} {complaint}")


def _module_statements(tree: ast.AST) -> Iterator[ast.stmt]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt):
            yield node
        if isinstance(node, ast.If | ast.Try | ast.ExceptHandler | ast.With | ast.For | ast.While):
            yield from _module_statements(node)


def _bindings(node: ast.stmt) -> Iterator[tuple[str, ast.expr, str]]:
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        yield ast.unparse(node.target), node.value, ast.unparse(node.annotation)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield ast.unparse(target), node.value, ""
    elif isinstance(node, ast.AugAssign):
        yield ast.unparse(node.target), ast.List(elts=[]), ""


def _mutability(name: str, value: ast.expr, annotation: str) -> str | None:
    is_constant = name.isupper() or (name.startswith("__") and name.endswith("__"))
    if isinstance(value, ast.Dict | ast.DictComp):
        if is_constant and re.match(r"(typing\.)?(Final\[)?Mapping\[", annotation):
            return None
        return "is a dict that anyone can change: NAME: Mapping[...] = {...}"
    if isinstance(value, _MUTABLE_DISPLAYS):
        return "can change: make it a tuple or a frozenset"
    if isinstance(value, ast.Call):
        maker = ast.unparse(value.func).split("[")[0].rpartition(".")[2]
        if _MUTABLE_MAKERS.fullmatch(maker):
            return f"is a {maker}, state of a module: own it in an object"
        if not is_constant and maker not in _NAMES_ITSELF:
            return f"is made by {maker}() at import: an UPPERCASE constant, or inside an object"
    return None


def vague_names(source: Source) -> Iterator[str]:
    """A module named for nothing collects everything."""
    for part in filter(_VAGUE_NAME.fullmatch, source.module.split(".")):
        yield f"{source.path}:1: '{part}' says nothing: name it for what it does"


def broad_excepts(source: Source) -> list[ast.ExceptHandler]:
    """Handlers of everything: bare, `Exception` and `BaseException`."""
    return [
        node
        for node in nodes(source.tree)
        if isinstance(node, ast.ExceptHandler) and _catches_all(node)
    ]


def _catches_all(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in caught
    )


def silent_excepts(source: Source) -> Iterator[str]:
    """Who catches everything raises again, or says so in a log or a metric."""
    for handler in broad_excepts(source):
        if not any(_tells(node) for statement in handler.body for node in ast.walk(statement)):
            yield source.at(handler, "swallows every error: catch what you expect, raise, or log")


def _tells(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return bool(_TELLING_CALLS.fullmatch(_dotted(node.func).rpartition(".")[2]))
    return isinstance(node, ast.Raise)


def banned_names(source: Source, bans: Iterable[Ban] = BANS) -> Iterator[str]:
    """Uses of banned names, imported or called by whatever alias."""
    in_force = [ban for ban in bans if _is_in_force(ban, source.module)]
    aliases = _aliases(source.tree)
    for node, name in _used_names(source.tree, aliases):
        for ban in in_force:
            if _matches(ban.name, name):
                yield source.at(node, f"{name}: {ban.reason}")
                break


def _is_in_force(ban: Ban, module: str) -> bool:
    return fnmatchcase(module, ban.scope) and not any(fnmatchcase(module, h) for h in ban.homes)


def _aliases(tree: ast.Module) -> Mapping[str, str]:
    aliases: dict[str, str] = {}
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            aliases |= {name.asname: name.name for name in node.names if name.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            aliases |= {
                name.asname or name.name: f"{node.module}.{name.name}" for name in node.names
            }
    return aliases


def _used_names(tree: ast.Module, aliases: Mapping[str, str]) -> Iterator[tuple[ast.AST, str]]:
    for node in nodes(tree):
        if isinstance(node, ast.Attribute):
            root, _, rest = _dotted(node).partition(".")
            yield node, f"{aliases.get(root, root)}.{rest}"
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node, aliases.get(node.id, node.id)


def _dotted(node: ast.expr) -> str:
    """`a.b.c` as written; what a call or a subscript gives has the name `()`."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "()")
    return ".".join(reversed(parts))


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith("*."):
        receiver, _, method = name.rpartition(".")
        return method == pattern[2:] and bool(receiver) and "group" not in receiver.lower()
    if pattern.endswith(".*"):
        return name.startswith(pattern[:-1])
    return name == pattern


def emptiness(source: Source) -> Iterator[str]:
    """A module without code is a promise; promises live in the issue tracker."""
    has_code = any(not _is_docstring(node) for node in source.tree.body)
    if not has_code and not source.is_package:
        yield f"{source.path}:1: holds no code: remove it until there is some"


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def notes_to_self(source: Source) -> Iterator[str]:
    """Comments that put work off."""
    if not _LATER.search(source.text):
        return  # telling comments from the rest takes long
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and (found := _LATER.search(token.string)):
            yield f"{source.path}:{token.start[0]}: {found[0]}: do it, or write it down elsewhere"


def machine_marks(path: str, text: str, own_paths: Iterable[str] = ()) -> Iterator[str]:
    """Hosts of package registries and paths of one machine, which hold nowhere else."""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _REGISTRIES.search(line):
            yield f"{path}:{number}: {found[0]}: the user's own configuration names registries"
        if _HOMES.search(line) or any(own + "/" in line for own in own_paths):
            yield f"{path}:{number}: a path of one machine: derive it, or take it as an option"


SHIPPED_RULES: Final[tuple[Rule, ...]] = (module_state,)
RULES: Final[tuple[Rule, ...]] = (
    vague_names,
    silent_excepts,
    banned_names,
    emptiness,
    notes_to_self,
)
