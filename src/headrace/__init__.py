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
    from headrace.library import Adapter, Completion, Embeddings, StreamEvent, SyncAdapter
    from headrace.model import Usage
    from headrace.toolkit import Cache, CacheErrors, CacheInfo, CacheStats, cached

__all__ = (
    "Adapter",
    "Cache",
    "CacheErrors",
    "CacheInfo",
    "CacheStats",
    "Completion",
    "Embeddings",
    "HeadraceError",
    "InvalidRequest",
    "NotFound",
    "NotRunning",
    "Overloaded",
    "SettingsInvalid",
    "StreamEvent",
    "SyncAdapter",
    "UpstreamBroken",
    "UpstreamRefused",
    "Usage",
    "__version__",
    "cached",
)

_LIBRARY = frozenset({"Adapter", "Completion", "Embeddings", "StreamEvent", "SyncAdapter"})
_TOOLKIT = frozenset({"Cache", "CacheErrors", "CacheInfo", "CacheStats", "cached"})


if not TYPE_CHECKING:  # a type checker knows the names from above, and that there are no others

    def __getattr__(name: str) -> object:
        """Load a public name when it is first asked for, so that `import headrace` costs nothing.

        Raises:
            AttributeError: there is no such name.
        """
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = "headrace.library" if name in _LIBRARY else "headrace.errors"
        if name in _TOOLKIT:
            home = "headrace.toolkit"
        if name == "Usage":
            home = "headrace.model"
        return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
