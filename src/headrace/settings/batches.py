"""What can be set of files that callers send, and of batches."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

FileBytes = Annotated[int, Meta(ge=1024, le=1 << 40)]
KeepSeconds = Annotated[float, Meta(ge=60, le=10 * 365 * 86_400)]
LinesAtOnce = Annotated[int, Meta(ge=1, le=1_000)]
BatchesAtOnce = Annotated[int, Meta(ge=1, le=100)]
Lines = Annotated[int, Meta(ge=1, le=1_000_000)]
Tries = Annotated[int, Meta(ge=1, le=10)]


class FileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Files that callers send.

    Attributes:
        bytes_max: the largest one.
        tenant_bytes_max: all of one tenant together.
        keep_s: how long they are kept, where the caller says nothing else; results of batches too.
    """

    bytes_max: FileBytes = 512 * 1024 * 1024
    tenant_bytes_max: FileBytes = 8 * 1024 * 1024 * 1024
    keep_s: KeepSeconds = 30 * 86_400.0


class BatchApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of batches that are handed to a provider's own Batch API.

    Attributes:
        fallback: what becomes of lines whose batch there has failed, or is gone: they are asked one
            by one, at the full price, or fail.
        lines_max: the largest batch that is handed over.
        mb_max: the same, in MiB.
        at_once: how many of one batch's may be under way.
        poll_s: how often it is asked how far one is.
        tries: how often it is tried to hand one over.
    """

    fallback: Literal["lines", "fail"] = "lines"
    lines_max: Annotated[int, Meta(ge=1, le=50_000)] = 2_000
    mb_max: Annotated[int, Meta(ge=1, le=200)] = 32
    at_once: BatchesAtOnce = 4
    poll_s: Annotated[float, Meta(ge=0.05, le=3600)] = 30.0
    tries: Tries = 3


class BatchesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Batches: files of requests that are worked off.

    Attributes:
        concurrency: lines of a batch that are asked at once, at the most.
        at_once: batches that a worker runs at once.
        lines_max: the longest batch.
        tries: how often a line is asked that fails as it may not fail again; where it is only
            too much for now, as often as there is time.
        lease_s: how long a gateway may show no life before another goes on with its batches.
    """

    concurrency: LinesAtOnce = 32
    at_once: BatchesAtOnce = 2
    lines_max: Lines = 50_000
    tries: Tries = 3
    # It is renewed three times in it, and looked at every second whether that is due.
    lease_s: Annotated[float, Meta(ge=3, le=3600)] = 9.0
