"""When to ask endpoints how they are, and what their answers say. Pure.

Active health checks as Envoy's and nginx's: some checks in a row turn an opinion, so that one lost
answer does not; those who are not well are asked more often, so that they are back soon; each at
its own time, so that workers do not ask together.
"""

from collections.abc import Callable, Iterable

import msgspec


class HealthTerms(msgspec.Struct, frozen=True):
    """How often to check, and what turns an opinion.

    Attributes:
        interval_s: between checks of an endpoint that is well.
        interval_s_ill: between checks of one that is not.
        failures: failed checks in a row after which it is not well.
        successes: checks in a row after which it is well again.
        jitter: the part of an interval that is taken off by lot.
        check_s_max: a check not heard of for so long has failed.
    """

    interval_s: float = 30.0
    interval_s_ill: float = 5.0
    failures: int = 3
    successes: int = 2
    jitter: float = 0.2
    check_s_max: float = 10.0


class Checked:
    """What is known of one endpoint.

    Attributes:
        name: what it is called.
        is_well: by the checks so far; at first it is.
        in_row: checks in a row that contradict `is_well`.
        next_s: when it is checked next, monotonic seconds.
        is_asked: whether a check is under way.
    """

    __slots__ = ("in_row", "is_asked", "is_well", "name", "next_s")

    def __init__(self, name: str, next_s: float) -> None:
        self.name = name
        self.is_well = True
        self.in_row = 0
        self.next_s = next_s
        self.is_asked = False


class HealthSchedule:
    """Whom to check when. One owner, no lock; does no checking itself.

    Args:
        names: of the endpoints.
        terms: how often.
        now_s: monotonic seconds.
        uniform: draws numbers from 0 to 1.
        on_change: called with an endpoint about which the opinion has turned.

    Attributes:
        endpoints: by name.
    """

    def __init__(
        self,
        names: Iterable[str],
        terms: HealthTerms,
        *,
        now_s: float,
        uniform: Callable[[], float],
        on_change: Callable[[Checked], object] | None = None,
    ) -> None:
        self._terms = terms
        self._uniform = uniform
        self._on_change = on_change
        # Spread over the first interval, whatever number there is.
        self.endpoints = {
            name: Checked(name, now_s + terms.interval_s * uniform()) for name in names
        }

    def due(self, now_s: float) -> list[str]:
        """Whom to check now; each is told of by `passed` or `failed`.

        Args:
            now_s: monotonic seconds; called about once a second.
        """
        names = []
        for checked in self.endpoints.values():
            if now_s < checked.next_s:
                continue
            if checked.is_asked:
                self.failed(checked.name, now_s)
                continue
            checked.is_asked = True
            checked.next_s = now_s + self._terms.check_s_max
            names.append(checked.name)
        return names

    def passed(self, name: str, now_s: float) -> None:
        """A check was answered as it should be; one that is not under way says nothing."""
        self._conclude(name, now_s, is_well=True)

    def failed(self, name: str, now_s: float) -> None:
        """A check was not answered, or not as it should be."""
        self._conclude(name, now_s, is_well=False)

    def _conclude(self, name: str, now_s: float, *, is_well: bool) -> None:
        checked = self.endpoints[name]
        if not checked.is_asked:
            return
        checked.is_asked = False
        terms = self._terms
        has_turned = False
        if is_well == checked.is_well:
            checked.in_row = 0
        else:
            checked.in_row += 1
            has_turned = checked.in_row >= (terms.successes if is_well else terms.failures)
        if has_turned:
            checked.is_well, checked.in_row = is_well, 0
        # Whoever is in doubt is asked as often as whoever is ill.
        is_sure = checked.is_well and not checked.in_row
        interval_s = terms.interval_s if is_sure else terms.interval_s_ill
        checked.next_s = now_s + interval_s * (1 - terms.jitter * self._uniform())
        if has_turned and self._on_change is not None:
            self._on_change(checked)
