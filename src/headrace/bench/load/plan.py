"""What a run does, as data: phases, who asks how often, what is asked, and what is good enough."""

import math
from hashlib import blake2b
from typing import Annotated, Any, Final, Literal

import msgspec

REQUESTS_MAX: Final = 2_000_000
PHASES_MAX: Final = 50
SLOPE_SECONDS_LEAST: Final = 300.0
WINDOWS: Final = 60
"""Equal parts of a phase, in which it is looked at."""
WELL_IN_A_ROW: Final = 3
"""Windows that have to be well before the whole is."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Tokens = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Cv = Annotated[float, msgspec.Meta(gt=0, le=30)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of a plan: nothing in it is passed over in silence."""


class Constant(_Strict, tag="constant", tag_field="kind", frozen=True):
    """One request after the other at even distances."""


class Poisson(_Strict, tag="poisson", tag_field="kind", frozen=True):
    """Many callers who know nothing of each other."""


class Gamma(_Strict, tag="gamma", tag_field="kind", frozen=True):
    """Bursts: gaps drawn from a gamma distribution.

    Attributes:
        cv: deviation of the gaps in proportion to their mean; 1 is Poisson's, 2 a shape of 0.25.
    """

    cv: Cv = 2.0


class Modulated(_Strict, tag="modulated", tag_field="kind", frozen=True):
    """A rate that swings, so that busy times follow on busy times.

    Attributes:
        swing: how far the rate goes from its mean, as a share of it.
        period_s: from one high to the next.
        cv: of the gaps, before the rate swings.
    """

    swing: Share = 0.5
    period_s: Positive = 20.0
    cv: Cv = 1.0


class Clients(_Strict, tag="clients", tag_field="kind", frozen=True):
    """Clients of unequal rate, each with bursts of its own.

    Attributes:
        count: how many.
        skew: exponent of their rates by rank.
        cv_min: of the gaps of the steadiest.
        cv_max: of the gaps of the most bursty.
    """

    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    skew: Annotated[float, msgspec.Meta(ge=0, le=5)] = 1.1
    cv_min: Cv = 0.75
    cv_max: Cv = 4.0


class Trace(_Strict, tag="trace", tag_field="kind", frozen=True, kw_only=True):
    """Requests of a file in Mooncake's JSON lines, at their own times and of their own lengths.

    Attributes:
        file: where it is.
        speed: how much faster than it was recorded.
    """

    file: Name
    speed: Positive = 1.0


class Closed(_Strict, tag="closed", tag_field="kind", frozen=True):
    """Each user asks again when the answer is there: no schedule, latency from the sending.

    Attributes:
        think_s: from an answer to the next question.
    """

    think_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0


Arrivals = Constant | Poisson | Gamma | Modulated | Clients | Trace | Closed


class Mix(_Strict, frozen=True):
    """How many of each there are, in proportion."""

    chat: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 5.0
    stream: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 4.0
    embeddings: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 1.0


class Workload(_Strict, frozen=True):
    """What is asked.

    Attributes:
        mix: chats, streamed chats, embeddings.
        model: of chats.
        embedding_model: of embeddings.
        repeat_share: share of requests for one of the popular prompts; the rest come once.
        popular: prompts that are asked again and again.
        zipf: exponent of their popularity.
        prompt_tokens: length of a prompt, about.
        output_tokens: at most, if set. Answers cut by it are not stored by a gateway that knows.
        reworded_share: share of the repeats of chats that ask the same in other words.
        agent_share: share of the chats that come once that are a turn of an agent: a long
            beginning that all of them share, and a table that a tool returned.
        fixed_tokens: length of that beginning, about.
        stream_usage: whether streams are asked to tell their usage.
    """

    mix: Mix = Mix()
    model: Name = "gpt-4o-mini"
    embedding_model: Name = "text-embedding-3-small"
    repeat_share: Share = 0.85
    popular: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 50
    zipf: Annotated[float, msgspec.Meta(ge=0, le=5)] = 0.9
    prompt_tokens: Tokens = 60
    output_tokens: Tokens | None = None
    reworded_share: Share = 0.0
    agent_share: Share = 0.0
    fixed_tokens: Tokens = 1500
    stream_usage: bool = False


class Good(_Strict, frozen=True):
    """A request is good when it succeeds and keeps all of these that are set, in milliseconds."""

    e2e_ms: Positive | None = None
    ttft_ms: Positive | None = None
    tpot_ms: Positive | None = None


