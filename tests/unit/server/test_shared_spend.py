"""Processes that reserve at the same time take no more than there is, and one that dies lets go."""

import os
import signal
from collections.abc import Callable
from datetime import UTC
from functools import partial

from headrace.identity.budgets import Payer, Terms
from headrace.identity.purse import Purse, Reservation
from headrace.server.shared_spend import SharedSpend

WORKERS = 4
TRIES = 400
LIMIT_USD = 1.0
MODELS = frozenset(f"m{number}" for number in range(40))
CALL_USD = 0.003


def purse(spend: SharedSpend, worker: int) -> Purse:
    made = Purse(spend.table(worker), lambda: 1e9)
    made.adopt([Terms("all", day_usd=LIMIT_USD)], {}, UTC, MODELS)
    return made


def child(work: Callable[[], None]) -> int:
    """The pid of a process that does something, and ends."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def test_together_they_take_what_there_is_and_no_more() -> None:
    spend = SharedSpend(WORKERS)

    def reserve(worker: int) -> None:
        own = purse(spend, worker)
        for number in range(TRIES):
            taken = own.reserve(Payer("", "t"), f"m{number % 40}", CALL_USD)
            if isinstance(taken, Reservation) and number % 3 == 0:
                taken.give_back()

    pids = [child(partial(reserve, worker)) for worker in range(WORKERS)]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * WORKERS
    reader = Purse(spend.table(0), lambda: 1e9)
    (tenant,) = (each for each in reader.books() if each.dimension == "tenant")
    held = (tenant.day.spent + tenant.day.reserved) / 1e9  # that of worker 0 counts as spent now
    assert LIMIT_USD - CALL_USD < held <= LIMIT_USD
    models = [each for each in reader.books() if each.dimension == "model"]
    assert sorted(each.name for each in models) == sorted(MODELS)
    assert sum(each.day.spent + each.day.reserved for each in models) / 1e9 == held


def test_who_is_killed_while_it_holds_the_lock_does_not_keep_the_others() -> None:
    spend = SharedSpend(2)

    def hold() -> None:
        with spend.table(0).lock:
            os.write(ready, b".")
            signal.pause()

    told, ready = os.pipe()
    pid = child(hold)
    assert os.read(told, 1) == b"."
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert isinstance(purse(spend, 1).reserve(Payer("", "t"), "m", 0.1), Reservation)
    os.close(told)
    os.close(ready)
