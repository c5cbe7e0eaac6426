"""What the store leases by its statement is what is written, and tested, in Python."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.stores import Place

from headrace.identity.elsewhere import Lease
from headrace.identity.leases import granted
from headrace.store.records.records import Records, Step

AMOUNTS = st.integers(0, 1000)


def test_the_store_leases_as_it_is_written_here(place: Place) -> None:
    """The statement and `granted` give the same, whatever they are asked for."""
    cases: list[tuple[int, list[Lease], Lease, int]] = []

    @settings(max_examples=100, deadline=None)
    @given(
        AMOUNTS,
        st.lists(st.builds(Lease, AMOUNTS, AMOUNTS), max_size=3),
        st.builds(Lease, AMOUNTS, AMOUNTS),
        AMOUNTS,
    )
    def collect(limit: int, others: list[Lease], want: Lease, used: int) -> None:
        cases.append((limit, others, want, min(used, want.granted)))

    collect()

    async def work() -> None:
        async with place.records() as records:
            await compare(records)

    async def compare(records: Records) -> None:
        for number, (limit, others, want, used) in enumerate(cases):
            asks = [
                (f"other {at}", 10**15, lease, lease.granted) for at, lease in enumerate(others)
            ]
            for holder, most, lease, spent in [*asks, ("own", limit, want, used)]:
                values = {
                    "period": 0,
                    "number": number,
                    "name": "a\nbudget",
                    "holder": holder,
                    "most": most,
                    "used": spent,
                    "busy": 1,
                    "granted": lease.granted,
                    "lent": lease.lent,
                }
                answers = await records.write(Step("spend.turn"), Step("spend.lease", values))
            ((got,),) = answers[1:]
            taken = sum(map(sum, others))
            assert Lease(got["granted"], got["lent"]) == granted(limit, taken, want, used)

    asyncio.run(work())
