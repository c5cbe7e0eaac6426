"""Models as jobs ask them: through the gateway, on behalf of whoever submitted the job."""

import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from headrace.dialects.openai import OpenAIDialect
from headrace.errors import HeadraceError, SettingsInvalid
from headrace.gateway.headers import TEXT_MARK
from headrace.gateway.tasks import Spawn
from headrace.identity.deputy import FOR_HEADER
from headrace.jobs.context import JobFailed, JobPutOff, JobRefused
from headrace.jobs.job import Job
from headrace.observe.telemetry.trace_context import TRACEPARENT
from headrace.observe.telemetry.traces import Trace
from headrace.store.voice import Say
from headrace.upstream.endpoint import Endpoint
from headrace.upstream.faults import FaultKind, UpstreamFault
from headrace.upstream.fetch import fetch

# Refusals that may be another answer later.
_LATER: Final = frozenset((408, 409, 425, 429))
_SERVER_ERRORS: Final = 500
_SUCCESS_MAX: Final = 299
_ABSENT_S: Final = 2.0
_NO_TEXT: Final = "no_text"
# By these a gateway says that it ends; one that was killed breaks off without a word.
_ENDS: Final = frozenset(("shutting_down", "upstream_shutdown"))
_BREAKS_OFF: Final[frozenset[FaultKind]] = frozenset(("reset", "cut"))
_GONE: Final = "gateway_gone"
_LOST: Final = "gateway_lost"
_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


class _Address(msgspec.Struct, frozen=True):
    scheme: str
    host: str
    port: int
    prefix: str


class _Limits(msgspec.Struct, frozen=True):
    """Jobs are not in a hurry; their own limit ends them."""

    connections_max: int = 1024
    keepalive_s: float = 30.0
    connect_timeout_s: float = 10.0
    answer_mb_max: int = 64
    first_byte_timeout_s: float = 600.0
    idle_timeout_s: float = 600.0
    total_timeout_s: float = 3600.0


class _NoMeter:
    def connected(self) -> None: ...
    def retried(self) -> None: ...
    def failed(self, kind: FaultKind) -> None: ...


class _Presence:
    """Whether the gateway is there, by calls of all jobs; its way out and back is told, once each.

    Args:
        url: where it listens.
        say: told.
    """

    def __init__(self, url: str, say: Say) -> None:
        self._url = url
        self._say = say
        self._is_away = False

    def missed(self, why: str) -> None:
        """Nobody was there."""
        if not self._is_away:
            self._is_away = True
            detail = f"{why} Until it answers, jobs that ask it are put off; see --gateway."
            self._say("warning", "jobs_gateway_gone", about=self._url, detail=detail)

    def answered(self) -> None:
        """It said something."""
        if self._is_away:
            self._is_away = False
            self._say("info", "jobs_gateway_back", about=self._url)


