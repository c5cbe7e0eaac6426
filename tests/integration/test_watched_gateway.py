"""The gateway that benchmarks look into: it serves as ever, and tells what it saw."""

from collections import Counter
from pathlib import Path

import pytest
from benchmarks import gateway, probe, processes, stream_case
from benchmarks.parts import WRITE_CLIENT, WRITE_PROVIDER
from benchmarks.watched_gateway import PartsSeen, StreamsSeen, ask
from benchmarks.workload import chat_request

WATCHED = "benchmarks.watched_gateway"


def test_parts_of_a_miss_and_of_a_hit_are_told(tmp_path: Path) -> None:
    file = tmp_path / "parts.json"
    with (
        stream_case.mock(tmp_path) as mock,
        gateway.serving(
            "watched", tmp_path, mock.call.port, program=(WATCHED, "parts", str(file))
        ) as served,
    ):
        request = chat_request(served.call, "abc").request(1)
        results = [probe.call(served.port, request).headers["x-headrace-cache"] for _ in range(2)]
        entries = ask(served.child, file, PartsSeen).entries
    assert results == ["miss", "l1"]
    entered: Counter[str] = Counter()
    for each in entries.passages:
        entered[each.part] += each.calls
    assert entered[WRITE_PROVIDER] == 1
    assert entered[WRITE_CLIENT] >= 2  # and those of readiness probes
    assert entered["validate: decode and check"] == 1
    assert entries.times_ns["validate: decode and check"] > 0


@pytest.mark.heavy
def test_a_stream_is_stamped_once_and_in_order(tmp_path: Path) -> None:
    file = tmp_path / "streams.json"
    with (
        stream_case.mock(tmp_path) as mock,
        gateway.serving(
            "watched", tmp_path, mock.call.port, program=(WATCHED, "streams", str(file))
        ) as served,
    ):
        answer = probe.call(
            served.port, chat_request(served.call, "abc", stream_chunks=2).request(7)
        )
        assert answer.status == 200
        seen = ask(served.child, file, StreamsSeen)
        again = ask(served.child, file, StreamsSeen)
    (stamps,) = (stamps for number, stamps in seen.streams.items() if number == 7)
    way = [stamps.read_s, stamps.planned_s, stamps.written_s, stamps.first_s, stamps.passed_on_s]
    assert way == sorted(way)
    assert way[0] > 0
    assert seen.turns
    assert len(seen.moments) == 1
    assert again.streams == {}


def test_a_child_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with processes.running("gone", ["true"], tmp_path) as child:
        child.stop()
        with pytest.raises(processes.ChildFailed, match="does not tell"):
            ask(child, tmp_path / "x.json", PartsSeen)
