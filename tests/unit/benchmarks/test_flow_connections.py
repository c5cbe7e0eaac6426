"""The benchmark of the connection pool measures what it says, and judges by what was promised."""

from pathlib import Path

from benchmarks.flow.connection_clients import PER_CALL, POOL
from benchmarks.flow.connections_case import (
    AIOHTTP_LEAST,
    HTTPX_LEAST,
    PER_CALL_LEAST,
    Setting,
    measure,
)

SETTINGS = (Setting("asyncio", "https", 1), Setting("threads", "http", 2))


def test_every_client_has_its_row_in_every_setting(tmp_path: Path) -> None:
    told: list[str] = []
    rows = measure(2, tmp_path, told.append, SETTINGS, calls=8)
    assert told[-1] == "round 2 of 2"
    for setting in SETTINGS:
        clients = {
            row.client: row for row in rows if (row.face, row.wire) == (setting.face, setting.wire)
        }
        assert {POOL, PER_CALL, "httpx2"} <= set(clients)
        assert clients[POOL].against.low == clients[POOL].against.high == 1.0
        assert {row.call_us.rounds for row in clients.values()} == {2}
        assert all(row.call_us.low > 0 for row in clients.values())


def test_promises_are_those_of_the_bars(tmp_path: Path) -> None:
    rows = measure(1, tmp_path, bool, SETTINGS, calls=8)
    promised = {(row.wire, row.client): row.least for row in rows}
    assert promised["https", PER_CALL] == PER_CALL_LEAST == 2.0
    assert promised["https", "httpx2"] == HTTPX_LEAST == 1.0
    assert promised["https", POOL] is None
    assert AIOHTTP_LEAST * 1.3 == 1.0
    for row in rows:
        expected = None if row.least is None else row.against.median >= row.least
        assert row.is_kept is expected
