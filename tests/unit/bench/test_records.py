"""Records: written whole or not at all, and read back as they were."""

import platform
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.support.benching import make_record as record

from headrace.bench.load.samples import COLUMNS, NONE, Samples, Table, joined
from headrace.bench.records import Requests, append, check_writable, processor, read


def table(count: int, bound: int = 100) -> Table:
    samples = Samples(bound, seed=1)
    for n in range(count):
        samples.add((float(n), 0.001, 0.002 * n, NONE, NONE, 0.0, 1.0))
    return Table.of(samples)


def test_runs_are_added_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    first, second = record(), record(seed=2)
    append(file, first)
    append(file, second)
    assert read(file) == [first, second]
    assert file.read_bytes().count(b"\n") == 2


def test_a_full_disk_is_told_by_the_name_of_the_file() -> None:
    with pytest.raises(OSError, match="/dev/full: No space left on device; no run was written"):
        append(Path("/dev/full"), record())


_FULL_IN_THE_MIDDLE = """
import resource, sys
from pathlib import Path
from headrace.bench.records import append
file = Path(sys.argv[1])
append(file, {"kept": 1})
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    append(file, {"one": 1}, {"two": "x" * 2000})
except OSError as error:
    print(error.strerror)
"""


def test_a_disk_that_is_full_in_the_middle_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", _FULL_IN_THE_MIDDLE, str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "File too large; no run was written" in done.stdout
    assert file.read_text() == '{"kept":1}\n'


@pytest.mark.parametrize("cut", [1, 2, 50])
def test_half_a_run_at_the_end_is_none_and_gives_way_to_the_next(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "runs.jsonl"
    append(file, record(), record(seed=2))
    file.write_bytes(file.read_bytes()[:-cut])
    is_whole = cut == 1  # only its line end is missing
    assert read(file) == [record(), *([record(seed=2)] if is_whole else [])]
    append(file, record(seed=3))
    assert [each.seed for each in read(file)] == ([1, 2, 3] if is_whole else [1, 3])


def test_a_line_may_have_been_cut_off_anywhere(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    line = msgspec.json.encode({"é\\n": [-2.5e-10, True, False, None, {}, "\x00"], "last": -1.5})
    for end in range(1, len(line)):
        file.write_bytes(b'{"first":1}\n' + line[:end])
        append(file, {"one": 1})
        assert file.read_text() == '{"first":1}\n{"one":1}\n', line[:end]


@pytest.mark.parametrize("mine", ["mine", "{name: mine}", "{{ mine }}", '{"name": mine}', "{ mine"])
def test_what_others_wrote_is_never_cut(tmp_path: Path, mine: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(mine)
    append(file, {"one": 1})
    assert file.read_text() == f'{mine}\n{{"one":1}}\n'


def test_what_cannot_be_opened_is_found_out_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        check_writable(tmp_path / "nowhere" / "runs.jsonl")


def test_requests_are_told_in_columns() -> None:
    told = Requests.of(table(3))
    assert told.at_s == [0.0, 1.0, 2.0]
    assert told.e2e_ms == [0.0, 2.0, 4.0]
    assert told.ttft_ms == [None, None, None]
    assert told.outcome == ["ok"] * 3
    assert told.kind == ["stream"] * 3


def test_up_to_the_bound_every_request_is_kept_and_beyond_it_a_fair_draw() -> None:
    assert list(table(100).column("at_s")) == [float(n) for n in range(100)]
    many = table(10_000)
    kept = list(many.column("at_s"))
    assert (many.seen, len(kept)) == (10_000, 100)
    # The mean of a fair draw of 100 out of 0 to 9,999 is off by 290 in the usual case.
    assert sum(kept) / 100 == pytest.approx(5000, abs=1500)


def test_tables_are_joined_and_thinned_row_by_row() -> None:
    whole = joined([table(60), table(60)])
    assert (whole.seen, len(whole.column("at_s"))) == (120, 120)
    thin = whole.thinned(10, seed=3)
    assert all(len(thin.column(name)) == 10 for name in COLUMNS)
    pairs = zip(thin.column("at_s"), thin.column("e2e_s"), strict=True)
    assert all(e2e_s == pytest.approx(0.002 * at_s) for at_s, e2e_s in pairs)
    assert whole.thinned(120, seed=3) is whole


def test_a_processor_is_known_by_its_model(tmp_path: Path) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nmodel\t\t: 17\nmodel name\t: One 7R13 \nflags\t: fpu\n" * 2)
    assert processor(told) == "One 7R13"


@pytest.mark.parametrize("text", ["", "processor\t: 0\nBogoMIPS\t: 243.75\n", "model name\t:\n"])
def test_where_no_model_is_told_a_processor_is_known_by_its_kind(tmp_path: Path, text: str) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text(text)
    assert processor(told) == platform.machine()
    assert processor(tmp_path / "missing") == platform.machine()
