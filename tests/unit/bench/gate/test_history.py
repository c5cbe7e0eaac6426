"""What gates came to over time."""

from pathlib import Path

import msgspec
import pytest

from headrace.bench.gate import history
from headrace.bench.gate.history import Entry, changes
from headrace.bench.load.faults import PlanInvalid
from headrace.bench.records import Environment, append

HERE = Environment.here()
NAME = "hit, CPU / nginx"


def entries(*ratios: float, environment: Environment = HERE) -> list[Entry]:
    return [
        Entry(at=86_400.0 * n, commit=f"c{n}", environment=environment, ratios={NAME: ratio})
        for n, ratio in enumerate(ratios)
    ]


CALM = tuple(1.0 + 0.004 * (n % 3) for n in range(12))
SLOW = tuple(1.3 + 0.004 * (n % 3) for n in range(12))


def test_a_step_is_told_with_the_commit_it_came_with() -> None:
    (change,) = changes(entries(*CALM, *SLOW), HERE)
    assert (change.name, change.commit, change.at) == (NAME, "c12", 86_400.0 * 12)
    assert change.before == pytest.approx(1.0, abs=0.01)
    assert change.after == pytest.approx(1.3, abs=0.01)


def test_without_a_step_there_is_nothing_to_tell() -> None:
    assert changes(entries(*CALM, *CALM), HERE) == []
    assert changes(entries(1.0, 2.0), HERE) == []
    assert changes([], HERE) == []


def test_other_machines_are_another_history() -> None:
    other = msgspec.structs.replace(HERE, cores=HERE.cores + 1)
    assert changes([*entries(*CALM), *entries(*SLOW, environment=other)], HERE) == []


def test_a_history_is_added_to_and_read(tmp_path: Path) -> None:
    file = tmp_path / "gates.jsonl"
    assert history.read(file) == []
    append(file, *entries(1.0))
    append(file, *entries(2.0, 3.0))
    assert history.read(file) == [*entries(1.0), *entries(2.0, 3.0)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", ":2: is no gate"),
        ("", ":2: is no gate"),
        ('{"at": 1}', ":2: is no gate"),
        ("\\xff", ":2: is no gate"),
    ],
)
def test_a_line_that_is_no_gate_is_told(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "gates.jsonl"
    append(file, *entries(1.0))
    with file.open("ab") as more:
        more.write(line.encode() + b"\n")
    with pytest.raises(PlanInvalid, match=words):
        history.read(file)


def test_a_gate_of_another_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "gates.jsonl"
    append(file, msgspec.structs.replace(entries(1.0)[0], format="other"))
    with pytest.raises(PlanInvalid, match="of this format"):
        history.read(file)


def test_half_a_line_of_a_gate_that_was_killed_is_none_and_the_next_one_takes_its_place(
    tmp_path: Path,
) -> None:
    file = tmp_path / "gates.jsonl"
    append(file, *entries(1.0, 2.0))
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    assert history.read(file) == entries(1.0)
    append(file, *entries(3.0))
    assert history.read(file) == [*entries(1.0), *entries(3.0)]
