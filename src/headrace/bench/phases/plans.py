"""Plans from YAML, those that ship and those of users: what is wrong is told by its line."""

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from headrace.bench.load.faults import PlanInvalid
from headrace.bench.load.plan import Plan

_BYTES_MAX: Final = 256 * 1024
# What the parser takes for a document grows with the square of its depth.
_DEPTH_MAX: Final = 50
_SUFFIX: Final = ".yaml"
_PLACE: Final = re.compile(r" - at `\$(.*)`$")
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def names() -> tuple[str, ...]:
    """Of the plans that ship."""
    files = resources.files("headrace.bench.phases").joinpath("shipped").iterdir()
    return tuple(sorted(f.name.removesuffix(_SUFFIX) for f in files if f.name.endswith(_SUFFIX)))


def find(name: str) -> tuple[str, str]:
    """The text of a plan, and what it is called.

    Args:
        name: of one that ships, or a file.

    Raises:
        PlanInvalid: there is none, or it is no text.
        OSError: the file cannot be read.
    """
    if name in names():
        shipped = resources.files("headrace.bench.phases").joinpath("shipped", name + _SUFFIX)
        return shipped.read_text("utf-8"), name
    path = Path(name)
    if not path.is_file():
        raise PlanInvalid(f"{name}: there is no such file, and plans that ship are {_listed()}.")
    raw = path.read_bytes()
    if len(raw) > _BYTES_MAX:
        raise PlanInvalid(f"{name}: is larger than a plan can be, {_BYTES_MAX >> 10} KiB.")
    try:
        return raw.decode("utf-8"), name
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise PlanInvalid(f"{name}:{line}: is not UTF-8 text.") from None


def parse(text: str, name: str) -> Plan:
    """A plan from its text.

    Args:
        text: YAML.
        name: what messages call it.

    Raises:
        PlanInvalid: it is none; the message tells the line and the field.
    """
    node = _composed(text, name)
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # Composing took it, but a value is none, such as the 31st of February.
        raise PlanInvalid(f"{name}: {_in_one_line(error)}") from None
    try:
        plan = msgspec.convert(document, Plan)
    except msgspec.ValidationError as error:
        message = str(error)
        found = _PLACE.search(message)
        path = found[1] if found else ""
        what = _PLACE.sub("", message)
        line = _line(node, path)
        field = path.lstrip(".") or "the plan"
        raise PlanInvalid(f"{name}:{line}: {field}: {what}") from None
    _check(plan, node, name)
    return plan


def _composed(text: str, name: str) -> yaml.Node:
    """The document as nodes that know their lines, without aliases and names given twice."""
    try:
        _look_through(text, name)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark
        place = f":{mark.line + 1}" if mark else ""
        raise PlanInvalid(f"{name}{place}: {error.problem or 'is not YAML'}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise PlanInvalid(f"{name}: {_in_one_line(error)}") from None
    if node is None:
        raise PlanInvalid(f"{name}: is empty; see `headrace bench plan baseline` for one.")
    for key in _repeated(node):
        line = key.start_mark.line + 1
        raise PlanInvalid(f"{name}:{line}: {key.value} is written twice in one place.")
    return node


def _look_through(text: str, name: str) -> None:
    """Read a document without making anything of it, as far as it can be a plan."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        start: Any = event.start_mark
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH_MAX:
            raise PlanInvalid(f"{name}:{start.line + 1}: is nested too deeply.")
        if isinstance(event, yaml.AliasEvent):
            raise PlanInvalid(f"{name}:{start.line + 1}: a plan has no aliases: write it out.")


def _repeated(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key
                seen.add(key.value)
            yield from _repeated(value)


def _line(node: yaml.Node, path: str) -> int:
    """Where a path such as `.phases[1].seconds` is, or as much of it as there is."""
    for step in _STEP.finditer(path):
        below = _below(node, step[1], step[2])
        if below is None:
            break
        node = below
    return int(node.start_mark.line) + 1


def _below(node: yaml.Node, key: str | None, place: str | None) -> yaml.Node | None:
    if place is not None and isinstance(node, yaml.SequenceNode) and int(place) < len(node.value):
        return node.value[int(place)]  # type: ignore[no-any-return]
    if key is not None and isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value  # type: ignore[no-any-return]
    return None


def _check(plan: Plan, node: yaml.Node, name: str) -> None:
    """What types do not say."""

    def refuse(path: str, message: str) -> None:
        raise PlanInvalid(f"{name}:{_line(node, path)}: {path.lstrip('.')}: {message}")

    seen: set[str] = set()
    baselines = 0
    for number, phase in enumerate(plan.phases):
        at = f".phases[{number}]"
        if phase.name in seen:
            refuse(f"{at}.name", f"two phases are called {phase.name}")
        seen.add(phase.name)
        baselines += phase.kind == "baseline"
        if phase.slo.recovery_s is not None and not baselines:
            refuse(f"{at}.slo.recovery_s", "needs a phase of kind baseline before it")
    mix = plan.workload.mix
    if not mix.chat + mix.stream + mix.embeddings > 0:
        refuse(".workload.mix", "nothing is left to ask")


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _listed() -> str:
    return ", ".join(names())


def as_yaml(document: Any) -> str:
    """A plan as YAML, such as one that was scaled."""
    text: str = yaml.safe_dump(msgspec.to_builtins(document), sort_keys=False, allow_unicode=True)
    return text
