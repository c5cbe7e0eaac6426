"""What a simulated provider is started with."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headrace.sim.pace import Pace, Profile, draw_pace

SPEED_MAX = 1000.0
TOKENS_MAX = 100_000
MODELS_DEFAULT = ("sim-large", "sim-small", "sim-embed", "gpt-4o-mini", "claude-sim")


class SimOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one simulated provider.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        profile: how fast answers come: `instant`, `fast` or `real`.
        speed: how many times as fast as the profile says.
        seed: decides every text, latency and failure.
        fail_rate: share of calls answered with 500, from 0 to 1.
        rate_limit_rpm: calls per minute before 429, also the burst; `None` for no limit.
        rate_limit_tpm: the same for tokens: input, and the most output that is asked for.
        capacity: calls in flight above which latency grows in proportion; `None` for no knee.
        inflight_max: calls in flight above which they are refused with 429; `None` for no bound.
        tokens: length of answers to calls that do not say; `None` draws each from its prompt.
        api_keys: keys that are accepted; empty accepts everyone.
        prompt_cache: whether prefixes of prompts are cached and billed as the providers do it.
        models: names that `GET /v1/models` lists; other names are answered all the same.
        tls_cert_file: PEM certificate chain; with `tls_key_file` the server speaks TLS.
        tls_key_file: PEM private key.
    """

    host: str = "127.0.0.1"
    port: int = 0
    profile: Profile = Profile.INSTANT
    speed: float = 1.0
    seed: int = 0
    fail_rate: float = 0.0
    rate_limit_rpm: int | None = None
    rate_limit_tpm: int | None = None
    capacity: int | None = None
    inflight_max: int | None = None
    tokens: int | None = None
    api_keys: tuple[str, ...] = ()
    prompt_cache: bool = False
    models: tuple[str, ...] = MODELS_DEFAULT
    tls_cert_file: str | None = None
    tls_key_file: str | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.speed <= SPEED_MAX:
            raise ValueError(f"speed must be above 0 and at most {SPEED_MAX:g}, not {self.speed}")
        if not 0.0 <= self.fail_rate <= 1.0:
            raise ValueError(f"fail_rate must be from 0 to 1, not {self.fail_rate}")
        if self.rate_limit_rpm is not None and self.rate_limit_rpm < 1:
            raise ValueError(f"rate_limit_rpm must be 1 or more, not {self.rate_limit_rpm}")
        if self.rate_limit_tpm is not None and self.rate_limit_tpm < 1:
            raise ValueError(f"rate_limit_tpm must be 1 or more, not {self.rate_limit_tpm}")
        if self.capacity is not None and self.capacity < 1:
            raise ValueError(f"capacity must be 1 or more, not {self.capacity}")
        if self.inflight_max is not None and self.inflight_max < 1:
            raise ValueError(f"inflight_max must be 1 or more, not {self.inflight_max}")
        if self.tokens is not None and not 1 <= self.tokens <= TOKENS_MAX:
            raise ValueError(f"tokens must be 1 to {TOKENS_MAX}, not {self.tokens}")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file go together")

    def pace(self, sequence: int) -> Pace:
        """How fast call number `sequence` is answered where nothing else slows it."""
        return draw_pace(self.profile, self.seed, sequence, self.speed)


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /_sim/limits`: what of `SimOptions` changes while it runs.

    Attributes:
        capacity: as there; left out, it stays as it is.
        inflight_max: as there; left out, it stays as it is.
    """

    capacity: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET
    inflight_max: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET

    def upon(self, options: SimOptions) -> SimOptions:
        """The options with these limits."""
        changed = {name: getattr(self, name) for name in self.__struct_fields__}
        kept = {name: value for name, value in changed.items() if value is not UNSET}
        return msgspec.structs.replace(options, **kept)
