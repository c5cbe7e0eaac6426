"""The style of the house as a test. The rules are in tidy_rules.py; the numbers are here."""

import gc
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest
from tests.unit import tidy_rules as rules
from tests.unit.tidy_rules import Source

ROOT: Final = Path(__file__).resolve().parents[2]
FILE_LINES_HARD: Final = 400
FUNCTION_LINES_HARD: Final = 70

RECORD: Final[Mapping[str, int]] = {
    "lines of the largest file": 400,
    "lines of the largest function": 60,
    "handlers of every exception": 3,
}
"""The worst there is today. These numbers only ever go down."""

SLACK: Final[Mapping[str, int]] = {
    "lines of the largest file": 60,
    "lines of the largest function": 15,
    "handlers of every exception": 0,
}
"""How far the code may be better than the record before the record has to follow."""

ENTRY_POINTS: Final = (
    "headrace",
    "headrace.__main__",
    "headrace.cli.main",
    "headrace.sim.thread",  # the shipped fake, for the tests of applications
)
"""Where imports start: everything else in src/ has to be reached from here."""

UNWIRED: Final[frozenset[str]] = frozenset()
"""Parts that are built and tested, and that the whole does not use yet. Only ever gets smaller."""

FOLDERS: Final = ("src/headrace", "tests", "benchmarks")
DOCUMENTS: Final = (
    ".ci/run",
    "*.md",
    "*.toml",
    "*.txt",
    "Makefile",
    "docs/**/*.md",
    "src/headrace/**/*.*",
)


@cache
def sources() -> tuple[Source, ...]:
    paths = (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))
    gc.disable()  # all trees stay, and looking through them again and again takes the most time
    try:
        return tuple(
            Source.parse(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
            for path in paths
        )
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="module", autouse=True)
def trees_go_in_the_end() -> Iterator[None]:
    """They are large, and nobody else wants them."""
    yield
    for kept in (sources, measure, rules.nodes):
        kept.cache_clear()


def shipped() -> tuple[Source, ...]:
    return tuple(source for source in sources() if source.is_shipped)


def ratchet(name: str, actual: int, recorded: int, slack: int) -> str | None:
    """What is wrong with a number that may only go down."""
    if actual > recorded:
        return f"{name}: {actual}, and {recorded} was the worst so far: make it smaller"
    if actual < recorded - slack:
        return f"{name}: {actual}, better than {recorded}: lower RECORD in {Path(__file__).name}"
    return None


@cache
def measure() -> Mapping[str, tuple[int, str]]:
    """The numbers of `RECORD` as they are, each with the place where it is worst."""
    files = [(source.text.count("\n"), source.path) for source in sources()]
    functions = [each for source in sources() for each in rules.function_lines(source)]
    broad = Counter({source.path: len(rules.broad_excepts(source)) for source in shipped()})
    return {
        "lines of the largest file": max(files),
        "lines of the largest function": max(functions),
        "handlers of every exception": (broad.total(), str(+broad)),
    }


def say(complaints: Iterable[str]) -> None:
    listed = list(complaints)
    assert not listed, "\n".join(["not tidy:", *listed])


def test_reads_the_whole_tree() -> None:
    paths = {source.path for source in sources()}
    assert {"src/headrace/errors.py", "tests/unit/test_tidy.py"} <= paths


@pytest.mark.parametrize("name", RECORD)
def test_the_worst_only_gets_better(name: str) -> None:
    actual, place = measure()[name]
    complaint = ratchet(name, actual, RECORD[name], SLACK[name])
    assert complaint is None, f"{complaint} ({place})"


def test_the_record_is_within_the_bounds_of_the_house() -> None:
    assert RECORD["lines of the largest file"] <= FILE_LINES_HARD
    assert RECORD["lines of the largest function"] <= FUNCTION_LINES_HARD


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule: rules.Rule) -> None:
    say(complaint for source in sources() for complaint in rule(source))


@pytest.mark.parametrize("rule", rules.SHIPPED_RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule: rules.Rule) -> None:
    say(complaint for source in shipped() for complaint in rule(source))


def test_no_import_cycle() -> None:
    assert rules.import_cycle(sources()) == []


def test_no_dead_module() -> None:
    dead = set(rules.unreachable(shipped(), ENTRY_POINTS))
    say(f"{path}: no entry point reaches it" for path in sorted(dead - UNWIRED))
    say(f"{path}: is used now, take it out of UNWIRED" for path in sorted(UNWIRED - dead))


def test_nothing_belongs_to_one_machine() -> None:
    own_paths = {str(ROOT), str(ROOT.parent)} - {"/", "/tmp"}  # noqa: S108
    texts = {source.path: source.text for source in sources()}
    for path in (path for pattern in DOCUMENTS for path in ROOT.glob(pattern) if path.is_file()):
        if path.suffix != ".pyc":
            texts[path.relative_to(ROOT).as_posix()] = path.read_text("utf-8")
    found = [rules.machine_marks(path, text, own_paths) for path, text in sorted(texts.items())]
    say(complaint for complaints in found for complaint in complaints)


