"""Metrics by OpenTelemetry's conventions for generative AI: what is counted, and in which buckets.

The names, labels and buckets are those of "Semantic conventions for generative AI metrics"
(development, 2025), in Prometheus' spelling; `otel_name` gives OpenTelemetry's. Two edges more, 40
ms between tokens and 450 ms to the first, are objectives that services usually have.
"""

from collections.abc import Mapping
from typing import Final

from headrace.observe.family import OTHER, PROVIDER, Family, Label

CHAT: Final = "chat"
EMBEDDINGS: Final = "embeddings"
NO_ERROR: Final = "none"
PREFIX: Final = "gen_ai_"

OPERATION = Label("operation", (CHAT, EMBEDDINGS))
ERROR = Label("error", (NO_ERROR, "429", "4xx", "5xx", "timeout", "connection", OTHER))
TOKENS_OF = Label("type", ("input", "output"))

_DURATION_S: Final = tuple(0.01 * 2**power for power in range(14))
_TOKENS: Final = tuple(float(4**power) for power in range(14))
_FIRST_TOKEN_S: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.45, 0.5, 0.75, 1.0),
    *(2.5, 5.0, 7.5, 10.0),
)
_PER_TOKEN_S: Final = (
    *(0.01, 0.025, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)


def _histogram(name: str, help_: str, buckets: tuple[float, ...], *labels: Label) -> Family:
    return Family(PREFIX + name, help_, "histogram", labels, buckets)


GEN_AI: Final = (
    _histogram(
        "client_operation_duration_seconds",
        "Time of calls to providers, from the first try to the end of the answer.",
        _DURATION_S,
        OPERATION,
        PROVIDER,
        ERROR,
    ),
    _histogram(
        "client_token_usage",
        "Tokens of each call to a provider, as it reports them.",
        _TOKENS,
        OPERATION,
        PROVIDER,
        TOKENS_OF,
    ),
    _histogram(
        "server_request_duration_seconds",
        "Time of requests, from their first byte to the last of their answer.",
        _DURATION_S,
        OPERATION,
        ERROR,
    ),
    _histogram(
        "server_time_to_first_token_seconds",
        "Time from the first byte of a request to the first byte of its stream.",
        _FIRST_TOKEN_S,
        OPERATION,
    ),
    _histogram(
        "server_time_per_output_token_seconds",
        "Time between tokens of a stream: from its first byte to its last, by tokens less one.",
        _PER_TOKEN_S,
        OPERATION,
    ),
)

_OTEL_NAMES: Final[Mapping[str, tuple[str, str]]] = {
    f"{PREFIX}client_operation_duration_seconds": ("gen_ai.client.operation.duration", "s"),
    f"{PREFIX}client_token_usage": ("gen_ai.client.token.usage", "{token}"),
    f"{PREFIX}server_request_duration_seconds": ("gen_ai.server.request.duration", "s"),
    f"{PREFIX}server_time_to_first_token_seconds": ("gen_ai.server.time_to_first_token", "s"),
    f"{PREFIX}server_time_per_output_token_seconds": ("gen_ai.server.time_per_output_token", "s"),
}
_OTEL_LABELS: Final[Mapping[str, str]] = {
    "operation": "gen_ai.operation.name",
    "provider": "gen_ai.provider.name",
    "type": "gen_ai.token.type",
    "error": "error.type",
}
_UNITS: Final[Mapping[str, str]] = {"seconds": "s", "bytes": "By", "usd": "{USD}", "ratio": "1"}

OPERATIONS: Final[Mapping[str, str]] = {
    "chat": CHAT,
    "messages": CHAT,
    "responses": CHAT,
    "embeddings": EMBEDDINGS,
}
"""What is asked for on a route, or by an operation, as the conventions call it."""


def operation_name(route: str) -> str:
    """What a route, or an operation of a dialect, is called; empty for what asks no model."""
    return OPERATIONS.get(route, "")


def otel_name(family: Family) -> tuple[str, str]:
    """OpenTelemetry's name and unit of a metric; our own go by the name that Prometheus shows."""
    own = _OTEL_NAMES.get(family.name)
    if own is not None:
        return own
    unit = family.name.removesuffix("_total").rpartition("_")[2]
    return family.name, _UNITS.get(unit, "")


def otel_label(family: Family, label: str) -> str:
    """OpenTelemetry's name of a label."""
    return _OTEL_LABELS[label] if family.name.startswith(PREFIX) else label
