"""What both faces of the pool share: what they are told, and how a call is put."""

import os
import ssl
from collections.abc import Callable, Iterable, Mapping
from math import inf
from secrets import SystemRandom
from typing import Any, Final, TypedDict

from headrace.clock import Clock, SystemClock
from headrace.errors import SettingsInvalid
from headrace.toolkit.connections.address import Addresses, Origin
from headrace.toolkit.connections.answers import HttpHeaders, RawHeaders
from headrace.toolkit.connections.faults import CallFault
from headrace.toolkit.connections.places import Places
from headrace.toolkit.connections.retrying import PASSING_STATUSES, Retries, may_repeat
from headrace.toolkit.connections.stats import ConnectionStats, Tally
from headrace.toolkit.connections.terms import MAX_BYTES_DEFAULT, Terms, count, limit
from headrace.toolkit.connections.wording import body_of, render
from headrace.upstream.endpoint import tls_context

_PROTOCOLS: Final = ("http/1.1",)


class CallWishes(TypedDict, total=False):
    """What a call may say besides method and address.

    Attributes:
        headers: sent along; take the place of what is sent by itself.
        content: the body, as bytes or as text in UTF-8.
        json: the body, as plain data to be said in JSON.
        timeout_s: seconds the whole call may take, instead of `total_timeout_s`.
        retries: attempts beyond the first, instead of the pool's.
    """

    headers: Mapping[str, str] | None
    content: bytes | str | None
    json: object
    timeout_s: float | None
    retries: int


class Call:
    """One call on its way.

    Attributes:
        origin: where it goes.
        request: the bytes that go out.
        is_head: whether it asks by HEAD.
        deadline_s: when its time is up.
        retries: how often it may go out again.
    """

    __slots__ = ("deadline_s", "is_head", "origin", "request", "retries")

    def __init__(
        self,
        origin: Origin,
        request: bytes,
        *,
        is_head: bool,
        deadline_s: float,
        retries: Retries,
    ) -> None:
        self.origin = origin
        self.request = request
        self.is_head = is_head
        self.deadline_s = deadline_s
        self.retries = retries


def bounded_s(limit_s: float, call: Call, now_s: float) -> float | None:
    """What a step of a call may take, in seconds; `None` where nothing bounds it."""
    span_s = min(limit_s, max(0.0, call.deadline_s - now_s))
    return None if span_s == inf else span_s


class PoolFace:
    """Connections that are kept and used again, at most so many to each origin.

    Args:
        pool_size: connections to one origin (scheme, host and port) at most; more calls wait.
        max_keepalive: how many of them stay open unused.
        keepalive_s: seconds that an unused one stays open.
        connect_timeout_s: seconds to open a connection, TLS included.
        read_timeout_s: seconds between any two bytes of an answer, and before the first.
        total_timeout_s: seconds of a whole call: waiting, all attempts and the answer.
        pool_timeout_s: seconds to wait for a connection where all are in use.
        retries: attempts beyond the first, for what may go out twice.
        answer_bytes_max: bound on the body of an answer that is read as a whole.
        ca_file: PEM file of a private authority to trust instead of the system's.
        clock: where time comes from.
        uniform: draws from [0, 1), for the delays between attempts.

    Raises:
        SettingsInvalid: `ca_file` cannot be used.
        TypeError: an argument is of another type.
        ValueError: a bound or a time makes no sense; `None` stands for no time limit.
    """

    def __init__(
        self,
        pool_size: int = 20,
        *,
        max_keepalive: int = 10,
        keepalive_s: float | None = 30.0,
        connect_timeout_s: float | None = 5.0,
        read_timeout_s: float | None = 120.0,
        total_timeout_s: float | None = 600.0,
        pool_timeout_s: float | None = 10.0,
        retries: int = 2,
        answer_bytes_max: int = MAX_BYTES_DEFAULT,
        ca_file: str | os.PathLike[str] | None = None,
        clock: Clock | None = None,
        uniform: Callable[[], float] | None = None,
    ) -> None:
        self._terms = Terms.checked(
            {
                "keepalive_s": keepalive_s,
                "connect_timeout_s": connect_timeout_s,
                "read_timeout_s": read_timeout_s,
                "total_timeout_s": total_timeout_s,
                "pool_timeout_s": pool_timeout_s,
            },
            pool_size=pool_size,
            max_keepalive=max_keepalive,
            retries=retries,
            answer_bytes_max=answer_bytes_max,
        )
        self._clock = clock or SystemClock()
        self._now_s = self._clock.monotonic_s
        self._uniform = uniform or SystemRandom().random
        self._addresses = Addresses()
        self._tally = Tally()
        self._ca_file = None if ca_file is None else os.fspath(ca_file)
        self._tls: ssl.SSLContext | None = None
        if ca_file is not None:
            self._tls = self._make_tls()
        self._set_up()

    def _set_up(self) -> None:
        """Make what belongs to one face."""
        raise NotImplementedError

    def _call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | str | None = None,
        json: object = None,
        timeout_s: float | None = None,
        retries: int | None = None,
    ) -> Call:
        terms = self._terms
        target = self._addresses.read(url)
        body, kind = body_of(content, json)
        method = method.upper()
        request = render(method, target, headers, body, kind)
        span_s = terms.total_timeout_s if timeout_s is None else limit("timeout_s", timeout_s)
        deadline_s = self._now_s() + span_s
        return Call(
            target.origin,
            request,
            is_head=method == "HEAD",
            deadline_s=deadline_s,
            retries=Retries(
                terms.retries if retries is None else count("retries", retries),
                is_repeatable=may_repeat(method, headers),
                deadline_s=deadline_s,
                uniform=self._uniform,
            ),
        )

    def _after_fault(self, call: Call, fault: CallFault) -> float:
        """Seconds until the next attempt; raises the fault where there is none."""
        fault.attempts = call.retries.attempts
        delay_s = call.retries.after_fault(fault, self._now_s())
        if delay_s is None:
            raise fault
        return delay_s

    def _after_answer(self, call: Call, status: int, headers: RawHeaders) -> float | None:
        """Seconds until the next attempt, or `None` where the answer stands."""
        if status not in PASSING_STATUSES:
            return None
        return call.retries.after_answer(HttpHeaders(headers), self._now_s(), self._clock.wall_s())

    def _trust(self, origin: Origin) -> ssl.SSLContext | None:
        if origin.scheme == "http":
            return None
        if self._tls is None:  # made when it is needed first: it takes some 20 ms
            self._tls = self._make_tls()
        return self._tls

    def _make_tls(self) -> ssl.SSLContext:
        try:
            context = tls_context(verify=True, ca_file=self._ca_file)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it holds no certificate"
            raise SettingsInvalid(f"ca_file cannot be used: {why}.", param="ca_file") from error
        context.set_alpn_protocols(_PROTOCOLS)
        return context

    def _told(self, origins: Iterable[Places[Any]]) -> ConnectionStats:
        everywhere = list(origins)
        tally = self._tally
        return ConnectionStats(
            opened=tally.opened,
            reused=tally.reused,
            idle=sum(len(places.idle) for places in everywhere),
            active=sum(places.taken for places in everywhere),
            waiting=sum(len(places.waiters) for places in everywhere),
            waits=tally.waits,
            retries=tally.retries,
            expired=tally.expired,
            errors=tally.errors,
        )
