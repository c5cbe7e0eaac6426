"""Everything is on where the case says so, and hits are judged by their ratio to nginx."""

import msgspec
import pytest
from benchmarks import everything_case
from benchmarks.everything_case import DEFAULTS_HIT, HIT, MISS, cache_settings
from benchmarks.ratios import spread
from benchmarks.records import LoadRow, Verdict

from headrace.settings.schema import AdaptiveSettings, CacheSettings, SemanticSettings


def row(name: str, ratio: float, void: str | None = None) -> LoadRow:
    figure = spread([ratio])
    return LoadRow(name, figure, figure, figure, 30.0, 0, void, [])


def test_every_part_of_the_cache_is_on() -> None:
    told = cache_settings("valkey://127.0.0.1:1")
    parts = everything_case.parts()
    assert {"adaptive", "semantic"} <= set(parts)
    for part in parts:
        assert told[part]["enabled"] is True  # type: ignore[index]
    assert told["policy"] == "auto"
    assert told["durable"] is True
    assert told.keys() <= set(CacheSettings.__struct_fields__)
    msgspec.convert(told["adaptive"], AdaptiveSettings)
    msgspec.convert(told["semantic"], SemanticSettings)


@pytest.mark.parametrize(
    ("ratio", "void", "verdict"),
    [
        (1.5, None, Verdict.PASS),
        (1.51, None, Verdict.MISS),
        (1.0, "1 requests failed", Verdict.VOID),
    ],
)
def test_only_hits_are_promised(ratio: float, void: str | None, verdict: Verdict) -> None:
    rows = [row(DEFAULTS_HIT, 1.0), row(HIT, ratio, void), row(MISS, 50.0)]
    first, second = everything_case.judge(rows)
    assert (first.verdict, second.verdict) == (Verdict.PASS, verdict)
    assert everything_case.judge([]) == []
