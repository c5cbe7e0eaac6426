"""How much of its time shipping takes: little, and more as the journal fills."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.ledger import Tally

from headrace.clock import ManualClock
from headrace.store.ledger.retention import Retention
from headrace.store.ledger.shipper import Shipper


def pause_s(pending: int, took_s: float = 0.01) -> float:
    async def main() -> float:
        records: Any = None
        tally = Tally()
        shipper = Shipper(
            Path("nowhere"),
            records,
            Retention(records, 0, 1),
            ManualClock(),
            tally.say,
            tally.counts(),
            share_max=0.05,
            bytes_max=1000,
        )
        return shipper._pause_s(took_s, pending)

    return asyncio.run(main())


@pytest.mark.parametrize(("pending", "share"), [(0, 0.05), (50, 0.1), (450, 0.5), (950, 1.0)])
def test_the_fuller_the_journal_the_more_of_the_time(pending: int, share: float) -> None:
    assert pause_s(pending) == pytest.approx(0.01 / share - 0.01)


def test_a_pause_is_bounded() -> None:
    assert pause_s(0, took_s=60.0) == 1.0
