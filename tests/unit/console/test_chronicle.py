"""A week in steps: bounded, kept on disk, and of no clock that anybody sets."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headrace.console.chronicle import STEP_S, Change, Chronicle, Sums
from headrace.console.chronicle_file import (
    FILE,
    chronicle_bytes,
    read_chronicle,
    write_chronicle,
)

DAY_S = 86_400.0
START_S = 20_000 * DAY_S


def lived(days: float, usd_per_step: float = 1.0) -> Chronicle:
    """One of a gateway that spends all the time."""
    chronicle = Chronicle(Sums(), START_S)
    for step in range(1, round(days * DAY_S / STEP_S) + 1):
        sums = Sums(step, step, 0.0, step * usd_per_step)
        chronicle.add(sums, START_S + step * STEP_S)
    return chronicle


def kept(chronicle: Chronicle, folder: Path, at_s: float, first: Sums = Sums()) -> Chronicle:  # noqa: B008
    """The one of the gateway that comes after."""
    write_chronicle(folder, chronicle_bytes(chronicle))
    return read_chronicle(folder, first, at_s)


def test_it_keeps_a_week_and_an_hour() -> None:
    chronicle = lived(30)
    assert len(chronicle.steps) == 7 * 144 + 6 + 1
    assert chronicle.seen_s == pytest.approx(7 * DAY_S + 3600, abs=STEP_S)
    assert len(chronicle_bytes(chronicle)) < 1 << 18


def test_a_step_without_anything_takes_no_room() -> None:
    chronicle = Chronicle(Sums(), START_S)
    chronicle.add(Sums(1.0, 1.0, 1.0, 0.5), START_S + 10)
    for step in range(1, 200):
        chronicle.add(Sums(1.0, 1.0, 1.0, 0.5), START_S + step * STEP_S)
    assert chronicle.steps == {int(START_S // STEP_S): Sums(1.0, 1.0, 1.0, 0.5)}


def test_the_next_gateway_goes_on_from_it(tmp_path: Path) -> None:
    before = lived(3)
    at_s = START_S + 3 * DAY_S + 60
    chronicle = kept(before, tmp_path, at_s, Sums(5.0, 5.0, 5.0, 7.0))
    assert chronicle.steps == before.steps
    assert chronicle.seen_s == pytest.approx(before.seen_s + 60)
    chronicle.add(Sums(5.0, 5.0, 5.0, 37.0), at_s + 60)
    # Of what its counters held when it began, nothing counts; thirty dollars do, in two minutes.
    assert chronicle.cost_spike() == Change(pytest.approx(41.5, abs=0.1), pytest.approx(6.0))
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_what_is_later_than_now_was_written_by_a_clock_that_was_ahead(tmp_path: Path) -> None:
    chronicle = kept(lived(3), tmp_path, START_S + DAY_S)
    assert max(chronicle.steps) <= int((START_S + DAY_S) // STEP_S)
    assert kept(lived(3), tmp_path, START_S - DAY_S).steps == {}


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"null", b"\xff", b'{"version": 1}', b'{"a":' * 100_000, b" " * (2 << 20)),
        b'{"version":2,"step_s":600.0,"began":1,"steps":{}}',
        b'{"version":1,"step_s":60.0,"began":1,"steps":{"1":[1,1,1,1]}}',
        b'{"version":1,"step_s":600.0,"began":1,"steps":{"1":"none"}}',
    ],
)
def test_what_is_damaged_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    chronicle = read_chronicle(tmp_path, Sums(), START_S)
    assert (chronicle.steps, chronicle.seen_s) == ({}, 0.0)


def test_several_that_write_at_once_leave_one_that_is_whole(tmp_path: Path) -> None:
    """As gateways do that have one process number, each in a container of its own."""
    contents = [chronicle_bytes(lived(days)) for days in (1, 3, 5, 7)]
    with ThreadPoolExecutor(len(contents)) as threads:
        writes = [
            threads.submit(write_chronicle, tmp_path, content)
            for _ in range(50)
            for content in contents
        ]
        for write in writes:
            write.result()
            assert (tmp_path / FILE).read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    before = lived(1)
    write_chronicle(tmp_path, chronicle_bytes(before))
    (tmp_path / FILE).rename(tmp_path / "aside")
    (tmp_path / FILE).mkdir()  # nothing can take its place
    with pytest.raises(OSError, match=FILE):
        write_chronicle(tmp_path, chronicle_bytes(lived(2)))
    assert {path.name for path in tmp_path.iterdir()} == {FILE, "aside"}
