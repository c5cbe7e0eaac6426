"""When a row is void, and when a bar is kept."""

from benchmarks import bars, load_case, open_loop_case, stream_case
from benchmarks.ratios import spread
from benchmarks.records import (
    Footprint,
    LoadRound,
    LoadRow,
    OpenLoopRun,
    Spread,
    StartUp,
    StreamRow,
    StreamRun,
    Verdict,
)

MIX = stream_case.StreamMix(streams=2, ramp_s=1.0, window_s=1.0, rounds=1)


def load_round(requests: int = 1000, upstream: int = 1000, errors: int = 0) -> LoadRound:
    return LoadRound(10.0, 100.0, 1.0, 2.0, requests, upstream, errors, 30.0, 0)


def load_row(name: str, ratio: float, void: str | None = None) -> LoadRow:
    figure = spread([ratio])
    return LoadRow(name, figure, figure, figure, 30.0, 0, void, [])


def stream_run(
    events: int = 100, errors: int = 0, open_max: int = 2, reads: int = 100
) -> StreamRun:
    return StreamRun(
        ttft_ms=[1.0, 1.0],
        streams_ok=2 - errors,
        streams_open_max=open_max,
        window_events=events,
        window_reads=reads,
        window_s=1.0,
        window_cpu_us=500.0,
        errors=errors,
        error_samples=["cut"] * errors,
    )


def stream_row(streams: int, run: StreamRun, *, timed: bool = True) -> StreamRow:
    figure = spread([1.0])
    return StreamRow(
        name=bars.GATEWAY,
        streams=streams,
        arrival="over 2 s",
        timed=timed,
        cpu_us=figure,
        ratio=figure,
        ttft_p99_ms=figure,
        ttft_added_p50_ms=figure,
        ttft_added_p99_ms=figure,
        rate_share=figure,
        chunks_per_read=figure,
        rss_mib=30.0,
        errors=run.errors,
        void=None,
        rounds=[run],
    )


def test_misses_have_to_reach_the_upstream_and_hits_must_not() -> None:
    assert load_case.void_reason(False, [load_round()], slack=8) is None
    assert load_case.void_reason(True, [load_round(upstream=3)], slack=8) is None
    assert load_case.void_reason(True, [load_round(upstream=1000)], slack=8) is not None
    assert load_case.void_reason(False, [load_round(upstream=900)], slack=8) is not None


def test_hits_may_reach_the_upstream_where_some_are_asked_again() -> None:
    rounds = [load_round(requests=1000, upstream=30)]
    assert load_case.void_reason(True, rounds, 8) is not None
    assert load_case.void_reason(True, rounds, 8, calls_share_max=0.03) is None


def test_one_failed_request_voids_a_row() -> None:
    rounds = [load_round(), load_round(errors=1)]
    assert load_case.void_reason(False, rounds, slack=8) == "1 requests failed"


def test_a_round_without_answers_is_void() -> None:
    empty = load_round(requests=0, upstream=0)
    assert load_case.void_reason(True, [empty], slack=8) == "nothing was answered"


def test_streams_that_fail_lag_or_never_met_void_a_row() -> None:
    assert stream_case.void_reason([stream_run()], MIX) is None
    assert stream_case.void_reason([stream_run(errors=1)], MIX) == "1 streams failed: cut"
    assert stream_case.void_reason([stream_run(events=90)], MIX) is not None
    assert stream_case.void_reason([stream_run(open_max=1)], MIX) is not None
    assert stream_case.void_reason([stream_run(reads=50)], MIX) is not None


def test_an_open_loop_run_is_void_when_the_client_was_what_was_slow() -> None:
    def run(lag_p99_ms: float, errors: int = 0) -> OpenLoopRun:
        return OpenLoopRun(100, errors, 0.1, 0.4, 0.5, 1.0, lag_p99_ms, [])

    assert open_loop_case.void_reason([run(0.05)]) is None
    assert open_loop_case.void_reason([run(0.05), run(0.2)]) is not None
    assert open_loop_case.void_reason([run(0.05), run(0.2)], lag_ms_max=0.2) is None
    assert open_loop_case.void_reason([run(0.21)], lag_ms_max=0.2) is not None
    assert open_loop_case.void_reason([run(0.05, errors=2)]) is not None


def test_a_bar_is_kept_at_its_limit_missed_above_and_void_without_good_rounds() -> None:
    assert bars.at_most("x", 1.5, 1.5, "s").verdict is Verdict.PASS
    assert bars.at_most("x", 1.51, 1.5, "s").verdict is Verdict.MISS
    assert bars.at_most("x", 0.1, 1.5, "s", void="errors").verdict is Verdict.VOID
    assert bars.at_most("x", None, 1.5, "s").verdict is Verdict.NOT_RUN
    assert bars.at_most("x", Spread(1.0, 0.5, 9.0, 3), 1.5, "s").verdict is Verdict.PASS


def test_a_bar_that_nginx_misses_too_tells_of_the_machine() -> None:
    slow, fast = Spread(6.0, 5.0, 7.0, 3), Spread(0.5, 0.4, 0.6, 3)
    assert bars.at_most("x", 9.0, 1.0, "ms", yardstick=slow).verdict is Verdict.VOID
    assert bars.at_most("x", 9.0, 1.0, "ms", yardstick=fast).verdict is Verdict.MISS
    assert bars.at_most("x", 0.9, 1.0, "ms", yardstick=slow).verdict is Verdict.PASS


def test_every_bar_is_there_even_when_nothing_was_run() -> None:
    judged = bars.judge([], [], [], None, None)
    assert len(judged) == 9
    assert {bar.verdict for bar in judged} == {Verdict.NOT_RUN}


def test_load_bars_read_their_own_rows() -> None:
    rows = [load_row(bars.HIT_ROW, 1.4), load_row(bars.MISS_ROW, 4.1)]
    hit, miss, *_ = bars.judge(rows, [], [], None, None)
    assert (hit.verdict, miss.verdict) == (Verdict.PASS, Verdict.MISS)


def test_many_streams_need_to_be_open_at_once_without_an_error() -> None:
    def verdict(run: StreamRun) -> Verdict:
        judged = bars.judge([], [stream_row(bars.STREAMS_MANY, run)], [], None, None)
        return next(bar.verdict for bar in judged if bar.promise == "no error")

    assert verdict(stream_run(open_max=1000)) is Verdict.PASS
    assert verdict(stream_run(open_max=999)) is Verdict.MISS
    assert verdict(stream_run(open_max=1000, errors=1)) is Verdict.MISS


def test_memory_that_grows_or_requests_that_fail_break_the_bar() -> None:
    def verdict(readings: list[float], errors: int = 0) -> Verdict:
        footprint = Footprint(50.0, 45.0, readings, 100_000, errors)
        judged = bars.judge([], [], [], footprint, None)
        return next(bar.verdict for bar in judged if bar.name.startswith("RSS growth"))

    assert verdict([80.0, 80.5, 80.2, 80.9, 81.0]) is Verdict.PASS
    assert verdict([80.0, 82.0, 84.0, 86.0, 88.0]) is Verdict.MISS
    assert verdict([80.0, 80.0, 80.0, 80.0, 80.0], errors=1) is Verdict.VOID


def test_import_time_counts_without_the_interpreters_own() -> None:
    measured = StartUp(spread([0.02]), spread([0.31]), spread([0.5]))
    judged = bars.judge([], [], [], None, measured)
    assert judged[-1].measured == "0.29"
    assert judged[-1].verdict is Verdict.PASS
