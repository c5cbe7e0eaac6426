"""Files that their process was killed over, and those that only look like it."""

import fcntl
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import openai
import pytest
from tests.integration.batches.conftest import Begin
from tests.support.batches import begin, client, jsonl, line, results, send, until
from tests.support.small_disk import fill, small_disk
from tests.support.waiting import eventually

from headrace.batches.keeper import LOST_S
from headrace.batches.shelf import Shelf
from headrace.sim.thread import ThreadedSim

LINES = 60
DISK_BYTES = 64 * 1024


def files(folder: Path) -> set[str]:
    """Those that are there whole, or grow."""
    return {path.name for path in (folder / "data" / "files").glob("file_*") if not path.suffix}


def age(path: Path) -> None:
    """Nobody has written to it for more than a day."""
    long_ago_s = path.stat().st_mtime - 2 * LOST_S
    os.utime(path, (long_ago_s, long_ago_s))


def swept(gateway: object) -> bool:
    return bool([each for each in gateway.events() if each["event"] == "files_swept"])  # type: ignore[attr-defined]


def test_a_file_whose_gateway_was_killed_before_it_was_noted_is_deleted_at_the_next_start(
    begin_gateway: Begin, tmp_path: Path
) -> None:
    first = begin_gateway()
    with client(first.url) as sdk:
        kept = send(sdk, jsonl([line(0)]))
    with (
        closing(sqlite3.connect(tmp_path / "data" / "records.sqlite3")) as other,
        ThreadPoolExecutor(1) as pool,
        client(first.url) as sdk,
    ):
        other.execute("BEGIN IMMEDIATE")  # nothing can be noted
        sending = pool.submit(send, sdk, jsonl([line(1)]))
        eventually(lambda: len(files(tmp_path)) == 2)
        first.kill()
        with pytest.raises(openai.APIConnectionError):
            sending.result()
    (stray,) = files(tmp_path) - {kept}
    age(tmp_path / "data" / "files" / stray)
    second = begin_gateway()
    eventually(lambda: swept(second))
    assert files(tmp_path) == {kept}
    with client(second.url) as sdk:
        assert [each.id for each in sdk.files.list()] == [kept]


@pytest.mark.heavy
def test_files_that_somebody_is_about_to_note_or_writes_to_are_left_alone(
    begin_gateway: Begin, sim: ThreadedSim, tmp_path: Path
) -> None:
    pace = {"x-sim-ttft-ms": "100"}
    first = begin_gateway(pace=pace, batches={"concurrency": 4})
    with client(first.url) as sdk:
        batch_id = begin(sdk, jsonl(line(n) for n in range(LINES)))
        eventually(lambda: sim.stats().requests_total > LINES // 4)
        coming = tmp_path / "data" / "files" / f"file_{'y' * 26}"
        lost = tmp_path / "data" / "files" / f"file_{'z' * 26}"
        lost.write_bytes(b"{}")
        age(lost)
        held = os.open(coming, os.O_CREAT | os.O_WRONLY)
        fcntl.flock(held, fcntl.LOCK_EX)  # as who takes it in does, until it is noted
        age(coming)
        other = begin_gateway(pace=pace)
        eventually(lambda: swept(other))
        assert coming.exists()
        assert not lost.exists()
        os.close(held)
        batch = until(sdk, batch_id)
        assert (batch.status, batch.request_counts.completed) == ("completed", LINES)
        assert len(results(sdk, batch.output_file_id)) == LINES


@pytest.mark.heavy
def test_a_batch_that_was_begun_without_a_key_goes_on_when_there_are_keys(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    gateway = begin_gateway(pace={"x-sim-ttft-ms": "300"}, batches={"concurrency": 4})
    with client(gateway.url) as sdk:
        batch_id = begin(sdk, jsonl(line(n) for n in range(LINES)))
        eventually(lambda: sim.stats().requests_total > LINES // 6)
    made = gateway.post("/admin/keys", {"name": "first", "admin": True}).json()
    eventually(lambda: gateway.get("/v1/batches").status == 401)
    asked = sim.stats().requests_total
    assert asked < LINES
    with client(gateway.url, made["key"]) as sdk:  # of the tenant that callers without a key are
        batch = until(sdk, batch_id)
        assert (batch.status, batch.request_counts.completed) == ("completed", LINES)
        assert batch.errors is None


def test_a_disk_that_is_full_keeps_nothing_of_what_could_not_be_made(tmp_path: Path) -> None:
    with small_disk(tmp_path, DISK_BYTES) as disk:
        shelf = Shelf(disk)
        shelf.folder.mkdir()
        large = fill(disk)
        for _ in range(3):
            with pytest.raises(OSError, match="No space left"):
                shelf.place()
        assert list(shelf.folder.iterdir()) == []
        large.unlink()
        assert shelf.place() == shelf.place() != ""
