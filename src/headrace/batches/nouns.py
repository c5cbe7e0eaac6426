"""Files and batches as they are kept, and as callers see them."""

from typing import Any, Final, Literal

import msgspec

from headrace.identity.keys import Principal

State = Literal[
    "validating",
    "in_progress",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelling",
    "cancelled",
]
Ending = Literal["completed", "failed", "expired", "cancelled"]

PURPOSE_IN: Final = "batch"
PURPOSE_OUT: Final = "batch_output"


class KeptFile(msgspec.Struct, frozen=True):
    """A file that a caller keeps here.

    Attributes:
        filename: what the caller calls it; no path is made of it.
        created_s: when it was there, seconds since the epoch.
        expires_s: when it is deleted.
        place: the data directory that holds it.
    """

    id: str
    tenant: str
    purpose: str
    filename: str
    bytes: int
    created_s: float
    expires_s: float | None
    place: str

    def told(self) -> dict[str, Any]:
        """The same as OpenAI's file object."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": int(self.created_s),
            "expires_at": _at(self.expires_s),
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


class Batch(msgspec.Struct, frozen=True):
    """A batch. Times are seconds since the epoch.

    Attributes:
        key_name: the key that asked for it, as logs call it.
        key_digest: which key that is.
        key_models: patterns of the models that it may ask for, as JSON.
        place: the data directory that holds its files.
        output_file: where answers go; told once there are any and the batch is over.
        error_file: where the rest goes; the same.
        keep_s: how long its results are kept.
        metadata: the caller's own, as JSON.
        faults: lines that are no requests, the first of them, as JSON.
        window_s: how long it may take.
        trace: where the request that asked for it stood in its trace, as `Trace.context`.
    """

    id: str
    tenant: str
    key_name: str
    key_digest: bytes
    key_models: str
    place: str
    state: State
    endpoint: str
    input_file: str
    output_file: str
    error_file: str
    has_output: int
    has_errors: int
    keep_s: float
    metadata: str
    faults: str
    total: int
    completed: int
    failed: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    window_s: float
    created_s: float
    in_progress_s: float | None = None
    finalizing_s: float | None = None
    cancelling_s: float | None = None
    ended_s: float | None = None
    trace: str = ""

    @property
    def who(self) -> Principal:
        """In whose name its lines are asked."""
        models = tuple(msgspec.json.decode(self.key_models, type=list[str]))
        return Principal(self.tenant, self.key_name, key_digest=self.key_digest, models=models)

    @property
    def expires_s(self) -> float:
        """When it ends, whatever is left of it."""
        return self.created_s + self.window_s

    def told(self) -> dict[str, Any]:
        """The same as OpenAI's batch object."""
        faults = msgspec.json.decode(self.faults)
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": {"object": "list", "data": faults} if faults else None,
            "input_file_id": self.input_file,
            "completion_window": window_told(self.window_s),
            "status": self.state,
            "output_file_id": self.output_file if self.has_output else None,
            "error_file_id": self.error_file if self.has_errors else None,
            "created_at": int(self.created_s),
            "in_progress_at": _at(self.in_progress_s),
            "expires_at": int(self.expires_s),
            "finalizing_at": _at(self.finalizing_s),
            "completed_at": self._ended_at("completed"),
            "failed_at": self._ended_at("failed"),
            "expired_at": self._ended_at("expired"),
            "cancelling_at": _at(self.cancelling_s),
            "cancelled_at": self._ended_at("cancelled"),
            "request_counts": {
                "total": self.total,
                "completed": self.completed,
                "failed": self.failed,
            },
            "usage": self._usage_told(),
            "metadata": msgspec.json.decode(self.metadata),
        }

    def _ended_at(self, state: Ending) -> int | None:
        return _at(self.ended_s) if self.state == state else None

    def _usage_told(self) -> dict[str, Any]:
        return {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": self.cached_tokens},
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.input_tokens + self.output_tokens,
        }


def window_told(window_s: float) -> str:
    """A window as callers say it, in hours."""
    return f"{window_s / 3600:g}h"


def _at(moment_s: float | None) -> int | None:
    return None if moment_s is None else int(moment_s)
