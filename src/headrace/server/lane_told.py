"""How a way to a provider does, as an administrator is told."""

from typing import Any

from headrace.gateway.plan import Lane


def lane_told(lane: Lane) -> dict[str, Any]:
    """Where it leads, and its connections, as plain data without secrets."""
    endpoint = lane.endpoint
    return {
        "dialect": endpoint.dialect.name,
        "base_url": endpoint.base_url,
        "idle": endpoint.pool.idle,
        "active": endpoint.pool.active,
    }
