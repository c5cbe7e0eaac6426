"""Made-up requests have what they promise."""

from collections import Counter
from itertools import islice

import msgspec
import pytest

from headrace.cache.simulation import DRIFTS, Event, Workload, generate, preset

SMALL = Workload(requests=20_000, popular=500, scans=0, burst_share=0.0, one_shot_share=0.0)


def made(workload: Workload, seed: int = 1) -> list[Event]:
    return list(generate(workload, seed))


def changed(**values: object) -> Workload:
    return msgspec.structs.replace(SMALL, **values)


def test_a_seed_makes_the_same_requests_again_and_another_seed_others() -> None:
    assert made(preset("mild"), 3)[:500] == list(islice(generate(preset("mild"), 3), 500))
    assert made(SMALL, 1) != made(SMALL, 2)


def test_there_are_as_many_as_wanted_in_the_order_of_time() -> None:
    times_s = [event.t_s for event in made(changed(scans=3, burst_share=0.1))]
    assert len(times_s) == 20_000
    assert times_s == sorted(times_s)
    assert times_s[-1] == pytest.approx(20_000 / SMALL.rate_per_s, rel=0.05)


def test_popularity_falls_off_as_zipf_says() -> None:
    counts = sorted(Counter(event.key for event in made(changed(zipf=1.0))).values(), reverse=True)
    harmonic = sum(1 / rank for rank in range(1, 501))
    assert counts[0] == pytest.approx(20_000 / harmonic, rel=0.1)
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.25)


def test_one_shots_come_once_and_as_often_as_wanted() -> None:
    events = made(changed(one_shot_share=0.4))
    once = Counter(event.key for event in events if event.category == "once")
    assert set(once.values()) == {1}
    assert len(once) == pytest.approx(8000, rel=0.05)


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 500, 500), (0.1, 900, 1600)])
def test_drift_replaces_what_is_popular(share: float, low: int, high: int) -> None:
    events = made(changed(drift_share=share, zipf=0.0))
    assert low <= len({event.key for event in events}) <= high
    early = {event.key for event in events[:1000]}
    late = {event.key for event in events[-1000:]}
    kept = len(early & late) / len(early)
    assert (kept > 0.8) if not share else (kept < 0.3)


def test_scans_are_runs_of_new_keys() -> None:
    events = made(changed(scans=2, scan_length=300))
    places = [place for place, event in enumerate(events) if event.category == "scan"]
    assert places == [*range(6666, 6966), *range(13_332, 13_632)]
    assert len({events[place].key for place in places}) == 600


def test_bursts_repeat_what_was_just_asked() -> None:
    workload = changed(one_shot_share=1.0, burst_share=0.05, burst_length_max=4, burst_spread=10)
    events = made(workload)
    places: dict[str, list[int]] = {}
    for place, event in enumerate(events):
        places.setdefault(event.key, []).append(place)
    bursts = [found for found in places.values() if len(found) > 1]
    assert len(bursts) == pytest.approx(0.05 * len(places), rel=0.2)
    assert max(map(len, bursts)) == 5
    # Others may be waiting in front of it.
    assert max(found[-1] - found[0] for found in bursts) <= 3 * 10


def test_prices_come_in_tiers_and_answers_belong_to_tenants() -> None:
    events = made(changed(one_shot_share=1.0, tenants=3))
    tiers = Counter(event.key.partition("-")[0] for event in events)
    assert tiers["small"] == pytest.approx(12_000, rel=0.05)
    assert tiers["large"] == pytest.approx(2000, rel=0.1)
    assert {event.tenant for event in events} == {"tenant-0", "tenant-1", "tenant-2"}
    mean = {
        name: sum(event.cost_usd for event in events if event.key.startswith(name)) / count
        for name, count in tiers.items()
    }
    assert mean["small"] < mean["middle"] / 10 < mean["large"] / 50


def test_a_key_always_costs_and_weighs_the_same() -> None:
    by_key: dict[str, tuple[int, float, str]] = {}
    for event in made(changed(burst_share=0.05, drift_share=0.1)):
        told = (event.size, event.cost_usd, event.tenant)
        assert by_key.setdefault(event.key, told) == told


def test_the_settings_that_policies_are_judged_by() -> None:
    workload = preset("strong")
    assert (workload.requests, workload.zipf, workload.one_shot_share) == (120_000, 0.9, 0.4)
    assert (workload.scans, workload.scan_length, len(workload.tiers)) == (2, 4000, 3)
    assert DRIFTS["none"] < DRIFTS["mild"] < DRIFTS["strong"]