class Slo(_Strict, frozen=True):
    """What a phase has to keep; what is not set is not asked.

    Attributes:
        p50_ms: end to end, over all requests; one that failed took forever.
        p95_ms: likewise.
        p99_ms: likewise.
        ttft_p95_ms: to the first token, over all streams; one that failed took forever.
        error_share: failed requests.
        throughput_per_s: answers at least.
        good_share: good requests at least.
        hit_share: answers from a cache at least, where the target tells.
        recovery_s: until it is well again.
        rss_mb: memory of the target at most.
        rss_mb_per_min: slope of its memory at most.
        cpu_share: CPU time of the target, in cores.
    """

    p50_ms: Positive | None = None
    p95_ms: Positive | None = None
    p99_ms: Positive | None = None
    ttft_p95_ms: Positive | None = None
    error_share: Share | None = None
    throughput_per_s: Positive | None = None
    good_share: Share | None = None
    hit_share: Share | None = None
    recovery_s: Positive | None = None
    rss_mb: Positive | None = None
    rss_mb_per_min: Positive | None = None
    cpu_share: Positive | None = None


PhaseKind = Literal["warm-up", "baseline", "load", "stress", "spike", "soak", "recovery"]


class Phase(_Strict, frozen=True, kw_only=True):
    """One part of a run.

    Attributes:
        name: what it is called.
        kind: what it is for.
        seconds: how long.
        users: who ask; each keeps a connection.
        per_user_per_min: requests of each in a minute; a trace or a closed loop has its own.
        arrivals: when they come.
        timeout_s: when a request is given up, from its intended time.
        slo: what it has to keep.
        repeat_share: of its requests, in place of the workload's.
    """

    name: Name
    kind: PhaseKind
    seconds: Positive
    users: Annotated[int, msgspec.Meta(ge=1, le=20_000)]
    per_user_per_min: Positive = 10.0
    arrivals: Arrivals = Poisson()
    timeout_s: Positive = 30.0
    slo: Slo = Slo()
    repeat_share: Share | None = None

    @property
    def rate_per_s(self) -> float:
        """Of all users together."""
        return self.users * self.per_user_per_min / 60


class Short(_Strict, frozen=True):
    """What the short form is of the full one: factors of time and of users."""

    time: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    users: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1


class Plan(_Strict, frozen=True, kw_only=True):
    """A run from its first request to its last.

    Attributes:
        name: what it is called.
        about: what it is for.
        seed: the same makes the same schedule and the same prompts.
        sim_profile: of the simulated provider, where the run starts its own.
        sim_tokens: length of that one's answers.
        gateway: settings of the gateway, where the run starts its own, over the defaults.
        phases: one after the other, without a pause.
        workload: what is asked.
        good: what a good request is.
        when_down: whether the run ends when the target has been down for a second.
        lag_share: the run is void where the client's p99 lag is more of the p99 latency.
        short: the short form.
    """

    name: Name
    about: str = ""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 1
    sim_profile: Literal["instant", "fast", "real"] = "real"
    sim_tokens: Tokens = 16
    gateway: dict[str, Any] = {}
    phases: Annotated[tuple[Phase, ...], msgspec.Meta(min_length=1, max_length=PHASES_MAX)]
    workload: Workload = Workload()
    good: Good = Good()
    when_down: Literal["go-on", "end"] = "go-on"
    lag_share: Positive = 0.1
    short: Short = Short()

    @property
    def seconds(self) -> float:
        """Of all phases together."""
        return sum(phase.seconds for phase in self.phases)

    def digest(self) -> str:
        """The same for the same plan."""
        return blake2b(msgspec.json.encode(self, order="sorted"), digest_size=8).hexdigest()


def recovery_seconds_least(limit_s: float) -> float:
    """How long a phase takes that can show that it was not well within `limit_s`, in seconds."""
    return math.ceil(limit_s * WINDOWS / (WINDOWS - WELL_IN_A_ROW))


def scaled(plan: Plan, time: float, users: float) -> Plan:
    """The same plan, shorter or with fewer users.

    What it has to keep stays, but for throughput, which is scaled, and for the slope of memory,
    which is left out where the phase becomes shorter than five minutes: it could not be told. A
    phase that has to recover stays long enough to show that it did not.

    Args:
        plan: the full one.
        time: factor of each phase's time.
        users: factor of each phase's users; at least one stays.
    """

    def phase(full: Phase) -> Phase:
        throughput, recovery = full.slo.throughput_per_s, full.slo.recovery_s
        seconds = full.seconds * time
        if recovery is not None:
            seconds = max(seconds, min(full.seconds, recovery_seconds_least(recovery)))
        slo = msgspec.structs.replace(
            full.slo,
            throughput_per_s=throughput * users if throughput else None,
            rss_mb_per_min=full.slo.rss_mb_per_min if seconds >= SLOPE_SECONDS_LEAST else None,
        )
        return msgspec.structs.replace(
            full,
            seconds=seconds,
            users=max(1, round(full.users * users)),
            slo=slo,
        )

    return msgspec.structs.replace(plan, phases=tuple(map(phase, plan.phases)))
