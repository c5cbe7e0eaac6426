"""A whole answer at once, for the gateway's own questions to a provider."""

from collections.abc import Callable

from headrace.upstream.endpoint import Endpoint, Headers
from headrace.upstream.h1 import RawHeaders


class _Whole:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.status = 0
        self.parts: list[bytes] = []

    def on_attempt(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Nothing is ever paused."""

    def on_head(self, status: int, headers: RawHeaders) -> None:  # noqa: ARG002
        self.status = status

    def on_body(self, chunk: bytes) -> None:
        self.parts.append(chunk)

    def on_end(self) -> None:
        """The future of the call says so."""


async def fetch(endpoint: Endpoint, path: str, headers: Headers = ()) -> tuple[int, bytes]:
    """GET `path` below the provider's base URL.

    Returns:
        Status and body.

    Raises:
        UpstreamFault: the provider could not be reached or its answer broke off.
    """
    whole = _Whole()
    await endpoint.send(endpoint.request(b"GET", path, headers, None), whole)
    return whole.status, b"".join(whole.parts)
