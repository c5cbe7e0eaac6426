"""The pool for threads, on plain sockets: no loop and no thread of its own."""

import os
from types import TracebackType
from typing import Self, Unpack

from headrace.errors import HeadraceError
from headrace.toolkit.connections.answers import HttpResponse
from headrace.toolkit.connections.face import Call, CallWishes, PoolFace, bounded_s
from headrace.toolkit.connections.faults import CallFault, closed, unreachable
from headrace.toolkit.connections.holdings import Holdings
from headrace.toolkit.connections.stats import ConnectionStats
from headrace.toolkit.connections.sync_connection import SyncConnection, connect
from headrace.toolkit.connections.sync_stream import SyncHttpStream


class SyncConnectionPool(PoolFace):
    """HTTP calls from any number of threads, over connections that are kept.

    `with SyncConnectionPool() as pool:`, or `pool.close()` at the end. After a fork each process
    goes on with connections of its own. A redirect is an answer like others, bodies are not
    decompressed, and there are neither proxies nor cookies.

    Args and errors are those of `PoolFace`.
    """

    # Its calls.

    def get(self, url: str, **wishes: Unpack[CallWishes]) -> HttpResponse:
        """The answer to GET; see `request`."""
        return self.request("GET", url, **wishes)

    def post(self, url: str, **wishes: Unpack[CallWishes]) -> HttpResponse:
        """The answer to POST; see `request`."""
        return self.request("POST", url, **wishes)

    def request(self, method: str, url: str, **wishes: Unpack[CallWishes]) -> HttpResponse:
        """Make a call and wait for its whole answer; see `ConnectionPool.request`."""
        held = self._held()
        call = self._call(method, url, **wishes)
        connection = self._answered(held, call, is_whole=True)
        reader = connection.reader
        attempts = call.retries.attempts
        answer = HttpResponse(reader.status, reader.headers, reader.take(), attempts)
        held.release(connection, is_kept=connection.rest())
        return answer

    def stream(self, method: str, url: str, **wishes: Unpack[CallWishes]) -> SyncHttpStream:
        """A call whose answer is read as it comes: `with pool.stream(...) as answer:`.

        Arguments and errors are those of `request`. What nobody takes is not read from the
        connection, so a slow reader slows the server down.
        """
        return SyncHttpStream(self._call(method, url, **wishes), self._head, self._held())

    # Its life.

    def __enter__(self) -> Self:
        if self._held().is_closed:
            raise closed()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; calls under way in other threads end with `NotRunning`."""
        self._held().close()

    def stats(self) -> ConnectionStats:
        """What it did so far, and how it is."""
        return self._told(self._held().told())

    # The inside.

    def _set_up(self) -> None:
        self._by_process: dict[int, Holdings] = {}

    def _held(self) -> Holdings:
        """The connections of this process: those of before a fork are the other one's."""
        own = os.getpid()
        held = self._by_process.get(own)
        if held is None:
            others = {pid: other for pid, other in self._by_process.items() if pid != own}
            is_closed = any(other.is_closed for other in others.values())
            made = Holdings(self._terms, self._tally, self._now_s, is_closed=is_closed)
            held = self._by_process.setdefault(own, made)
            for pid, other in others.items():
                if self._by_process.pop(pid, None) is not None:
                    other.forget()
        return held

    def _head(self, held: Holdings, call: Call) -> SyncConnection:
        return self._answered(held, call, is_whole=False)

    def _answered(self, held: Holdings, call: Call, *, is_whole: bool) -> SyncConnection:
        """Make attempts until one has an answer that stands; the connection it came over."""
        try:
            while True:
                try:
                    connection = self._attempt(held, call, is_whole=is_whole)
                except CallFault as fault:
                    if held.is_closed:
                        raise closed() from None
                    delay_s = self._after_fault(call, fault)
                else:
                    reader = connection.reader
                    after_s = self._after_answer(call, reader.status, reader.headers)
                    if after_s is None:
                        return connection
                    delay_s = after_s
                    held.release(connection, is_kept=connection.rest())
                held.pause(delay_s)
        except HeadraceError:
            held.count(errors=1)
            raise

    def _attempt(self, held: Holdings, call: Call, *, is_whole: bool) -> SyncConnection:
        wait_s = bounded_s(self._terms.pool_timeout_s, call, self._now_s())
        connection = held.lease(call.origin, wait_s)
        is_answered = False
        try:
            if connection is not None:
                held.count(reused=1)
                try:
                    self._ask(connection, call, is_whole=is_whole)
                    is_answered = True
                    return connection
                except CallFault as fault:
                    if fault.kind != "reset" or held.is_closed:
                        raise
                stale, connection = connection, None
                held.discard(stale)
                held.count(retries=1)
                call.retries.at_once()
            connection = self._open(held, call)
            self._ask(connection, call, is_whole=is_whole)
            is_answered = True
            return connection
        finally:
            if not is_answered:
                if connection is None:
                    held.drop(call.origin)
                else:
                    held.release(connection, is_kept=False)

    def _ask(self, connection: SyncConnection, call: Call, *, is_whole: bool) -> None:
        connection.ask(
            call.request,
            is_head=call.is_head,
            body_bytes_max=self._terms.answer_bytes_max if is_whole else float("inf"),
            is_whole=is_whole,
            read_timeout_s=self._terms.read_timeout_s,
            deadline_s=call.deadline_s,
        )

    def _open(self, held: Holdings, call: Call) -> SyncConnection:
        origin, now_s = call.origin, self._now_s
        tls = self._trust(origin)
        deadline_s = min(now_s() + self._terms.connect_timeout_s, call.deadline_s)
        try:
            sock = connect(origin, tls, deadline_s, now_s)
        except TimeoutError:
            is_over = now_s() >= call.deadline_s
            raise CallFault("timeout_total" if is_over else "timeout_connect", origin) from None
        except OSError as error:
            raise unreachable(origin, error) from error
        connection = SyncConnection(sock, origin, now_s)
        held.adopt(connection)
        return connection
