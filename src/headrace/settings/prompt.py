"""What can be set of how prompts are made smaller and cheaper: all off unless asked for."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from headrace.settings.bounded import Filled


class CompressSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is left out of prompts before they are sent.

    Attributes:
        level: `off`; `safe` leaves out what says nothing; `lossy` cuts long prose of tools as well.
        exact_tools: further tools whose results go out byte for byte, by a word of their name.
        repeats: whether a tool's result that came before, byte for byte, is told by a pointer.
        stale: whether `lossy` clears results of calls that were made again, in big steps.
        keep_share: how much of a long prose result `lossy` keeps.
        memory_mb: room for texts that were compressed before, in MiB; per worker.
    """

    level: Literal["off", "safe", "lossy"] = "off"
    exact_tools: tuple[Filled, ...] = ()
    repeats: bool = True
    stale: bool = True
    keep_share: Annotated[float, Meta(ge=0.1, le=0.9)] = 0.5
    memory_mb: Annotated[int, Meta(ge=0, le=65536)] = 16


class WindowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How conversations that outgrow a model's context window are made to fit.

    Attributes:
        enabled: whether they are; otherwise the provider refuses them.
    """

    enabled: bool = False


class MarksSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Marks that let a provider keep the beginning of a prompt for the next call.

    Attributes:
        enabled: whether they are set where the caller sets none.
    """

    enabled: bool = False


class PromptSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a prompt between the cache and the provider."""

    compress: CompressSettings = CompressSettings()
    window: WindowSettings = WindowSettings()
    marks: MarksSettings = MarksSettings()
