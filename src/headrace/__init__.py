"""Headrace: the performance layer between applications and their language models."""

from typing import TYPE_CHECKING

from headrace.version import __version__

if TYPE_CHECKING:
    from headrace.errors import (
        HeadraceError,
        InvalidRequest,
        NotFound,
        NotRunning,
        Overloaded,
        SettingsInvalid,
        UpstreamBroken,
        UpstreamRefused,
    )
    from headrace.library import (
        Adapter,
        Completion,
        Embeddings,
        Stream,
        StreamEvent,
        SyncAdapter,
        SyncStream,
    )
    from headrace.model import CacheResult, Usage

__all__ = (
    "Adapter",
    "CacheResult",
    "Completion",
    "Embeddings",
    "HeadraceError",
    "InvalidRequest",
    "NotFound",
    "NotRunning",
    "Overloaded",
    "SettingsInvalid",
    "Stream",
    "StreamEvent",
    "SyncAdapter",
    "SyncStream",
    "UpstreamBroken",
    "UpstreamRefused",
    "Usage",
    "__version__",
)

_HOMES = (
    ("headrace.model", frozenset({"CacheResult", "Usage"})),
    (
        "headrace.library",
        frozenset(
            "Adapter Completion Embeddings Stream StreamEvent SyncAdapter SyncStream".split()
        ),
    ),
)


if not TYPE_CHECKING:  # a type checker knows the names from above, and that there are no others

    def __getattr__(name: str) -> object:
        """Load a public name when it is first asked for, so that `import headrace` costs nothing.

        Raises:
            AttributeError: there is no such name.
        """
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = next((home for home, names in _HOMES if name in names), "headrace.errors")
        return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
