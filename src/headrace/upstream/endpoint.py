"""A provider as something calls can be sent to: its address, its credential and its pool."""

import ssl
from importlib.util import find_spec
from typing import Protocol

from headrace.dialects.base import Dialect
from headrace.errors import SettingsInvalid
from headrace.limits import UPSTREAM_HEAD_MEMO_ENTRIES_MAX
from headrace.upstream.pool import CallPool, Pool, PoolLimits, PoolMeter, Spawn

Headers = tuple[tuple[bytes, bytes], ...]


class Address(Protocol):
    """Where a provider listens, as its settings say."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def prefix(self) -> str: ...


class Endpoint:
    """Words requests to one provider; its pool sends them.

    Args:
        name: the provider's name in the settings.
        dialect: the grammar it speaks.
        address: where it listens.
        headers: what every request carries besides the credential.
        credentials: the headers that carry each key of the provider, in the order of the keys; the
            first is taken where nothing else is said.
        defaults: headers for requests that do not bring their own of the same name.
        limits: bounds and time limits of its pool.
        tls: how to verify it, for https.
        meter: told what happens in the pool.
        spawn: starts the task that opens a connection.
        http2: whether it is spoken to in HTTP/2; needs pyreqwest.
    """

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        address: Address,
        *,
        headers: Headers,
        credentials: tuple[Headers, ...] = ((),),
        defaults: Headers,
        limits: PoolLimits,
        tls: ssl.SSLContext | None,
        meter: PoolMeter,
        spawn: Spawn,
        http2: bool = False,
    ) -> None:
        self.name = name
        self.dialect = dialect
        self.base_url = f"{address.scheme}://{address.host}:{address.port}{address.prefix}"
        self.host, self.port = address.host, address.port
        self.is_tls = tls is not None
        self._prefix = address.prefix.encode()
        self._authority = _authority(address)
        self._headers = tuple(headers + credential for credential in credentials)
        self._defaults = defaults
        self._limits = limits
        self._heads: dict[tuple[bytes, str, Headers, int], bytes] = {}
        self.pool: CallPool
        if http2:
            from headrace.upstream.h2_pool import H2Pool

            origin = f"{address.scheme}://{self._authority.decode()}"
            self.pool = H2Pool(name, origin, tls=tls, limits=limits, meter=meter, spawn=spawn)
        else:
            self.pool = Pool(
                name, address.host, address.port, tls=tls, limits=limits, meter=meter, spawn=spawn
            )

    def request(
        self,
        method: bytes,
        path: str,
        forwarded: Headers,
        body: bytes | None = None,
        key: int = 0,
    ) -> bytes:
        """The bytes of a request.

        Args:
            method: HTTP method.
            path: path below the provider's base URL.
            forwarded: the caller's own headers that go along.
            body: JSON, if there is a body.
            key: which of the provider's keys it carries, from 0.
        """
        head = self._head(method, path, forwarded, key)
        if body is None:
            return head + b"\r\n"
        return b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)

    def probe(self, path: str) -> bytes:
        """The bytes of a GET of `path`, which begins at the root of the server."""
        head = self._render_head(b"GET", path.encode(), (), self._headers[0])
        return head + b"\r\n"

    def _head(self, method: bytes, path: str, forwarded: Headers, key: int) -> bytes:
        memo = (method, path, forwarded, key)
        head = self._heads.get(memo)
        if head is None:
            if len(self._heads) >= UPSTREAM_HEAD_MEMO_ENTRIES_MAX:
                self._heads.clear()
            whole = self._prefix + path.encode()
            head = self._heads[memo] = self._render_head(
                method, whole, forwarded, self._headers[key]
            )
        return head

    def _render_head(
        self, method: bytes, path: bytes, forwarded: Headers, headers: Headers
    ) -> bytes:
        ours = {name for name, _ in headers}
        theirs = [pair for pair in forwarded if pair[0] not in ours]
        brought = ours.union(name for name, _ in theirs)
        lines = [
            b"%b %b HTTP/1.1" % (method, path),
            b"host: " + self._authority,
            b"accept-encoding: identity",
        ]
        if method == b"POST" and b"content-type" not in brought:
            lines.append(b"content-type: application/json")
        lines += [b"%b: %b" % pair for pair in headers]
        lines += [b"%b: %b" % pair for pair in theirs]
        lines += [b"%b: %b" % pair for pair in self._defaults if pair[0] not in brought]
        return b"\r\n".join(lines) + b"\r\n"


def _authority(address: Address) -> bytes:
    host = f"[{address.host}]" if ":" in address.host else address.host
    is_default = address.port == (443 if address.scheme == "https" else 80)
    return (host if is_default else f"{host}:{address.port}").encode()


def check_http2(name: str) -> None:
    """Whether providers can be spoken to in HTTP/2 here.

    Args:
        name: the provider's name in the settings.

    Raises:
        SettingsInvalid: what is needed for it is not installed.
    """
    if find_spec("pyreqwest") is None:
        raise SettingsInvalid(
            f"providers.{name}.http is 2, which needs pyreqwest, and it is not installed: "
            "pip install 'headrace[http2]'"
        )


def tls_context(*, verify: bool, ca_file: str | None) -> ssl.SSLContext:
    """How to verify a provider.

    Args:
        verify: whether to check the certificate and the name in it.
        ca_file: PEM file of a private authority to trust instead of the system's.

    Raises:
        OSError: the file cannot be read.
        ssl.SSLError: it holds no certificate.
    """
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
