"""CoDel against the pseudo code of RFC 8289, section 5, written down once more as it stands."""

from collections import deque
from itertools import pairwise
from math import sqrt
from random import Random

import pytest

from headrace.flow.scheduler.codel import CoDel

TARGET_S = 0.005
INTERVAL_S = 0.1


class Rfc:
    """`CoDelQueue` of the RFC: names, order and branches are its own; a packet is one ticket."""

    def __init__(self) -> None:
        self.queue: deque[float] = deque()
        self.dropped: list[float] = []
        self.first_above_time = 0.0
        self.drop_next = 0.0
        self.count = 0
        self.lastcount = 0
        self.dropping = False

    def dodequeue(self, now: float) -> tuple[float | None, bool]:
        packet = self.queue.popleft() if self.queue else None
        ok_to_drop = False
        if packet is None:
            self.first_above_time = 0.0
            return None, False
        sojourn_time = now - packet
        if sojourn_time < TARGET_S or len(self.queue) <= 1:
            self.first_above_time = 0.0
        elif self.first_above_time == 0.0:
            self.first_above_time = now + INTERVAL_S
        elif now >= self.first_above_time:
            ok_to_drop = True
        return packet, ok_to_drop

    def dequeue(self, now: float) -> float | None:
        packet, ok_to_drop = self.dodequeue(now)
        if self.dropping:
            if not ok_to_drop:
                self.dropping = False
            while now >= self.drop_next and self.dropping:
                self.drop(packet)
                self.count += 1
                packet, ok_to_drop = self.dodequeue(now)
                if not ok_to_drop:
                    self.dropping = False
                else:
                    self.drop_next = self.control_law(self.drop_next)
        elif ok_to_drop:
            self.drop(packet)
            packet, ok_to_drop = self.dodequeue(now)
            self.dropping = True
            delta = self.count - self.lastcount
            self.count = 1
            if delta > 1 and now - self.drop_next < 16 * INTERVAL_S:
                self.count = delta
            self.drop_next = self.control_law(now)
            self.lastcount = self.count
        return packet

    def control_law(self, t: float) -> float:
        return t + INTERVAL_S / sqrt(self.count)

    def drop(self, packet: float | None) -> None:
        assert packet is not None
        self.dropped.append(packet)


class Ours:
    """The same queue, with `CoDel` asked about the oldest."""

    def __init__(self) -> None:
        self.queue: deque[float] = deque()
        self.dropped: list[float] = []
        self.codel = CoDel(target_s=TARGET_S, interval_s=INTERVAL_S)

    def dequeue(self, now: float) -> float | None:
        if not self.queue:
            self.codel.emptied()
            return None
        while self.codel.wants_drop(now, now - self.queue[0], len(self.queue) - 1):
            self.dropped.append(self.queue.popleft())
        return self.queue.popleft()


@pytest.mark.parametrize("seed", range(40))
def test_drops_what_the_rfc_drops(seed: int) -> None:
    dice = Random(seed)
    rfc, ours = Rfc(), Ours()
    now = 1.0
    load = 1.0
    for step in range(4000):
        if step % 400 == 0:  # overload, drain, and overload again soon after: every branch
            load = dice.choice((0.5, 0.9, 1.1, 1.5, 3.0))
        now += dice.expovariate(1000.0)
        if dice.random() < load / (1.0 + load):
            rfc.queue.append(now)
            ours.queue.append(now)
        else:
            assert ours.dequeue(now) == rfc.dequeue(now)
            assert ours.codel.is_dropping == rfc.dropping
    assert ours.dropped == rfc.dropped


def test_some_of_these_runs_drop_in_several_cycles() -> None:
    dice, rfc = Random(1), Rfc()
    now, entered, was_dropping = 1.0, 0, False
    for step in range(20_000):
        now += dice.expovariate(1000.0)
        if dice.random() < (0.7 if (step // 1500) % 2 == 0 else 0.2):
            rfc.queue.append(now)
        else:
            rfc.dequeue(now)
        entered += rfc.dropping and not was_dropping
        was_dropping = rfc.dropping
    assert entered > 2
    assert len(rfc.dropped) > entered


def test_a_burst_that_is_worked_off_drops_nobody() -> None:
    ours = Ours()
    ours.queue.extend([1.0] * 50)
    now = 1.0
    while ours.queue:  # 50 at once, served within less than an interval
        now += 0.0015
        ours.dequeue(now)
    assert ours.dropped == []


def test_drops_come_faster_while_the_queue_stands() -> None:
    codel = CoDel(target_s=TARGET_S, interval_s=INTERVAL_S)
    dropped_s = []
    for tick in range(3000):
        now = 1.0 + tick / 1000
        while codel.wants_drop(now, 1.0, 100):
            dropped_s.append(now)
    gaps = [after - before for before, after in pairwise(dropped_s)]
    assert dropped_s[0] == pytest.approx(1.1)
    assert gaps[0] == pytest.approx(INTERVAL_S, abs=0.0011)
    assert gaps[-1] == pytest.approx(INTERVAL_S / sqrt(len(dropped_s) - 1), abs=0.002)


def test_a_short_queue_does_not_stand_however_old_it_is() -> None:
    codel = CoDel(target_s=TARGET_S, interval_s=INTERVAL_S)
    assert not any(codel.wants_drop(tick, 60.0, 1) for tick in range(100))


def test_the_target_is_above_the_time_between_turns() -> None:
    quick = CoDel(target_s=TARGET_S, interval_s=INTERVAL_S)
    slow = CoDel(target_s=TARGET_S, interval_s=INTERVAL_S)
    slow.pace(0.25)
    for codel in (quick, slow):
        codel.wants_drop(1.0, 0.3, 5)
    assert quick.wants_drop(1.2, 0.3, 5)
    assert not slow.wants_drop(9.0, 0.3, 5)


def test_the_interval_sees_several_turns_and_is_never_below_the_set_one() -> None:
    codel = CoDel(target_s=TARGET_S, interval_s=INTERVAL_S)
    codel.pace(10.0)
    assert codel.interval_s == 60.0
    codel.pace(0.0)
    assert codel.interval_s == INTERVAL_S


def test_empty_means_not_dropping() -> None:
    codel = CoDel(target_s=TARGET_S, interval_s=INTERVAL_S)
    codel.wants_drop(1.0, 1.0, 5)
    assert codel.wants_drop(1.2, 1.0, 5)
    codel.emptied()
    assert not codel.is_dropping
    assert not codel.wants_drop(1.3, 1.0, 5)
