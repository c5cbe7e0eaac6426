"""How often an address may knock, before anyone knows who it is."""

from ipaddress import AddressValueError, IPv6Address
from typing import Final

from headrace.flow.rate import Gcra
from headrace.flow.steady import SteadyTime

# One customer's network in IPv6 (RFC 6177): its holder has all of these addresses.
_NETWORK_BITS: Final = 64


class AddressRates:
    """A limit for each address, in a table with a bound. Belongs to one event loop.

    Where the table is full, the address not heard of for longest is forgotten; by then it has
    mostly got back all that it may ask. Whoever has more addresses than the table holds is not
    limited by any table.

    Args:
        per_minute: requests of one address; positive.
        burst_s: how many seconds' worth may come at once.
        addresses_max: bound of the table; an address takes about 300 bytes.
    """

    __slots__ = ("_addresses_max", "_burst_s", "_per_minute", "_rates", "_time")

    def __init__(self, per_minute: float, burst_s: float, addresses_max: int) -> None:
        self._per_minute = per_minute
        self._burst_s = burst_s
        self._addresses_max = addresses_max
        self._rates: dict[str, Gcra] = {}
        self._time = SteadyTime()

    def __len__(self) -> int:
        return len(self._rates)

    def admit(self, address: str, now_s: float) -> float:
        """Count a request where there is room for it.

        Args:
            address: from `address_group`.
            now_s: monotonic time, in seconds; it may go back.

        Returns:
            0 for a request that may go on; else the seconds until one would be let through.
        """
        now_s = self._time.at(now_s)
        rate = self._rates.pop(address, None)
        if rate is None:
            if len(self._rates) >= self._addresses_max:
                del self._rates[next(iter(self._rates))]
            rate = Gcra(self._per_minute, self._burst_s)
        self._rates[address] = rate
        wait_s = rate.wait_s(1.0, now_s)
        if wait_s == 0:
            rate.take(1.0, now_s)
        return wait_s


def address_group(host: str) -> str:
    """What counts as one address: one of IPv4, a /64 of IPv6; an IPv4 in IPv6's clothes is IPv4.

    Args:
        host: as a socket gives it; what is no address is taken as it is.
    """
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host.partition("%")[0])
    except AddressValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    network = int(address) >> (128 - _NETWORK_BITS) << (128 - _NETWORK_BITS)
    return f"{IPv6Address(network)}/{_NETWORK_BITS}"
