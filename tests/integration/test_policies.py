"""Who leaves a full memory, through a running gateway."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

ENTRIES_MAX = 20


@pytest.mark.parametrize("policy", ["lru", "s3fifo", "gdsf", "auto"])
def test_what_is_asked_for_often_stays_within_the_bound(tmp_path: Path, policy: str) -> None:
    with running(SimOptions()) as sim:
        lane = {"dialect": "openai", "base_url": f"{sim.url}/v1"}
        cache = {"entries_max": ENTRIES_MAX, "policy": policy}
        with Gateway(tmp_path, {"providers": {"sim": lane}, "cache": cache}) as gateway:

            def ask(text: str) -> str:
                messages = [{"role": "user", "content": text}]
                document = OPENAI.document("sim/sim-small", messages=messages)
                return gateway.post(OPENAI.path, document).cache

            for _ in range(5):
                ask("often")
            for number in range(3 * ENTRIES_MAX):
                ask(f"once {number}")
                ask("often")
            assert ask("often") == "l1"
            told: dict[str, Any] = gateway.get("/admin/cache").json()
            assert 0 < told["memory"]["entries"] <= ENTRIES_MAX
            assert gateway.metrics()['headrace_cache_evictions_total{reason="capacity"}'] > 0
            state = told["policy"]
            assert (state is not None) is (policy == "auto")
            if state is not None:
                assert state["policy"] in ("lru", "s3fifo", "gdsf")
                assert set(state["earned"]) == {"lru", "s3fifo", "gdsf"}
