"""Plans from YAML, those that ship and those of users: what is wrong is told by its line."""

from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from headrace.bench import documents
from headrace.bench.load.faults import PlanInvalid
from headrace.bench.load.plan import Plan

_SUFFIX: Final = ".yaml"
_WHAT: Final = "plan"


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
    return documents.text_of(path, _WHAT), name


def parse(text: str, name: str) -> Plan:
    """A plan from its text.

    Args:
        text: YAML.
        name: what messages call it.

    Raises:
        PlanInvalid: it is none; the message tells the line and the field.
    """
    document = documents.read(text, name, Plan, _WHAT)
    _check(document)
    return document.value


def _check(document: documents.Document[Plan]) -> None:
    """What types do not say."""
    plan = document.value
    seen: set[str] = set()
    baselines = 0
    for number, phase in enumerate(plan.phases):
        at = f".phases[{number}]"
        if phase.name in seen:
            raise document.fault(f"{at}.name", f"two phases are called {phase.name}")
        seen.add(phase.name)
        baselines += phase.kind == "baseline"
        if phase.slo.recovery_s is not None and not baselines:
            place = f"{at}.slo.recovery_s"
            raise document.fault(place, "needs a phase of kind baseline before it")
    mix = plan.workload.mix
    if not mix.chat + mix.stream + mix.embeddings > 0:
        raise document.fault(".workload.mix", "nothing is left to ask")


def _listed() -> str:
    return ", ".join(names())


def as_yaml(document: Any) -> str:
    """A plan as YAML, such as one that was scaled."""
    text: str = yaml.safe_dump(msgspec.to_builtins(document), sort_keys=False, allow_unicode=True)
    return text
