"""A whole answer at once, for the gateway's own questions to a provider."""

import asyncio

from headrace.errors import HeadraceError
from headrace.upstream.endpoint import Endpoint, Headers
from headrace.upstream.h1 import Flow, RawHeaders


class _Whole:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.status = 0
        self.parts: list[bytes] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_attempt(self, flow: Flow) -> None:
        """Nothing is ever paused."""

    def on_head(self, status: int, headers: RawHeaders) -> None:  # noqa: ARG002
        self.status = status

    def on_body(self, chunk: bytes, framed: bytes | None = None) -> None:  # noqa: ARG002
        self.parts.append(chunk)

    def on_end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def on_fault(self, error: HeadraceError) -> None:
        if not self.done.done():
            self.done.set_exception(error)


async def fetch(
    endpoint: Endpoint,
    path: str,
    headers: Headers = (),
    body: bytes | None = None,
    key: int = 0,
) -> tuple[int, bytes]:
    """GET `path` below the provider's base URL, or POST `body` to it, with one of its keys.

    Returns:
        Status and body.

    Raises:
        HeadraceError: the provider could not be reached or its answer broke off.
    """
    whole = _Whole()
    method = b"GET" if body is None else b"POST"
    call = endpoint.pool.send(endpoint.request(method, path, headers, body, key), whole)
    try:
        await whole.done
    except asyncio.CancelledError:
        call.cancel()
        raise
    return whole.status, b"".join(whole.parts)
