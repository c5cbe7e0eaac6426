"""For each alert, series that have to raise it and series that must not."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

_WHO: Final = 'job="headrace",instance="a"'
_CHAT: Final = f'{_WHO},route="chat"'


class Case(NamedTuple):
    """Series as promtool writes them, when to look, and how far samples are apart."""

    firing: tuple[tuple[str, str], ...]
    quiet: tuple[tuple[str, str], ...]
    at: str = "30m"
    every: str = "2m"


def _of(name: str, labels: str = "") -> str:
    return f"{name}{{{_WHO}{',' if labels else ''}{labels}}}"


def _level(name: str, labels: str, above: float, below: float) -> Case:
    """A gauge that stays above, or below."""
    series = _of(name, labels)
    return Case(((series, f"{above}x60"),), ((series, f"{below}x60"),))


def _grows(name: str, labels: str = "") -> Case:
    """A counter that grows, or stands still."""
    series = _of(name, labels)
    return Case(((series, "1+6x60"),), ((series, "7x60"),))


def _answers(good: str, bad: str) -> tuple[tuple[str, str], ...]:
    name = "headrace_answer_seconds_count"
    return (
        (f'{name}{{{_CHAT},verdict="good"}}', good),
        (f'{name}{{{_CHAT},verdict="bad"}}', bad),
        (f'headrace_answer_seconds_bucket{{{_CHAT},verdict="good",le="2.0"}}', good),
        # Who went away in time does not count.
        (f'{name}{{{_CHAT},verdict="left"}}', "0+900x2000"),
        (f'headrace_answer_seconds_bucket{{{_CHAT},verdict="left",le="2.0"}}', "0+900x2000"),
    )


def _timed(family: str, edge: str, in_time: str, every: str) -> tuple[tuple[str, str], ...]:
    """All of them good but for being late; others went away in time."""
    return (
        (f'{family}_bucket{{{_CHAT},verdict="good",le="{edge}"}}', in_time),
        (f'{family}_count{{{_CHAT},verdict="good"}}', every),
        (f'{family}_bucket{{{_CHAT},verdict="left",le="{edge}"}}', "0+900x2000"),
        (f'{family}_count{{{_CHAT},verdict="left"}}', "0+900x2000"),
    )


def _hung_up(family: str, edge: str, early: str, every: str) -> tuple[tuple[str, str], ...]:
    """Who went away; those who did early waited no longer than they have to."""
    return (
        (f'{family}_bucket{{{_CHAT},verdict="good",le="{edge}"}}', "0+50x2000"),
        (f'{family}_count{{{_CHAT},verdict="good"}}', "0+50x2000"),
        (f'{family}_bucket{{{_CHAT},verdict="left",le="{edge}"}}', early),
        (f'{family}_count{{{_CHAT},verdict="left"}}', every),
    )


def _hits(good: str, bad: str) -> tuple[tuple[str, str], ...]:
    name = "headrace_requests_total"
    return (
        (f'{name}{{{_CHAT},status="200",cache="l1"}}', good),
        (f'{name}{{{_CHAT},status="200",cache="miss"}}', bad),
    )


def _two_instances(up: str, workers: str) -> tuple[tuple[str, str], ...]:
    """Two instances of one job, the second of which is well."""
    return (
        (_of("up"), up),
        (_of("headrace_workers"), workers),
        ('up{job="headrace",instance="b"}', "1x60"),
        ('headrace_workers{job="headrace",instance="b"}', "2x60"),
    )


_OTHER_PROCESS: Final = ('process_cpu_seconds_total{job="else",instance="b"}', "0+120x60")
_WORKERS: Final = (_of("headrace_workers"), "2x60")

CASES: Final = {
    "HeadraceGone": Case((("up", "1x60"),), ((_of("headrace_workers"), "1x60"),)),
    "HeadraceInstanceGone": Case(
        _two_instances("1x5 0x55", "1x5 _x55"),
        # What is no gateway may be down as it likes.
        (*_two_instances("1x60", "1x60"), ('up{job="else",instance="c"}', "0x60")),
    ),
    "HeadraceErrors": Case(_answers("0+97x60", "1+3x60"), _answers("0+997x60", "1+3x60")),
    "HeadraceConnectionsRefused": _grows("headrace_connections_refused_total"),
    "HeadraceWorkersRestart": _grows("headrace_worker_restarts_total"),
    "HeadraceSheds": _grows("headrace_shed_calls_total", 'priority="low"'),
    "HeadraceGivesWay": _level("headrace_slo_reaction_share", 'slo="up"', 0.3, 0),
    "HeadraceLoopLate": Case(
        (
            (_of("headrace_loop_lag_seconds_bucket", 'le="0.25"'), "0+90x60"),
            (_of("headrace_loop_lag_seconds_bucket", 'le="0.5"'), "0+100x60"),
            (_of("headrace_loop_lag_seconds_bucket", 'le="+Inf"'), "0+100x60"),
        ),
        (
            (_of("headrace_loop_lag_seconds_bucket", 'le="0.25"'), "0+100x60"),
            (_of("headrace_loop_lag_seconds_bucket", 'le="0.5"'), "0+100x60"),
            (_of("headrace_loop_lag_seconds_bucket", 'le="+Inf"'), "0+100x60"),
        ),
    ),
    "HeadraceCpu": Case(
        (_WORKERS, (_of("process_cpu_seconds_total"), "0+192x60")),
        (_WORKERS, (_of("process_cpu_seconds_total"), "0+120x60"), _OTHER_PROCESS),
    ),
    "HeadraceMemory": Case(
        (_WORKERS, (_of("process_resident_memory_bytes"), "3000000000x60")),
        (
            _WORKERS,
            (_of("process_resident_memory_bytes"), "300000000x60"),
            ('process_resident_memory_bytes{job="else",instance="b"}', "9000000000x60"),
        ),
    ),
    "HeadraceProviderErrors": Case(
        (
            (_of("headrace_upstream_requests_total", 'provider="p",status_class="2xx"'), "0+90x60"),
            (_of("headrace_upstream_requests_total", 'provider="p",status_class="5xx"'), "0+4x60"),
            (_of("headrace_upstream_errors_total", 'provider="p",kind="reset"'), "0+6x60"),
        ),
        (
            (_of("headrace_upstream_requests_total", 'provider="p",status_class="2xx"'), "0+96x60"),
            (_of("headrace_upstream_requests_total", 'provider="p",status_class="5xx"'), "0+2x60"),
            (_of("headrace_upstream_errors_total", 'provider="p",kind="reset"'), "0+2x60"),
        ),
    ),
    "HeadraceProviderOut": _level("headrace_circuits_open", 'provider="p"', 1, 0),
    "HeadracePoolFull": Case(
        ((_of("headrace_waiting_calls", 'provider="p"'), "3x60"),),
        # Now and then somebody waits: that is what turns are for.
        ((_of("headrace_waiting_calls", 'provider="p"'), "3 0 " * 30),),
    ),
    "HeadraceQuotaNearlyUsed": _level(
        "headrace_quota_used_ratio", 'provider="p",key="1",kind="tokens"', 0.95, 0.8
    ),
    "HeadraceHitRateFell": Case(
        _hits("0+480x150 0+60x30", "0+120x150 0+540x30"),
        _hits("0+480x180", "0+120x180"),
        at="27h",
        every="10m",
    ),
    "HeadraceTierAway": Case(
        ((_of("headrace_tiers_out", 'tier="l2"'), "0x7 1x45"),),
        # One that is not set is away from nobody.
        (
            (_of("headrace_tiers_out", 'tier="l2"'), "0x60"),
            (_of("headrace_tier_up", 'tier="l2"'), "0x60"),
        ),
    ),
    "HeadraceCostSpike": Case(
        (
            (
                _of("headrace_spent_usd_total", 'provider="p"'),
                "0+0.1x432 47.2+4x12",
            ),
        ),
        ((_of("headrace_spent_usd_total", 'provider="p"'), "0+4x450"),),
        at="74h",
        every="10m",
    ),
    "HeadraceBudgetNearlySpent": _level(
        "headrace_budget_used_ratio", 'budget="1",period="day"', 0.95, 0.85
    ),
    "HeadraceStandbyLate": _level("headrace_standby_lag_seconds", 'standby="1"', 30, 3),
    "HeadraceStorePoolFull": _level("headrace_store_connections", 'state="waiting"', 4, 0),
    "HeadraceStoreErrors": Case(
        ((_of("headrace_store_errors_total", 'kind="timeout"'), "0+60x60"),),
        ((_of("headrace_store_errors_total", 'kind="timeout"'), "0+1x60"),),
    ),
    "HeadraceKeysUnseen": _level("headrace_keys_unseen_seconds", "", 300, 20),
    "HeadraceLedgerLost": _grows("headrace_ledger_rows_total", 'outcome="dropped"'),
    "HeadraceQueueOld": _level("headrace_jobs_oldest_seconds", "", 900, 200),
    "HeadraceJobsFail": _grows("headrace_jobs_ended_total", 'outcome="failed"'),
    "HeadraceMessagesRefused": _grows("headrace_amqp_messages_total", 'outcome="dead_lettered"'),
    "HeadraceBrokerAway": _level("headrace_amqp_away_seconds", "", 300, 20),
    "HeadraceLogLost": _grows("headrace_log_lines_dropped_total"),
}

# Service levels: each burn with each kind of them once.
_FAST: Final = {"at": "2h", "every": "2m"}
_STEADY: Final = {"at": "8h", "every": "5m"}
# A window is as long as its data at most: nine hours stand for three days that went alike.
_SLOW: Final = {"at": "9h", "every": "10m"}
_DURATION: Final = "headrace_answer_seconds"
_START: Final = "headrace_stream_start_seconds"
SLO_CASES: Final = {
    ("HeadraceSloBurnsFast", "availability"): Case(
        _answers("0+970x130", "1+30x130"), _answers("0+999x130", "1+1x130"), **_FAST
    ),
    ("HeadraceSloBurnsSteady", "availability"): Case(
        _answers("0+990x120", "1+10x120"), _answers("0+996x120", "1+4x120"), **_STEADY
    ),
    ("HeadraceSloBurnsSlow", "availability"): Case(
        _answers("0+998x60", "1+2x60"), _answers("0+9995x60", "1+5x60"), **_SLOW
    ),
    ("HeadraceSloBurnsFast", "latency"): Case(
        _timed(_DURATION, "2.0", "0+20x130", "0+100x130"),
        _timed(_DURATION, "2.0", "0+96x130", "0+100x130"),
        **_FAST,
    ),
    ("HeadraceSloBurnsSteady", "latency"): Case(
        _timed(_DURATION, "2.0", "0+60x120", "0+100x120"),
        _timed(_DURATION, "2.0", "0+80x120", "0+100x120"),
        **_STEADY,
    ),
    ("HeadraceSloBurnsSlow", "latency"): Case(
        _timed(_DURATION, "2.0", "0+94x60", "0+100x60"),
        _timed(_DURATION, "2.0", "0+96x60", "0+100x60"),
        **_SLOW,
    ),
    ("HeadraceSloBurnsFast", "first-token"): Case(
        _timed(_START, "0.5", "0+20x130", "0+100x130"),
        # It was bad until ten minutes ago: over the slow window still, over the fast one not.
        _timed(_START, "0.5", "0+0x55 0+100x40", "0+100x130"),
        **_FAST,
    ),
    ("HeadraceSloBurnsSteady", "first-token"): Case(
        _timed(_START, "0.5", "0+60x120", "0+100x120"),
        _timed(_START, "0.5", "0+80x120", "0+100x120"),
        **_STEADY,
    ),
    ("HeadraceSloBurnsSlow", "first-token"): Case(
        _hung_up(_START, "0.5", "0+45x60", "0+50x60"),
        _hung_up(_START, "0.5", "0+49x60", "0+50x60"),
        **_SLOW,
    ),
}


class Turn(NamedTuple):
    """One history, and whether an alert is up at a time of it.

    Attributes:
        what: it is.
        alert: its name.
        series: as promtool writes them.
        at: when to look.
        fires: whether it has to be up.
        every: how far samples are apart.
    """

    what: str
    alert: str
    series: tuple[tuple[str, str], ...]
    at: str
    fires: bool
    every: str = "2m"


def _steps(every: int, count: int) -> str:
    """A counter that grows by one with each so many samples."""
    return " ".join(str(at // every) for at in range(count))


def _days(each: float, count: int) -> str:
    """A counter, every ten minutes, that grows in eight hours of each day only."""
    grown = [each if at % 144 < 48 else 0.0 for at in range(144 * count)]
    return " ".join(f"{sum(grown[: at + 1]):.6g}" for at in range(len(grown)))


def _firsts() -> Iterator[Turn]:
    """Counters that nobody saw before they had grown; an old growth is no news."""
    for alert, series in (
        ("HeadraceLedgerLost", _of("headrace_ledger_rows_total", 'outcome="dropped"')),
        ("HeadraceJobsFail", _of("headrace_jobs_ended_total", 'outcome="failed"')),
        (
            "HeadraceMessagesRefused",
            _of("headrace_amqp_messages_total", 'outcome="dead_lettered"'),
        ),
        ("HeadraceLogLost", _of("headrace_log_lines_dropped_total")),
        ("HeadraceWorkersRestart", _of("headrace_worker_restarts_total")),
    ):
        yield Turn("born", alert, ((series, "_x5 5000x60"),), "20m", fires=True)
        yield Turn("born long ago", alert, ((series, "_x5 5000x60"),), "1h", fires=False)
        yield Turn("grown once", alert, ((series, "0x5 1x60"),), "20m", fires=True)


def _idle() -> Iterator[Turn]:
    """A gateway that is asked once an hour, and once answers badly; and one that fails always."""
    good, bad = _steps(30, 120), "0x65 1x55"
    slow = (*_timed(_DURATION, "2.0", f"{_steps(30, 65)} {'2 ' * 55}", _steps(30, 120)),)
    for what, series in (("one failure", _answers(good, bad)), ("one slow answer", slow)):
        for at in ("2h14m", "2h30m", "3h4m", "3h30m"):
            for name in ("SloBurnsFast", "SloBurnsSteady", "SloBurnsSlow", "Errors"):
                yield Turn(what, f"Headrace{name}", series, at, fires=False)
    always = _answers("7x120", _steps(2, 120))
    yield Turn("nothing but failures", "HeadraceSloBurnsFast", always, "2h", fires=True)


def _spending() -> Iterator[Turn]:
    series = _of("headrace_spent_usd_total", 'provider="p"')
    for at in ("1h", "7h", "25h", "47h"):
        fresh = ((series, "0+10x300"),)
        yield Turn("a fresh gateway", "HeadraceCostSpike", fresh, at, fires=False, every="10m")
    at_work = ((series, _days(4.0, 5)),)
    for at in ("72h30m", "76h", "98h"):
        yield Turn("work by day", "HeadraceCostSpike", at_work, at, fires=False, every="10m")
    lasting = ((series, "0+0.1x432 47.2+4x150"),)
    yield Turn("a lasting spike", "HeadraceCostSpike", lasting, "90h", fires=True, every="10m")


def _lasting() -> Iterator[Turn]:
    away = ((_of("headrace_tiers_out", 'tier="l2"'), "0x7 1x120"),)
    yield Turn("away for hours", "HeadraceTierAway", away, "3h", fires=True)
    one = (
        (_of("up"), "1x5 0x120"),
        (_of("headrace_workers"), "1x5 _x120"),
        ('up{job="headrace",instance="b"}', "1x125"),
        ('headrace_workers{job="headrace",instance="b"}', "2x125"),
    )
    yield Turn("one of two", "HeadraceInstanceGone", one, "3h", fires=True)
    yield Turn("one of two", "HeadraceGone", one, "3h", fires=False)


TURNS: Final = (*_firsts(), *_idle(), *_spending(), *_lasting())


def cases(every: str) -> Iterator[dict[str, Any]]:
    """The cases whose samples are so far apart, as tests of promtool."""
    for name, case in CASES.items():
        if case.every == every:
            yield from _pair(name, "", case)
    for (name, slo), case in SLO_CASES.items():
        if case.every == every:
            yield from _pair(name, f',slo="{slo}"', case)
    # Looks at one history are one test: Prometheus lives through it once.
    alike: dict[tuple[tuple[str, str], ...], list[Turn]] = {}
    for turn in TURNS:
        if turn.every == every:
            alike.setdefault(turn.series, []).append(turn)
    for series, turns in alike.items():
        looks = [_look(turn.alert, "", turn.at, turn.fires) for turn in turns]
        yield _told(turns[0].what, every, series, looks)


EVERY: Final = tuple(sorted({case.every for case in (*CASES.values(), *SLO_CASES.values())}))


def _pair(name: str, labels: str, case: Case) -> Iterator[dict[str, Any]]:
    for word, series, fires in (("fires", case.firing, True), ("is quiet", case.quiet, False)):
        look = _look(name, labels, case.at, fires)
        yield _told(f"{name}{labels} {word}", case.every, series, [look])


def _told(
    what: str, every: str, series: tuple[tuple[str, str], ...], looks: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "name": what,
        "interval": every,
        "input_series": [{"series": each, "values": values} for each, values in series],
        "promql_expr_test": looks,
    }


def _look(name: str, labels: str, at: str, fires: bool) -> dict[str, Any]:
    state = f'ALERTS{{alertname="{name}",alertstate="firing"{labels}}}'
    one = [{"labels": f'{{alertname="{name}"}}', "value": 1}]
    return {
        "expr": f"group by (alertname) ({state})",
        "eval_time": at,
        "exp_samples": one if fires else [],
    }
