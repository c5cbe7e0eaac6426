"""Work of a thread in goes, with pauses for the loop between them."""

from headrace.observe.telemetry.pacing import ITEMS_A_GO, PAUSE_S, Pace, Paced


class Waits:
    """Notes what had been made at each pause."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.at: list[int] = []

    def make(self, item: int) -> int:
        self.made.append(item)
        return -item

    def pause(self, pause_s: float) -> None:
        assert pause_s == PAUSE_S
        self.at.append(len(self.made))


def test_there_is_a_pause_after_every_few_items_and_none_at_the_ends() -> None:
    waits = Waits()
    count = 3 * ITEMS_A_GO
    paced = Paced(range(count), waits.make, Pace(waits.pause))
    assert len(paced) == count
    assert waits.made == []
    assert list(paced) == [-item for item in range(count)]
    assert waits.at == [ITEMS_A_GO, 2 * ITEMS_A_GO]


def test_short_sequences_share_a_pace() -> None:
    waits = Waits()
    pace = Pace(waits.pause)
    for _ in range(ITEMS_A_GO + 1):
        assert list(Paced(range(1), waits.make, pace)) == [0]
    assert waits.at == [ITEMS_A_GO]


def test_it_is_a_sequence_like_any_other() -> None:
    waits = Waits()
    paced = Paced([1, 2, 3], waits.make, Pace(waits.pause))
    assert (paced[0], paced[-1], list(paced[1:])) == (-1, -3, [-2, -3])
    assert -2 in paced
