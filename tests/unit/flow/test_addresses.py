"""Limits of addresses, in a table with a bound."""

import pytest

from headrace.flow.addresses import AddressRates, address_group


def test_each_address_has_its_own_limit() -> None:
    rates = AddressRates(60, burst_s=2, addresses_max=10)
    assert [rates.admit("192.0.2.1", 0.0) for _ in range(2)] == [0, 0]
    assert rates.admit("192.0.2.1", 0.0) == pytest.approx(1)
    assert rates.admit("192.0.2.2", 0.0) == 0
    assert rates.admit("192.0.2.1", 1.0) == 0


def test_the_table_forgets_whom_it_has_not_heard_of_for_longest() -> None:
    rates = AddressRates(60, burst_s=1, addresses_max=2)
    for address in ("a", "b"):
        assert rates.admit(address, 0.0) == 0
    assert rates.admit("a", 0.0) > 0
    assert rates.admit("c", 0.0) == 0
    assert len(rates) == 2
    assert rates.admit("a", 0.0) > 0, "heard of after b"
    assert rates.admit("b", 0.0) == 0, "forgotten"


@pytest.mark.parametrize("step_s", [0.5, 1e6])
def test_a_clock_that_goes_back_lets_nothing_through(step_s: float) -> None:
    rates = AddressRates(60, burst_s=1, addresses_max=2)
    rates.admit("a", 1e6)
    assert rates.admit("a", 1e6 - step_s) == pytest.approx(1)


@pytest.mark.parametrize(
    ("host", "group"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("no:address", "no:address"),
        ("", ""),
    ],
)
def test_what_counts_as_one_address(host: str, group: str) -> None:
    assert address_group(host) == group
