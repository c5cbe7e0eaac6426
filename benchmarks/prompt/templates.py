"""`python -m benchmarks.prompt.templates`: loading and rendering, beside jinja2 and others.

Thirteen templates of twenty placeholders, in files, as a registry finds them: front matter with a
schema, roles, a body. The others are given the bare bodies, already in memory where they cannot
read files, and check nothing. All are measured in the same rounds, in random order, in processor
time, so that others on the machine matter less.
"""

import argparse
import gc
import random
import statistics
import string
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import jinja2
import jinja2.sandbox
import minijinja
import msgspec
from rich.console import Console
from rich.table import Table

from headrace import TemplateRegistry

TEMPLATES: Final = 13
PLACEHOLDERS: Final = 20
ROUNDS: Final = 30
SEED: Final = 1
LOAD_MS_MAX: Final = 5.0
RENDER_US_MAX: Final = 10.0
RENDERS: Final = 1000

_WORDS: Final = ("water", "mill", "wheel", "gate", "stone", "grain", "flour", "sluice", "weir")


class Row(msgspec.Struct, frozen=True):
    """One figure: median of the rounds, and the range that half of them are in."""

    what: str
    who: str
    median: float
    low: float
    high: float
    unit: str
    limit: float | None = None

    @property
    def is_kept(self) -> bool | None:
        """Whether the promise is kept; `None` where there is none."""
        return None if self.limit is None else self.median <= self.limit


class Subject(msgspec.Struct, frozen=True):
    """Who is measured.

    Attributes:
        load: reads and compiles every template.
        render: gives what renders one of them.
    """

    who: str
    load: Callable[[], object]
    render: Callable[[], Callable[[], object]]


def names() -> list[str]:
    """The variables of every template, interned as names in a program's text are."""
    return [sys.intern(f"{_WORDS[at % len(_WORDS)]}_{at}") for at in range(PLACEHOLDERS)]


def values(dice: random.Random) -> dict[str, str]:
    """A few words for each of them."""
    return {name: " ".join(dice.choices(_WORDS, k=4)) for name in names()}


def bodies(dice: random.Random, before: str = "{{ ", after: str = " }}") -> list[str]:
    """Bodies of about 1.3 kB with every placeholder once."""
    texts = []
    for _ in range(TEMPLATES):
        lines = [
            f"{' '.join(dice.choices(_WORDS, k=5)).capitalize()}: {before}{name}{after}."
            for name in names()
        ]
        texts.append("\n".join(lines))
    return texts


def write_files(folder: Path, texts: Sequence[str]) -> None:
    """The bodies as a registry wants them."""
    schema = "".join(f"    {name}: string, what stands there\n" for name in names())
    for number, text in enumerate(texts):
        folder.joinpath(f"template-{number}.prompt").write_text(
            f"---\ndescription: one of {TEMPLATES}\nmodel: fast\nconfig:\n  temperature: 0.2\n"
            f'input:\n  schema:\n{schema}---\n{{{{role "system"}}}}\nBe careful.\n\n'
            f'{{{{role "user"}}}}\n{text}\n',
            "utf-8",
        )


def subjects(folder: Path, dice: random.Random) -> list[Subject]:
    """Headrace and the others, each with the same words to say."""
    jinja, dollar = bodies(dice), bodies(dice, "${", "}")
    given = values(dice)
    write_files(folder, jinja)

    def registry() -> TemplateRegistry:
        read = TemplateRegistry(folder)
        read.precompile_all()
        return read

    def headrace() -> Callable[[], object]:
        read = registry()
        return lambda: read.render("template-3", variables=given)

    def bare() -> minijinja.Environment:
        return minijinja.Environment(templates={str(at): text for at, text in enumerate(jinja)})

    def bare_render() -> Callable[[], object]:
        environment = bare()
        return lambda: environment.render_template("3", **given)

    def others(make: Callable[[], jinja2.Environment]) -> tuple[Callable[[], object], ...]:
        def render() -> Callable[[], object]:
            template = make().from_string(jinja[3])
            return lambda: template.render(given)

        return lambda: [make().from_string(text) for text in jinja], render

    plain, plain_render = others(lambda: jinja2.Environment(autoescape=False))  # noqa: S701
    sandbox, sandbox_render = others(lambda: jinja2.sandbox.SandboxedEnvironment(autoescape=False))
    dollars = string.Template(dollar[3])
    return [
        Subject("headrace", registry, headrace),
        Subject("minijinja alone", lambda: bare_loaded(bare()), bare_render),
        Subject("jinja2", plain, plain_render),  # type: ignore[arg-type]
        Subject("jinja2, sandboxed", sandbox, sandbox_render),  # type: ignore[arg-type]
        Subject(
            "string.Template",
            lambda: [string.Template(text) for text in dollar],
            lambda: lambda: dollars.substitute(given),
        ),
    ]


def bare_loaded(environment: minijinja.Environment) -> None:
    """Have every template compiled, which minijinja does when it is first asked for."""
    for number in range(TEMPLATES):
        environment.undeclared_variables_in_template(str(number))


def measure(rounds: int) -> list[Row]:
    """Every subject in every round, in random order."""
    dice = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        measured = subjects(Path(folder), dice)
        renders = {subject.who: subject.render() for subject in measured}
        loads: dict[str, list[float]] = {subject.who: [] for subject in measured}
        times: dict[str, list[float]] = {subject.who: [] for subject in measured}
        for each in measured:  # everything is imported, and caches are warm
            each.load()
        for _ in range(rounds):
            for subject in dice.sample(measured, len(measured)):
                loads[subject.who].append(_seconds(subject.load, 1) * 1e3)
                times[subject.who].append(_seconds(renders[subject.who], RENDERS) * 1e6)
    return [
        *_rows("load 13 files", loads, "ms", {"headrace": LOAD_MS_MAX}),
        *_rows("render 20 placeholders", times, "µs", {"headrace": RENDER_US_MAX}),
    ]


def _seconds(work: Callable[[], object], count: int) -> float:
    gc.collect()
    began = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - began) / count


def _rows(
    what: str, figures: Mapping[str, list[float]], unit: str, limits: Mapping[str, float]
) -> list[Row]:
    rows = []
    for who, each in figures.items():
        low, middle, high = statistics.quantiles(each, n=4)
        rows.append(Row(what, who, middle, low, high, unit, limits.get(who)))
    return rows


def main() -> None:
    """Measure; the exit status says whether every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each (default: 30)")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    arguments = parser.parse_args()
    rows = measure(arguments.rounds)
    table = Table("figure", "who", "median", "half are within", "goal", "")
    for row in rows:
        goal = "" if row.limit is None else f"<= {row.limit:g} {row.unit}"
        spread = f"{row.low:.3g} to {row.high:.3g}"
        verdict = {True: "kept", False: "MISSED", None: ""}[row.is_kept]
        table.add_row(row.what, row.who, f"{row.median:.3g} {row.unit}", spread, goal, verdict)
    Console().print(table)
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    raise SystemExit(any(row.is_kept is False for row in rows))


if __name__ == "__main__":
    main()