def test_third_party_imports_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    run = {_distribution_name(each) for each in project["dependencies"]}
    extras = project["optional-dependencies"].items()
    development = run | {_distribution_name(each) for _, extra in extras for each in extra}
    optional = {
        _distribution_name(each) for name, extra in extras if name != "dev" for each in extra
    }
    installed = packages_distributions()
    undeclared = [
        f"{source.path}: {name}"
        for source in sources()
        for name, distributions in _third_party(source, installed)
        if distributions.isdisjoint(run | optional if source.is_shipped else development)
    ]
    say(undeclared)


def test_declared_dependencies_are_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    installed = packages_distributions()
    used = {
        each
        for source in shipped()
        for _, names in _third_party(source, installed)
        for each in names
    }
    say(set(map(_distribution_name, project["dependencies"])) - used)


def _third_party(
    source: Source, installed: Mapping[str, list[str]]
) -> Iterator[tuple[str, frozenset[str]]]:
    own = sys.stdlib_module_names | {"headrace", "tests", "benchmarks"}
    names = {name.partition(".")[0] for name in rules.imports(source, known=frozenset())}
    for name in sorted(names - own):
        yield name, frozenset(map(_distribution_name, installed.get(name, [name])))


def _distribution_name(requirement: str) -> str:
    """The normalised name in front of a requirement's version."""
    name = requirement.split(";", maxsplit=1)[0].split("[", maxsplit=1)[0]
    for sign in "<>=!~ ":
        name = name.split(sign)[0]
    return name.strip().lower().replace("_", "-").replace(".", "-")


BAD: Final[tuple[tuple[rules.Rule, str, str], ...]] = (
    (rules.module_state, "src/headrace/a.py", "SEEN = []"),
    (rules.module_state, "src/headrace/a.py", "SEEN = {1, 2}"),
    (rules.module_state, "src/headrace/a.py", "SEEN = {'a': 1}"),
    (rules.module_state, "src/headrace/a.py", "SEEN: dict[str, int] = {'a': 1}"),
    (rules.module_state, "src/headrace/a.py", "SEEN = [n for n in 'abc']"),
    (rules.module_state, "src/headrace/a.py", "import collections\nSEEN = collections.deque()"),
    (rules.module_state, "src/headrace/a.py", "SEEN = defaultdict[str, int](int)"),
    (rules.module_state, "src/headrace/a.py", "pool = Pool()"),
    (rules.module_state, "src/headrace/a.py", "if True:\n    SEEN = set()"),
    (rules.module_state, "src/headrace/a.py", "try:\n    pass\nexcept OSError:\n    SEEN = []"),
    (rules.module_state, "src/headrace/a.py", "n = 0\ndef f():\n    global n\n    n = 1"),
    (rules.module_state, "src/headrace/a.py", "NAMES = ()\nNAMES += ('a',)"),
    (rules.vague_names, "src/headrace/cache/utils.py", "X = 1"),
    (rules.vague_names, "src/headrace/helpers/keys.py", "X = 1"),
    (rules.vague_names, "tests/misc.py", "X = 1"),
    (rules.silent_excepts, "src/headrace/a.py", "try:\n    f()\nexcept:\n    pass"),
    (rules.silent_excepts, "src/headrace/a.py", "try:\n    f()\nexcept Exception:\n    g()"),
    (
        rules.silent_excepts,
        "tests/a.py",
        "try:\n    f()\nexcept (OSError, BaseException):\n    g()",
    ),
    (rules.banned_names, "src/headrace/a.py", "import asyncio\nasyncio.create_task(f())"),
    (rules.banned_names, "src/headrace/a.py", "from asyncio import ensure_future as go\ngo(f())"),
    (rules.banned_names, "src/headrace/a.py", "def f(loop):\n    loop.create_task(g())"),
    (rules.banned_names, "src/headrace/a.py", "import time as t\nT = t.monotonic()"),
    (rules.banned_names, "src/headrace/a.py", "from time import perf_counter\nC = perf_counter"),
    (rules.banned_names, "src/headrace/a.py", "import time\ntime.sleep(1)"),
    (rules.banned_names, "tests/unit/test_a.py", "import time\ntime.sleep(1)"),
    (rules.banned_names, "src/headrace/a.py", "import datetime\ndatetime.datetime.now()"),
    (rules.banned_names, "src/headrace/a.py", "from random import Random\nR = Random()"),
    (rules.banned_names, "src/headrace/a.py", "import os\nHOME = os.environ['HOME']"),
    (rules.banned_names, "src/headrace/a.py", "print('here')"),
    (rules.banned_names, "benchmarks/a.py", "import pickle\npickle.loads(b'')"),
    (rules.banned_names, "tests/a.py", "eval('1')"),
    (rules.banned_names, "src/headrace/cli/a.py", "exec('1')"),
    (rules.emptiness, "src/headrace/a.py", '"""Soon."""'),
    (rules.emptiness, "src/headrace/a.py", ""),
    (rules.notes_to_self, "src/headrace/a.py", "X = 1  # TO" + "DO: more"),
    (rules.notes_to_self, "src/headrace/a.py", "# FIX" + "ME\nX = 1"),
)

