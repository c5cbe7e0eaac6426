"""What a target tells of itself: the dollars it has spent, by its own metrics."""

import http.client
import re
from collections.abc import Iterable
from typing import Final

from headrace.bench.load.crew import Target

_TIMEOUT_S: Final = 5.0
_BYTES_MAX: Final = 8 << 20
_LINE: Final = re.compile(r"(\w+)(?:\{[^}]*\})? ([-+0-9.eE]+)$")
_TYPE: Final = re.compile(r"# TYPE (\w+) ")
_SPENT: Final = frozenset({"headrace_spent_usd_total", "headrace_cache_spent_usd_total"})


def spent_usd(target: Target) -> float | None:
    """Dollars spent since the target's start, those for the cache itself included.

    Returns:
        `None` where it does not tell.
    """
    connection = http.client.HTTPConnection(target.host, target.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read(_BYTES_MAX).decode("utf-8", "replace") if answer.status == 200 else ""
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return sum_of(text.splitlines(), _SPENT)


def sum_of(lines: Iterable[str], names: frozenset[str]) -> float | None:
    """The sum of all series of some names in Prometheus' text.

    A counter with labels is declared before it is there; until it is, it is 0.

    Returns:
        `None` where none of them is declared.
    """
    total, is_declared = 0.0, False
    for line in lines:
        series, declared = _LINE.match(line), _TYPE.match(line)
        is_declared = is_declared or (declared is not None and declared[1] in names)
        if series is not None and series[1] in names:
            total += float(series[2])
    return total if is_declared else None
