"""What has been purged, and when: scopes with the number of their last purge. Pure."""


class PurgeLedger:
    """The last purge of every scope that any answer may still be of."""

    def __init__(self) -> None:
        self.latest = 0
        self._numbers: dict[str, int] = {}

    def is_valid(self, record_seq: int, scopes: tuple[str, ...]) -> bool:
        """Whether what was known at `record_seq` has survived every purge since."""
        numbers = self._numbers
        return all(numbers.get(scope, 0) <= record_seq for scope in ("all", *scopes))

    def apply(self, scope: str, number: int) -> None:
        """A scope was purged."""
        self._numbers[scope] = max(number, self._numbers.get(scope, 0))
        self.latest = max(self.latest, number)
