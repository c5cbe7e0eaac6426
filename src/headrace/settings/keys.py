"""What can be set of callers' keys."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headrace.settings import values
from headrace.settings.bounded import Count, Credential, Digest, Filled, ModelPattern
from headrace.settings.flow import Burst, PerMinute

MODEL_PATTERNS_MAX = 256
ModelPatterns = Annotated[tuple[ModelPattern, ...], Meta(max_length=MODEL_PATTERNS_MAX)]


class KeySettings(msgspec.Struct, frozen=True, kw_only=True):
    """One API key of a tenant: either the key itself or its digest.

    Attributes:
        digest: BLAKE2b digest of 32 bytes in lower-case hexadecimal.
        name: what logs call this key; by default the beginning of its digest.
        admin: whether it may use the console and operations.
        requests_per_minute: requests to `/v1/`; `None` means no limit, here and below.
        tokens_per_minute: input and output together.
        concurrent: requests at once.
        burst_s: how many seconds' worth of a minute's limits may come at once.
        models: those it may ask for, as callers name them; `*` stands for any characters, and
            none at all for every model.
    """

    key: Credential | None = None
    digest: Digest | None = None
    tenant: Filled
    name: Filled | None = None
    admin: bool = False
    requests_per_minute: PerMinute | None = None
    tokens_per_minute: PerMinute | None = None
    concurrent: Count | None = None
    burst_s: Burst = 60.0
    models: ModelPatterns = ()

    @property
    def is_limited(self) -> bool:
        """Whether anything of what it may ask is limited."""
        limits = (self.requests_per_minute, self.tokens_per_minute, self.concurrent)
        return any(limit is not None for limit in limits)

    @property
    def shown_name(self) -> str:
        """What logs call this key."""
        return self.name or f"key-{self.digest_bytes().hex()[:8]}"

    def place_bytes(self) -> bytes:
        """What its limits are counted by: the same for as long as it is the same key to people."""
        return self.digest_bytes()

    def digest_bytes(self) -> bytes:
        """The digest of this key.

        Raises:
            ValueError: neither key nor digest is set, or the digest is not hexadecimal.
        """
        if self.key is not None:
            return values.key_digest(self.key.reveal().encode())
        return bytes.fromhex(self.digest or "no digest")
