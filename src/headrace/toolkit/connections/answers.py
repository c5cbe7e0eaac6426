"""What came back."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, overload

import msgspec

from headrace.errors import UpstreamBroken, UpstreamRefused

Value = TypeVar("Value")

RawHeaders = list[tuple[bytes, bytes]]


class HttpHeaders(Mapping[str, str]):
    """The headers of an answer, whatever the case of a name.

    A header that came more than once is one value, joined by commas (RFC 9110, 5.3); `get_all`
    tells them apart.

    Args:
        raw: as they came, names in lower case.
    """

    __slots__ = ("_raw", "_values")

    def __init__(self, raw: RawHeaders) -> None:
        self._raw = raw
        self._values: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._joined()[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._joined())

    def __len__(self) -> int:
        return len(self._joined())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._joined()

    def __repr__(self) -> str:
        return f"HttpHeaders({', '.join(self)})"  # a value may be a secret

    def get_all(self, name: str) -> list[str]:
        """Every value of a header, in the order they came."""
        wanted = name.lower().encode("latin-1")
        return [value.decode("latin-1") for key, value in self._raw if key == wanted]

    def _joined(self) -> dict[str, str]:
        values = self._values
        if values is None:
            values = self._values = {}
            for name, value in self._raw:
                key, text = name.decode("latin-1"), value.decode("latin-1")
                values[key] = f"{values[key]}, {text}" if key in values else text
        return values


class HttpResponse:
    """A whole answer.

    Attributes:
        status: HTTP status.
        headers: its headers.
        content: its body as it came.
        attempts: how often the call went out, or tried to.
    """

    __slots__ = ("attempts", "content", "headers", "status")

    def __init__(self, status: int, headers: RawHeaders, content: bytes, attempts: int = 1) -> None:
        self.status = status
        self.headers = HttpHeaders(headers)
        self.content = content
        self.attempts = attempts

    def __repr__(self) -> str:
        return f"HttpResponse(status={self.status}, bytes={len(self.content)})"

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 200 to 299."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text in UTF-8; what is none becomes the replacement character."""
        return self.content.decode("utf-8", "replace")

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, as_type: type[Value]) -> Value: ...
    def json(self, as_type: Any = Any) -> Any:
        """What the body says, read as JSON.

        Args:
            as_type: what it has to be: a type that msgspec knows, such as `dict[str, int]` or a
                struct of your own.

        Raises:
            UpstreamBroken: it is not JSON, or something else.
        """
        try:
            return msgspec.json.decode(self.content, type=as_type)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UpstreamBroken(
                f"The body of the answer ({self.status}) cannot be read: {error}.",
                code="upstream_garbage",
            ) from None

    def raise_for_status(self) -> "HttpResponse":
        """Itself, where the status is below 400.

        Raises:
            UpstreamRefused: it is 400 or above; holds status and body.
        """
        if self.status < 400:
            return self
        raise UpstreamRefused(  # what the body says may be meant for the caller alone
            f"The server answered {self.status}; why may stand in the body of this error.",
            upstream_status=self.status,
            body=self.content,
        )