class GatewayModels:
    """A gateway.

    Args:
        url: where it listens.
        key: of the worker; None where keys are open.
        is_deputy: whether the key lets the worker ask for the keys that submitted its jobs.
        spawn: starts a task.
        say: told when the gateway cannot be reached, and when it can be again.
        certificate: of the gateway, in PEM, where it is this very one that is to be trusted.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        *,
        is_deputy: bool,
        spawn: Spawn,
        say: Say,
        certificate: str | None = None,
    ) -> None:
        self._is_deputy = is_deputy
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise SettingsInvalid(f"--gateway: expected http://HOST:PORT, not '{url}'")
        prefix = parts.path.rstrip("/").removesuffix("/v1")
        address = _Address(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme], prefix)
        self._presence = _Presence(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", say)
        self._endpoint = Endpoint(
            "gateway",
            OpenAIDialect(),
            address,
            headers=((b"x-headrace-priority", b"low"),),
            credentials=(() if key is None else ((b"authorization", f"Bearer {key}".encode()),),),
            defaults=((b"content-type", b"application/json"),),
            limits=_Limits(),
            tls=_trust(certificate) if parts.scheme == "https" else None,
            meter=_NoMeter(),
            spawn=spawn,
        )

    def of(self, job: Job, trace: Trace | None = None) -> "JobModels":
        """Models for one job.

        Args:
            job: in whose name they are asked.
            trace: where its try stands, where that is traced; else what asked for it is told.
        """
        context = job.trace if trace is None else trace.context
        carried = ((TRACEPARENT, context.encode()),) if context else ()
        if not self._is_deputy:
            return JobModels(self._endpoint, self._presence, carried)
        tenant = quote(job.tenant, safe="")
        digest, _, name = job.caller.partition(":")
        whom = f"{digest}:{tenant}:{name}" if digest else f"tenant:{tenant}"
        headers = ((FOR_HEADER, whom.encode()), *carried)
        return JobModels(self._endpoint, self._presence, headers)

    def sweep(self, now_s: float) -> None:
        """End calls whose time is up. To be called a few times a second."""
        self._endpoint.pool.sweep(now_s)

    def close(self) -> None:
        """Close idle connections."""
        self._endpoint.pool.close()


class JobModels:
    """Models for one job; has the shape of `context.Models`."""

    def __init__(
        self, endpoint: Endpoint, presence: _Presence, headers: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        self._endpoint = endpoint
        self._presence = presence
        self._headers = headers

    async def post(
        self, path: str, document: Mapping[str, Any], headers: Mapping[str, str] = {}
    ) -> dict[str, Any]:
        """POST a request, and read the answer."""
        lines = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
        body = msgspec.json.encode(document)
        try:
            status, told, answer = await fetch(self._endpoint, path, self._headers + lines, body)
        except HeadraceError as error:
            if isinstance(error, UpstreamFault) and error.is_unsent:
                self._presence.missed(error.message)
            raise _unanswered(error) from error
        self._presence.answered()
        if status > _SUCCESS_MAX:
            _refuse(status, answer)
        if TEXT_MARK in told:
            raise JobRefused("The gateway gave its fallback text: no target has answered.")
        try:
            return msgspec.json.decode(answer, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise JobRefused(f"The gateway's answer cannot be read: {error}") from error

    async def chat(self, model: str, prompt: str, **fields: Any) -> str:
        """The text that a model answers to one prompt."""
        messages = [{"role": "user", "content": prompt}]
        answer = await self.post(
            "/v1/chat/completions", {**fields, "model": model, "messages": messages}
        )
        try:
            text = answer["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            text = None
        if not isinstance(text, str):
            raise JobFailed(f"Model '{model}' answered no text.", code=_NO_TEXT)
        return text


def _trust(certificate: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=certificate)
    if certificate is not None:
        # Whoever has its key is the gateway, by whichever name it is asked and whoever signed it.
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _unanswered(error: HeadraceError) -> JobRefused:
    """What to make of a call without an answer: a gateway that is away is not the job's fault."""
    if isinstance(error, UpstreamFault):
        if error.is_unsent or error.kind == "shutdown":
            return JobPutOff(error.message, code=_GONE, retry_after_s=_ABSENT_S)
        if error.kind in _BREAKS_OFF:
            return JobPutOff(error.message, code=_LOST, retry_after_s=_ABSENT_S, is_loss=True)
    return JobRefused(error.message, retry_after_s=_ABSENT_S)


def _refuse(status: int, answer: bytes) -> None:
    try:
        error = msgspec.json.decode(answer)["error"]
        told, code = str(error["message"]), str(error.get("code") or "refused")
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError):
        told, code = answer[:200].decode("utf-8", "replace"), "refused"
    message = f"The gateway answered {status}: {told}"
    if code in _ENDS:
        raise JobPutOff(message, code=_GONE, retry_after_s=_ABSENT_S)
    if status in _LATER or status >= _SERVER_ERRORS:
        raise JobRefused(message)
    raise JobFailed(message, code=code)
