"""What the experiment makes of the counts of a simulated provider."""

import pytest
from benchmarks.flow.quota_system import MEASURED_S, WAYS, _figures


def test_what_binds_is_what_is_told() -> None:
    way = WAYS[0]
    before = {"requests_total": 1000, "refused": 100, "charged_tokens": 5000}
    granted = round(0.9 * way.requests / 60 * MEASURED_S)
    after = {"requests_total": 1010 + granted, "refused": 110, "charged_tokens": 5000}
    told = _figures(way, before, after, ["200"] * 8 + ["429", "503"])
    assert told.used == pytest.approx(0.9)
    assert told.refused == pytest.approx(10 / (10 + granted))
    assert (told.seen, told.turned_away) == (0.1, 0.1)


def test_every_way_asks_for_about_as_many_calls() -> None:
    assert {round(way.calls_per_s, 3) for way in WAYS} == {10.0}