GOOD: Final[tuple[tuple[rules.Rule, str, str], ...]] = (
    (rules.module_state, "src/headrace/a.py", "from typing import Final\nN: Final = (1, 2)"),
    (rules.module_state, "src/headrace/a.py", "KINDS: Mapping[str, int] = {'a': 1}"),
    (rules.module_state, "src/headrace/a.py", "KINDS: Final[Mapping[str, int]] = {'a': 1}"),
    (rules.module_state, "src/headrace/a.py", "_PIECE = re.compile('a')\n__all__ = ('A',)"),
    (rules.module_state, "src/headrace/a.py", "T = TypeVar('T')\nNames = list[str]"),
    (rules.module_state, "src/headrace/a.py", "def f():\n    seen = []\n    return seen"),
    (rules.vague_names, "src/headrace/cache/key.py", "X = 1"),
    (rules.silent_excepts, "src/headrace/a.py", "try:\n    f()\nexcept OSError:\n    pass"),
    (rules.silent_excepts, "src/headrace/a.py", "try:\n    f()\nexcept Exception:\n    raise"),
    (
        rules.silent_excepts,
        "src/headrace/a.py",
        "try:\n    f()\nexcept Exception:\n    log.error()",
    ),
    (rules.banned_names, "src/headrace/clock.py", "import time\nNOW = time.perf_counter"),
    (rules.banned_names, "src/headrace/a.py", "def f(group):\n    group.create_task(g())"),
    (rules.banned_names, "src/headrace/a.py", "def f(clock):\n    return clock.monotonic()"),
    (rules.banned_names, "src/headrace/cli/a.py", "print('here')"),
    (rules.banned_names, "benchmarks/a.py", "import time\ntime.perf_counter()"),
    (rules.emptiness, "src/headrace/a/__init__.py", '"""A room."""'),
    (rules.notes_to_self, "src/headrace/a.py", "X = 'TO" + "DO'  # a word that callers send"),
)


@pytest.mark.parametrize(("rule", "path", "text"), BAD)
def test_rule_sees_what_is_bad(rule: rules.Rule, path: str, text: str) -> None:
    complaints = list(rule(Source.parse(path, text)))
    assert complaints
    assert all(complaint.startswith(f"{path}:") for complaint in complaints)


@pytest.mark.parametrize(("rule", "path", "text"), GOOD)
def test_rule_lets_pass_what_is_good(rule: rules.Rule, path: str, text: str) -> None:
    assert list(rule(Source.parse(path, text))) == []


def test_every_rule_is_shown_to_fail() -> None:
    shown: set[Callable[[Source], Iterator[str]]] = {rule for rule, _, _ in BAD}
    assert shown == {*rules.RULES, *rules.SHIPPED_RULES}


@pytest.mark.parametrize(("actual", "wrong"), [(11, True), (10, False), (7, False), (6, True)])
def test_ratchet_turns_one_way(actual: int, *, wrong: bool) -> None:
    assert (ratchet("lines", actual, recorded=10, slack=3) is not None) is wrong


def test_function_lines_are_counted() -> None:
    source = Source.parse("a.py", "@d\ndef f():\n    x = 1\n    async def g():\n        pass\n")
    assert sorted(rules.function_lines(source)) == [(2, "a.py:4: g"), (4, "a.py:2: f")]


def test_import_cycle_is_seen_through_names_and_relative_imports() -> None:
    first = Source.parse("src/headrace/a.py", "from headrace import b")
    back = Source.parse("src/headrace/b.py", "from . import a")
    later = Source.parse("src/headrace/b.py", "def f():\n    from headrace import a\n    return a")
    assert set(rules.import_cycle([first, back])) == {"headrace.a", "headrace.b"}
    assert rules.import_cycle([first, later]) == []


def test_dead_module_is_seen_behind_another_dead_one() -> None:
    root = Source.parse("src/headrace/cli/main.py", "from headrace import a")
    used = Source.parse("src/headrace/a.py", "X = 1")
    dead = Source.parse("src/headrace/b.py", "from headrace import c")
    behind = Source.parse("src/headrace/c.py", "X = 1")
    found = rules.unreachable([root, used, dead, behind], ENTRY_POINTS)
    assert found == ["src/headrace/b.py", "src/headrace/c.py"]


@pytest.mark.parametrize(
    "line",
    ["curl https://py" + "pi.org/simple", "/ho" + "me/someone/headrace", "cd /clone/here/src"],
)
def test_marks_of_a_machine_are_seen(line: str) -> None:
    assert len(list(rules.machine_marks("README.md", f"fine\n{line}", ["/clone"]))) == 1


def test_requirements_are_read_by_name() -> None:
    assert _distribution_name("Types_PyYAML[x]>=6.0; python_version>'3'") == "types-pyyaml"
