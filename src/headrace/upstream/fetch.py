"""A whole answer at once, for the gateway's own questions to a provider."""

import asyncio
from typing import NamedTuple

from headrace.errors import HeadraceError
from headrace.upstream.endpoint import Endpoint, Headers
from headrace.upstream.faults import UpstreamFault
from headrace.upstream.h1 import Flow, RawHeaders
from headrace.upstream.pool import UpstreamCall


class Fetched(NamedTuple):
    """An answer; names of headers are in lower case."""

    status: int
    headers: RawHeaders
    body: bytes


class _Whole:
    """A sink that keeps everything.

    Args:
        provider: its name, for errors.
        is_once: whether the request must not go out a second time.
    """

    def __init__(self, provider: str, *, is_once: bool) -> None:
        self.call: UpstreamCall | None = None
        self._provider = provider
        self._is_once = is_once
        self._has_set_out = False
        self.status = 0
        self.headers: RawHeaders = []
        self.parts: list[bytes] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_attempt(self, flow: Flow) -> None:
        """Nothing is ever paused; what goes out again has been told to somebody who went away."""
        del flow
        if self.call is not None and self._is_once and self._has_set_out:
            self.call.cancel()
            self.on_fault(UpstreamFault("reset", self._provider))
        self._has_set_out = True

    def on_head(self, status: int, headers: RawHeaders) -> None:
        self.status, self.headers = status, headers

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
    *,
    method: bytes = b"",
    is_once: bool = False,
) -> Fetched:
    """GET `path` below the provider's base URL, or POST `body` to it, with one of its keys.

    Args:
        endpoint: of the provider.
        path: below its base URL.
        headers: besides those that every request carries.
        body: what is sent.
        key: which of its keys, from 0.
        method: another one than that.
        is_once: whether the request must not go out again over another connection, where one that
            was kept alive breaks before an answer begins.

    Raises:
        HeadraceError: the provider could not be reached or its answer broke off.
    """
    method = method or (b"GET" if body is None else b"POST")
    request = endpoint.request(method, path, headers, body, key)
    whole = await _all_of(endpoint, request, is_once=is_once)
    return Fetched(whole.status, whole.headers, b"".join(whole.parts))


async def probe(endpoint: Endpoint, path: str) -> int:
    """GET `path`, from the root of the provider's server, to see whether it answers.

    Returns:
        The status.

    Raises:
        HeadraceError: as `fetch` does.
    """
    return (await _all_of(endpoint, endpoint.probe(path))).status


async def _all_of(endpoint: Endpoint, request: bytes, *, is_once: bool = False) -> _Whole:
    whole = _Whole(endpoint.name, is_once=is_once)
    whole.call = call = endpoint.pool.send(request, whole)
    try:
        await whole.done
    except asyncio.CancelledError:
        call.cancel()
        raise
    finally:
        whole.call = None  # a cycle, which would be left to the garbage collector
    return whole
