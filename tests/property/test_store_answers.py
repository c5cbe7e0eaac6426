"""A store of answers does what a dictionary would, whatever is done to it in whatever order."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.stores import NOW_S, PATIENT

from headrace.store.open import open_store
from headrace.store.rows import AnswerRow
from headrace.store.store import Store

KEYS = tuple(b"%d" % n for n in range(5))
SCOPES = ("tenant:a", "tenant:b", "tag:x", "tag:\ud800", "tag:\x00")

rows = st.builds(
    AnswerRow,
    key=st.sampled_from(KEYS),
    value=st.binary(max_size=40),
    expires_s=st.integers(-2, 20).map(lambda n: NOW_S + n),
    scopes=st.lists(st.sampled_from(SCOPES), max_size=3).map(tuple),
    worth_usd=st.floats(),
)
deeds = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(rows, max_size=6)),
        st.tuples(st.just("remove"), st.lists(st.sampled_from(KEYS), max_size=3)),
        st.tuples(st.just("purge"), st.sampled_from(("all", *SCOPES, f"key:{KEYS[0].hex()}"))),
        st.tuples(st.just("pass"), st.integers(1, 6)),
        st.tuples(st.just("use"), st.sampled_from(KEYS)),
        st.tuples(st.just("upkeep"), st.none()),
    ),
    max_size=12,
)


class Model:
    """What a store should hold."""

    def __init__(self) -> None:
        self.held: dict[bytes, AnswerRow] = {}
        self.now_s = NOW_S

    def do(self, deed: str, what: Any) -> None:
        if deed == "put":
            self.held |= {each.key: each for each in what if each.expires_s > self.now_s}
        elif deed == "remove":
            self._keep(lambda each: each.key not in what)
        elif deed == "purge":
            own = f"key:{KEYS[0].hex()}"
            self._keep(
                lambda each: (
                    what != "all"
                    and what not in each.scopes
                    and not (what == own and each.key == KEYS[0])
                )
            )
        elif deed == "pass":
            self.now_s += what
        elif deed == "upkeep":
            self._keep(lambda each: each.expires_s > self.now_s)

    def found(self) -> dict[bytes, bytes]:
        return {k: each.value for k, each in self.held.items() if each.expires_s > self.now_s}

    def _keep(self, keeps: Any) -> None:
        self.held = {k: each for k, each in self.held.items() if keeps(each)}


async def do(store: Store, deed: str, what: Any, now_s: float) -> None:
    answers = store.answers
    if deed == "put":
        await answers.put_many(what, now_s)
    elif deed == "remove":
        await answers.remove(what)
    elif deed == "purge":
        await answers.purge(what)
    elif deed == "use":
        answers.note_use(what)
    elif deed == "upkeep":
        await answers.maintain(now_s)


@pytest.mark.heavy
@settings(max_examples=60, deadline=None)
@given(deeds)
def test_a_store_is_a_dictionary_with_scopes_and_time(done: list[tuple[str, Any]]) -> None:
    async def run(folder: Path) -> None:
        store, model = open_store("sqlite", folder, bounds=PATIENT), Model()
        for deed, what in done:
            await do(store, deed, what, model.now_s)
            model.do(deed, what)
            found = await store.answers.get_many(KEYS, model.now_s)
            assert found == model.found(), deed
            stats = await store.answers.stats()
            assert stats.entries == len(model.held)
            assert stats.bytes == sum(each.size_bytes for each in model.held.values())
        await store.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))
