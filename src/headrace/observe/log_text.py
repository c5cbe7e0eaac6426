"""How logs spell things: times, and strings that come from outside."""

import time

FIELD_CHARS_MAX = 256
DETAIL_CHARS_MAX = 4096
_MILLIS_PER_S = 1000


class TimeText:
    """Wall times as RFC 3339 in UTC with milliseconds; remembers what it spelled last."""

    def __init__(self) -> None:
        self._millis = -1
        self._second = -1
        self._prefix = ""
        self._text = ""

    def spell(self, wall_s: float) -> str:
        """`wall_s`, seconds since the epoch, as `2025-01-31T12:00:00.123Z`."""
        millis = int(wall_s * _MILLIS_PER_S)
        if millis == self._millis:
            return self._text
        second, rest = divmod(millis, _MILLIS_PER_S)
        if second != self._second:
            self._second = second
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        self._millis = millis
        self._text = f"{self._prefix}.{rest:03d}Z"
        return self._text


def cleaned(text: str, chars_max: int = FIELD_CHARS_MAX) -> str:
    """`text` cut to `chars_max`, without control characters and what cannot be encoded."""
    bounded = text[:chars_max]
    return bounded if bounded.isprintable() else "".join(filter(str.isprintable, bounded))


def detailed(text: str) -> str:
    """An explanation of several lines, such as the problems of a file, as one."""
    return cleaned(text.replace("\n", "; "), DETAIL_CHARS_MAX)
