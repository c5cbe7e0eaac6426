"""Requests under way while a test looks at the gateway, and what its console tells of calls."""

import threading
from collections.abc import Mapping
from typing import Any

from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.wire import Response


class Asking:
    """A request on a thread of its own.

    Args:
        gateway: who is asked.
        model: for which model.
        number: tells questions apart.
        headers: of the request; underscores stand for hyphens.
    """

    def __init__(self, gateway: Gateway, model: str, number: int, **headers: str) -> None:
        self._response: Response | None = None
        self._ask = (gateway, OPENAI.document(model, seed=number), _named(headers))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> Response:
        """Its answer, once it is there."""
        self._thread.join(60)
        assert self._response is not None, "it was cut off, or has not been answered"
        return self._response

    def _run(self) -> None:
        gateway, document, headers = self._ask
        self._response = gateway.post(OPENAI.path, document, headers=headers)


def ask(gateway: Gateway, model: str, number: int = 0, **headers: str) -> Response:
    """A request that is waited for; arguments as those of `Asking`."""
    return gateway.post(OPENAI.path, OPENAI.document(model, seed=number), headers=_named(headers))


def flow_told(gateway: Gateway, provider: str, model: str) -> dict[str, Any]:
    """What the console tells of a provider's model."""
    models = gateway.get("/admin/flow").json()["providers"][provider]["models"]
    told: dict[str, Any] = models.get(model, {"inflight": 0, "limit": None, "queue": None})
    return told


def waiting(gateway: Gateway, provider: str, model: str) -> int:
    """How many wait for their turn there."""
    queue = flow_told(gateway, provider, model)["queue"]
    return 0 if queue is None else int(queue["waiting"])


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
