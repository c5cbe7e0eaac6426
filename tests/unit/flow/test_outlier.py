"""Who is ejected, for how long, and how many at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.flow.outlier import Endpoint, OutlierDetector, OutlierTerms

TERMS = OutlierTerms(consecutive=3, calls_min=10, endpoints_min=5, ejected_s=10.0, jitter=0.0)


def make(count: int, terms: OutlierTerms = TERMS, told: list[str] | None = None) -> OutlierDetector:
    def tell(endpoint: Endpoint) -> None:
        if told is not None:
            told.append(f"{endpoint.name} {'out' if endpoint.is_ejected else 'in'}")

    names = [f"e{number}" for number in range(count)]
    return OutlierDetector(names, terms, uniform=lambda: 1.0, on_change=tell)


def out(detector: OutlierDetector) -> list[str]:
    return [name for name, endpoint in detector.endpoints.items() if endpoint.is_ejected]


def fail(detector: OutlierDetector, name: str, now_s: float, times: int = 3) -> None:
    for _ in range(times):
        detector.endpoints[name].failed(now_s)


def answer(detector: OutlierDetector, rates: list[float], now_s: float, calls: int = 20) -> None:
    """So many calls each, of which a share succeeds; never three failures in a row."""
    for endpoint, rate in zip(detector.endpoints.values(), rates, strict=True):
        for number in range(calls):
            if number < calls * (1 - rate):
                endpoint.failed(now_s)
                endpoint.succeeded()
                endpoint.calls -= 1
            else:
                endpoint.succeeded()


def test_failures_in_a_row_eject_at_once() -> None:
    told: list[str] = []
    detector = make(2, told=told)
    fail(detector, "e0", 0.0, 2)
    detector.endpoints["e0"].succeeded()
    fail(detector, "e0", 0.0, 2)
    assert out(detector) == []
    fail(detector, "e0", 0.0, 1)
    assert out(detector) == ["e0"]
    assert detector.endpoints["e0"].cause == "consecutive"
    detector.tick(9.9)
    assert out(detector) == ["e0"]
    detector.tick(10.0)
    assert told == ["e0 out", "e0 in"]


def test_comes_back_with_a_clean_sheet() -> None:
    detector = make(2)
    fail(detector, "e0", 0.0, 5)
    detector.tick(10.0)
    fail(detector, "e0", 10.0, 2)
    assert out(detector) == []


def test_time_grows_with_each_ejection_up_to_a_bound_and_is_forgiven() -> None:
    terms = OutlierTerms(consecutive=1, ejected_s=10.0, ejected_s_max=25.0, jitter=0.0)
    detector, now_s, lengths_s = make(2, terms), 0.0, []
    endpoint = detector.endpoints["e0"]
    detector.tick(now_s)
    for _ in range(4):
        endpoint.failed(now_s)
        lengths_s.append(endpoint.returns_s - now_s)
        now_s = endpoint.returns_s
        detector.tick(now_s)
    assert lengths_s == [10.0, 20.0, 25.0, 25.0]
    for _ in range(10):
        now_s += 10.0
        detector.tick(now_s)
    endpoint.failed(now_s)
    assert endpoint.returns_s - now_s == 10.0


def test_lot_adds_a_part() -> None:
    detector = make(2, OutlierTerms(consecutive=1, ejected_s=10.0, jitter=0.1))
    fail(detector, "e0", 0.0, 1)
    assert detector.endpoints["e0"].returns_s == pytest.approx(11.0)


@given(
    count=st.integers(1, 9),
    share=st.sampled_from([0.0, 0.1, 0.34, 0.5, 0.9]),
    order=st.lists(st.integers(0, 8), max_size=60),
)
def test_never_more_than_the_share_are_out(count: int, share: float, order: list[int]) -> None:
    terms = OutlierTerms(consecutive=1, ejected_share_max=share, ejected_s=5.0)
    detector = make(count, terms)
    for number, pick in enumerate(order):
        fail(detector, f"e{pick % count}", float(number), 1)
        assert len(out(detector)) <= share * count
        detector.tick(float(number))


def test_only_endpoint_is_never_ejected() -> None:
    detector = make(1)
    fail(detector, "e0", 0.0, 100)
    assert out(detector) == []
    assert detector.spared > 0


def test_rate_far_below_the_others_ejects_at_the_end_of_an_interval() -> None:
    detector = make(5)
    detector.tick(0.0)
    answer(detector, [1.0, 1.0, 0.6, 1.0, 1.0], 5.0)
    detector.tick(9.9)
    assert out(detector) == []
    detector.tick(10.0)
    assert out(detector) == ["e2"]
    assert detector.endpoints["e2"].cause == "success_rate"


@pytest.mark.parametrize(
    ("rates", "calls"),
    [
        ([1.0, 1.0, 0.97, 1.0, 1.0], 100),  # within five points
        ([0.6, 0.6, 0.6, 0.6, 0.6], 20),  # all alike
        ([1.0, 0.5, 1.0, 1.0], 20),  # too few to compare
        ([1.0, 1.0, 0.5, 1.0, 1.0], 8),  # too few calls
    ],
)
def test_what_is_no_outlier_stays(rates: list[float], calls: int) -> None:
    detector = make(len(rates))
    detector.tick(0.0)
    answer(detector, rates, 5.0, calls)
    detector.tick(10.0)
    assert out(detector) == []


def test_worst_go_first_where_not_all_may() -> None:
    terms = OutlierTerms(
        consecutive=100, calls_min=10, deviations=1.0, ejected_share_max=0.1, jitter=0.0
    )
    detector = make(10, terms)
    detector.tick(0.0)
    answer(detector, [1.0, 0.5, *[1.0] * 7, 0.2], 5.0)
    detector.tick(10.0)
    assert out(detector) == ["e9"]


def test_calls_of_an_interval_are_not_counted_in_the_next() -> None:
    detector = make(5)
    detector.tick(0.0)
    answer(detector, [1.0, 1.0, 0.6, 1.0, 1.0], 5.0, calls=8)
    detector.tick(10.0)
    answer(detector, [1.0] * 5, 15.0, calls=8)
    detector.tick(20.0)
    assert out(detector) == []


def test_who_is_kept_stays_out_and_who_is_not_says_nothing() -> None:
    told: list[str] = []
    detector = make(3, told=told)
    fail(detector, "e0", 0.0)
    gone = detector.endpoints["e1"]
    detector.keep(["e0", "e1", "new"], same={"e0"})
    assert out(detector) == ["e0"]
    for _ in range(3):
        gone.failed(1.0)
    assert detector.endpoints["e1"] is not gone
    assert told == ["e0 out"]
