"""Processes count together in one table, and never in a row of another name."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.identity.periods import Period
from headrace.identity.tallies import TallyTable, nano

DAY, MONTH = Period


def cells(places: int, rows: int) -> memoryview:
    return memoryview(bytearray(TallyTable.cells_for(places, rows) * 8)).cast("q")


@given(st.lists(st.tuples(st.integers(0, 1), st.text(max_size=300)), max_size=30))
def test_a_name_has_one_row_for_all(asked: list[tuple[int, str]]) -> None:
    shared = cells(2, 20)
    tables = [TallyTable(shared, 2, own) for own in range(2)]
    names = list(dict.fromkeys(name for _, name in asked))
    for own, name in asked:
        tally = tables[own].tally(name)
        assert (tally is not None) == (names.index(name) < 20)
        if tally is not None:
            tally.reserve(DAY, 7, 1)
            tally.book(DAY, 7, 1, (0, 0))
    for table in tables:
        assert len(table.names()) == min(20, len(names))
        for name in names[:20]:
            tally = table.tally(name)
            assert tally is not None
            assert tally.sums(DAY, 7).calls == sum(each == name for _, each in asked)


def test_long_names_that_begin_alike_stay_apart() -> None:
    table = TallyTable(cells(1, 4))
    for number in range(2):
        tally = table.tally("ä" * 200 + str(number))
        assert tally is not None
        tally.reserve(DAY, 1, number + 1)
    rows = [table.tally(name) for name in table.names()]
    assert [row.used(DAY, 1) for row in rows if row is not None] == [1, 2]


def test_what_a_process_before_had_reserved_counts_as_spent() -> None:
    shared = cells(2, 4)
    for own in range(2):
        tally = TallyTable(shared, 2, own).tally("row")
        assert tally is not None
        tally.reserve(DAY, 7, 100)
    successor = TallyTable(shared, 2, 1).tally("row")
    assert successor is not None
    sums = successor.sums(DAY, 7)
    assert (sums.spent, sums.reserved, sums.calls) == (100, 100, 0)


def test_days_and_months_do_not_mix() -> None:
    tally = TallyTable(cells(1, 1)).tally("row")
    assert tally is not None
    for number in (10, 11):
        tally.reserve(DAY, number, number)
        tally.reserve(MONTH, number, 100 * number)
    assert [tally.used(DAY, number) for number in (9, 10, 11, 12)] == [0, 10, 11, 0]
    assert [tally.used(MONTH, number) for number in (10, 11)] == [1000, 1100]
    tally.reserve(DAY, 12, 1)  # in the place of the tenth
    tally.release(DAY, 10, 10)
    tally.book(DAY, 10, 10, (1, 1))
    assert [tally.used(DAY, number) for number in (10, 11, 12)] == [0, 11, 1]


def test_rows_are_made_under_the_lock() -> None:
    held: list[bool] = []

    class Lock:
        def __enter__(self) -> None:
            held.append(True)

        def __exit__(self, *_: object) -> None:
            held.append(False)

    table = TallyTable(cells(1, 2), lock=Lock())
    held.clear()
    table.tally("row")
    table.tally("row")
    assert held == [True, False]


def test_dollars_are_whole_billionths() -> None:
    assert [nano(usd) for usd in (0.0, 1e-9, 0.1, 12.5)] == [0, 1, 10**8, 125 * 10**8]
    assert nano(float("inf")) == nano(1e300) == 10**17
