"""`/admin/settings`: what the gateway goes by, without secrets."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from headrace.settings import Secret, Settings

_MASK: Final = "***"
# Not a key, but what a weak one could be guessed by.
_GUESSABLE: Final = frozenset(("digest",))


class SettingsRoom:
    """The route as a room of a worker.

    Args:
        settings: in force.

    Attributes:
        routes: see above.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.routes: list[BaseRoute] = [Route("/admin/settings", self._show, methods=["GET"])]

    @property
    def is_busy(self) -> bool:
        """Nothing has to be waited for."""
        return False

    async def start(self) -> None:
        """Nothing has to be done."""

    def adopt(self, settings: Settings) -> None:
        """Tell of these from now on."""
        self._settings = settings

    def stop(self) -> None:
        """Nothing is under way."""

    async def close(self) -> None:
        """Nothing is left."""

    async def _show(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse({"object": "list", "data": told(self._settings)})


def told(settings: Settings) -> list[dict[str, Any]]:
    """Each setting by its path, with its value as text, and whether it is another than usual."""
    return [
        {"path": path, "value": _text(value), "is_set": value != usual}
        for path, value, usual in _leaves(settings, msgspec.NODEFAULT, "")
    ]


def _leaves(value: Any, usual: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The path, the value and the usual value of all that is set below a value."""
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            name = field.encode_name
            below = getattr(value, field.name)
            hidden = Secret("") if name in _GUESSABLE and below is not None else below
            yield from _leaves(hidden, _usual(field, usual), f"{path}.{name}".lstrip("."))
    elif isinstance(value, dict) and value:
        for name, each in value.items():
            yield from _leaves(each, msgspec.NODEFAULT, f"{path}.{name}")
    elif isinstance(value, tuple) and any(isinstance(each, msgspec.Struct) for each in value):
        for at, each in enumerate(value):
            yield from _leaves(each, msgspec.NODEFAULT, f"{path}[{at}]")
    else:
        yield path, value, usual


def _usual(field: msgspec.structs.FieldInfo, usual: Any) -> Any:
    """What a field is where nobody sets it, nor what it is part of."""
    if isinstance(usual, msgspec.Struct):
        return getattr(usual, field.name, None)
    if field.default is not msgspec.NODEFAULT:
        return field.default
    return None if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _text(value: Any) -> str:
    if value is None:
        return "none"
    plain = msgspec.to_builtins(value, enc_hook=_masked)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def _masked(value: object) -> str:
    if isinstance(value, Secret):
        return _MASK
    raise NotImplementedError(f"{type(value).__name__} is no setting")
