"""What a benchmark run leaves behind, as frozen structs that go to JSON as they are."""

import enum

import msgspec


class Verdict(enum.StrEnum):
    """What became of a bar."""

    PASS = "pass"
    MISS = "miss"
    VOID = "void"
    NOT_RUN = "not run"


class Spread(msgspec.Struct, frozen=True):
    """One figure over several rounds: its median and its range."""

    median: float
    low: float
    high: float
    rounds: int


class LoadRound(msgspec.Struct, frozen=True):
    """One closed-loop round against one target.

    Attributes:
        cpu_us: CPU microseconds per request of the target's process tree.
        rate_per_s: requests per second answered.
        latency_p50_us: median latency as the closed loop saw it.
        latency_p99_us: 99th percentile of the same.
        requests: answered requests.
        upstream_requests: requests that reached the mock upstream meanwhile.
        errors: connect, read, write, timeout and status errors together.
        rss_mib: resident memory of the process tree after the round.
        log_bytes: bytes the target wrote to its log file.
    """

    cpu_us: float
    rate_per_s: float
    latency_p50_us: float
    latency_p99_us: float
    requests: int
    upstream_requests: int
    errors: int
    rss_mib: float
    log_bytes: int


class LoadRow(msgspec.Struct, frozen=True):
    """Every round of one target; `void` says why the row cannot be used."""

    name: str
    cpu_us: Spread
    ratio: Spread | None
    rate_per_s: Spread
    rss_mib: float
    errors: int
    void: str | None
    rounds: list[LoadRound]


class StreamRun(msgspec.Struct, frozen=True):
    """What one run of the stream client saw.

    Attributes:
        ttft_ms: time from sending the request to the first event, per stream.
        streams_ok: streams that came complete.
        streams_open_max: streams open at the same time, at most.
        window_events: events received in the steady window.
        window_reads: reads of the client they came in; fewer than events where somebody lagged,
            and a relay that lags looks cheaper than it is.
        window_s: length of the steady window.
        window_cpu_us: CPU microseconds of the watched process tree in the window.
        errors: streams that failed.
        error_samples: what went wrong, the first few.
        sent_s: when each request was sent, on the machine's monotonic clock; where asked for.
    """

    ttft_ms: list[float]
    streams_ok: int
    streams_open_max: int
    window_events: int
    window_reads: int
    window_s: float
    window_cpu_us: float
    errors: int
    error_samples: list[str]
    sent_s: list[float | None] = []


class StreamRow(msgspec.Struct, frozen=True):
    """Every round of one target relaying streams.

    Attributes:
        streams: streams open at the same time.
        arrival: how they begin, in words.
        timed: whether there was a steady window in which CPU time was read.
        cpu_us: CPU microseconds per relayed chunk.
        ratio: `cpu_us` as a ratio to nginx in the same round.
        ttft_added_p50_ms: median TTFT minus that of the direct run in the same round.
        ttft_added_p99_ms: the same for the 99th percentile.
        rate_share: chunks received per chunk due in the window; below 0.95 the row is void.
        chunks_per_read: chunks the client found in one read; above 1.2 the row is void.
    """

    name: str
    streams: int
    arrival: str
    timed: bool
    cpu_us: Spread | None
    ratio: Spread | None
    ttft_p99_ms: Spread | None
    ttft_added_p50_ms: Spread | None
    ttft_added_p99_ms: Spread | None
    rate_share: Spread | None
    chunks_per_read: Spread | None
    rss_mib: float
    errors: int
    void: str | None
    rounds: list[StreamRun]


class OpenLoopRun(msgspec.Struct, frozen=True):
    """What one open-loop run saw; latencies count from the intended send time.

    Attributes:
        elsewhere: answers that did not say they come from where they should.
    """

    requests: int
    errors: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    lag_p99_ms: float
    error_samples: list[str]
    elsewhere: int = 0


class OpenLoopRow(msgspec.Struct, frozen=True):
    """Every open-loop round of one target."""

    name: str
    rate_per_s: float
    p50_ms: Spread
    p99_ms: Spread
    p999_ms: Spread
    lag_p99_ms: Spread
    errors: int
    void: str | None
    rounds: list[OpenLoopRun]


class Footprint(msgspec.Struct, frozen=True):
    """Memory and start-up of the gateway.

    Attributes:
        idle_rss_mib: resident memory of the process tree after `/readyz`, nothing done yet.
        idle_pss_mib: the same with shared pages counted once.
        flat_rss_mib: resident memory at 0, 25, 50, 75 and 100 % of the distinct requests sent
            after the cache was full.
        flat_requests: how many those were.
        flat_errors: how many of them, or of those that filled the cache, failed.
    """

    idle_rss_mib: float
    idle_pss_mib: float
    flat_rss_mib: list[float]
    flat_requests: int
    flat_errors: int


