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
    method = b"GET" if body is None else b"POST"
    whole = await _all_of(endpoint, endpoint.request(method, path, headers, body, key))
    return whole.status, b"".join(whole.parts)


async def probe(endpoint: Endpoint, path: str) -> int:
    """GET `path`, from the root of the provider's server, to see whether it answers.

    Returns:
        The status.

    Raises:
        HeadraceError: as `fetch` does.
    """
    return (await _all_of(endpoint, endpoint.probe(path))).status


async def _all_of(endpoint: Endpoint, request: bytes) -> _Whole:
    whole = _Whole()
    call = endpoint.pool.send(request, whole)
    try:
        await whole.done
    except asyncio.CancelledError:
        call.cancel()
        raise
    return whole
