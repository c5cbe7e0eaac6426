"""The names of models that callers of the library may use."""

from collections.abc import Iterable

import msgspec

from headrace.errors import HeadraceError, UpstreamBroken
from headrace.gateway.engine import Engine
from headrace.model import DialectName
from headrace.routing.directory import Directory


async def model_names(engine: Engine, dialects: Iterable[DialectName]) -> tuple[str, ...]:
    """The configured ones, or the providers' own.

    Args:
        engine: knows the providers.
        dialects: what they speak.

    Raises:
        UpstreamBroken: no provider can say.
    """
    directory = engine.pipeline.plan.directory
    names: list[str] = []
    fault: HeadraceError | None = None
    can_say = False
    for dialect in dialects:
        try:
            page = msgspec.json.decode(await engine.catalogue.page(dialect))
        except UpstreamBroken as broken:
            fault = fault or broken
        else:
            can_say = True
            names += (_lasting(item["id"], dialect, directory) for item in page["data"])
    if fault is not None and not can_say:
        raise fault
    return tuple(dict.fromkeys(names))


def _lasting(name: str, dialect: DialectName, directory: Directory) -> str:
    """A listed name, with its provider's in front where it alone would not lead there."""
    try:
        if directory.dialect_of(name) == dialect:
            return name
    except HeadraceError:
        pass
    target = directory.resolve(name, dialect)[0]
    return f"{target.provider}/{target.model}"