class StartUp(msgspec.Struct, frozen=True):
    """Wall seconds of fresh processes, medians with their range."""

    bare_python_s: Spread
    import_s: Spread
    help_s: Spread

    @property
    def import_added_s(self) -> float:
        """What `import headrace` adds to a bare interpreter."""
        return self.import_s.median - self.bare_python_s.median


class Share(msgspec.Struct, frozen=True):
    """One part of a whole: its name and its figure over the rounds."""

    name: str
    figure: Spread


class CostRow(msgspec.Struct, frozen=True):
    """What one kind of request costs and where, in CPU microseconds per request.

    Attributes:
        name: the kind.
        parts: what each part takes, in the watched gateway, its watching taken out.
        parts_sum_us: all parts together.
        watched_us: what a request costs in the watched gateway, watching included.
        measured_us: what it costs in the gateway that nobody watches.
        rest_us: `measured_us` less `parts_sum_us` of the same round: what is unexplained, or
            below zero what watching costs beyond what could be taken out.
        waiting_share: share of its time the watched loop wanted a processor and had none; it is
            taken out of all parts alike, which is wrong for each where it is much.
        void: why the row cannot be used.
    """

    name: str
    parts: list[Share]
    parts_sum_us: Spread
    watched_us: Spread
    measured_us: Spread
    rest_us: Spread
    waiting_share: Spread
    void: str | None


class BeginRow(msgspec.Struct, frozen=True):
    """Where streams that begin under load spend the time to their first token.

    Attributes:
        name: what the gateway had of connections.
        streams: streams that begin.
        legs_ms: the way in legs: their means over all streams.
        legs_slow_ms: the same over the slowest twentieth; either sums up to its own mean TTFT.
        ttft_p50_ms: as the client saw it.
        ttft_p99_ms: the same.
        turn_p50_ms: length of a turn of the loop while streams began.
        turn_met_p50_ms: the turn that half of the time passes in longer ones than.
        turn_p99_ms: 99th percentile of the lengths.
        callbacks_p99: the same of the callbacks in a turn.
        on_cpu_share: share of that time the loop's thread was on a processor.
        waiting_share: share it had work, but no processor.
    """

    name: str
    streams: int
    legs_ms: list[Share]
    legs_slow_ms: list[Share]
    ttft_p50_ms: Spread
    ttft_p99_ms: Spread
    turn_p50_ms: Spread
    turn_met_p50_ms: Spread
    turn_p99_ms: Spread
    callbacks_p99: Spread
    on_cpu_share: Spread
    waiting_share: Spread


class Breakdown(msgspec.Struct, frozen=True):
    """Where the gateway's time goes.

    Attributes:
        bare_us: CPU microseconds per request of a server that only reads and writes.
        woken_us: the same of one that thinks first, its thinking taken out: each write finds its
            client asleep.
        costs: hit and miss.
        begins: streams that begin.
    """

    bare_us: Spread
    woken_us: Spread
    costs: list[CostRow]
    begins: list[BeginRow]


class Interval(msgspec.Struct, frozen=True):
    """A mean over seeds and its 95 % interval.

    Attributes:
        mean: over all seeds.
        low: lower end.
        high: upper end.
        worst: the largest of all seeds.
        samples: how many seeds.
    """

    mean: float
    low: float
    high: float
    worst: float
    samples: int


class PolicyRow(msgspec.Struct, frozen=True):
    """One eviction policy, or the bound, in one setting; differences are of the same seed.

    Attributes:
        setting: capacity and drift.
        policy: its name.
        hit_points: hits per 100 requests.
        saved_points: dollars saved per 100 that all calls would cost.
        above_lru_points: those less LRU's.
        best: the single policy that saves most in this setting.
        below_best_points: what that one saves less these.
    """

    setting: str
    policy: str
    hit_points: Interval
    saved_points: Interval
    above_lru_points: Interval
    best: str
    below_best_points: Interval


class ToolkitRow(msgspec.Struct, frozen=True):
    """One operation of one cache in a program.

    Attributes:
        operation: what is done.
        name: the cache.
        us: microseconds for one operation, the loop around it included.
        against: the same as a ratio to Headrace's in the same round: above 1 is slower.
    """

    operation: str
    name: str
    us: Spread
    against: Spread


class Bar(msgspec.Struct, frozen=True):
    """One promise about speed or size and what was measured for it."""

    name: str
    promise: str
    measured: str
    verdict: Verdict


class Environment(msgspec.Struct, frozen=True):
    """The machine and the versions a run was made with."""

    kernel: str
    processor: str
    cores: int
    python: str
    nginx: str
    wrk: str
    commit: str
    load_average: float
