"""What can be set of how prompts are made smaller and cheaper: all off unless asked for."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from headrace.settings.bounded import Count, Filled, Target


class ShortenerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A model in this process that leaves words out of long prose that tools returned.

    Attributes:
        model: the folder of an LLMLingua-2 model.
        rate: the share of tokens to keep.
        device: where it runs, as PyTorch names it.
        seconds_max: how long a text waits for it; then it goes out as it is.
    """

    model: Filled
    rate: Annotated[float, Meta(ge=0.1, le=0.9)] = 0.5
    device: Filled = "cpu"
    seconds_max: Annotated[float, Meta(gt=0, le=60)] = 2.0


class CompressSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is left out of prompts before they are sent.

    Attributes:
        level: `off`; `safe` leaves out what says nothing; `lossy` cuts long prose of tools as well.
        exact_tools: further tools whose results go out byte for byte, by a word of their name.
        repeats: whether a tool's result that came before, byte for byte, is told by a pointer.
        stale: whether `lossy` clears results of calls that were made again, in big steps.
        keep_share: how much of a long prose result `lossy` keeps.
        memory_mb: room for texts that were compressed before, in MiB; per worker.
        shortener: a model that leaves words out, for `lossy`; `None`: there is none.
    """

    level: Literal["off", "safe", "lossy"] = "off"
    exact_tools: tuple[Filled, ...] = ()
    repeats: bool = True
    stale: bool = True
    keep_share: Annotated[float, Meta(ge=0.1, le=0.9)] = 0.5
    memory_mb: Annotated[int, Meta(ge=0, le=65536)] = 16
    shortener: ShortenerSettings | None = None


class WindowLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many tokens a model has room for.

    Attributes:
        context: prompt and answer together.
        output: the answer alone; `None`: not known.
    """

    context: Count
    output: Count | None = None


class WindowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How conversations that outgrow a model's context window are made to fit.

    Attributes:
        enabled: whether they are; otherwise the provider refuses them.
        tokens_max: most tokens of a prompt, however many the model has room for.
        limits: what `PROVIDER/MODEL` has room for, before what the table says of it.
        output_reserve: tokens kept free for an answer, where the request names no bound.
        margin: share of the room that is not used; `None`: how far counts are off.
        keep_first: how many messages at the beginning stay, system text not counted.
        clear_tool_results: whether old results of tools are cleared before messages go.
        step_share: by what part of the room a cut moves at a time.
        recent_share: the part of the room at the end whose results of tools are not cleared.
        summarizer: `PROVIDER/MODEL` that sums up what is left out; `None`: nobody does.
        summary_tokens: longest summary.
        summaries_mb: room for summaries, in MiB; per worker.
    """

    enabled: bool = False
    tokens_max: Count | None = None
    limits: dict[Target, WindowLimits] = {}
    output_reserve: Count = 4096
    margin: Annotated[float, Meta(ge=0, le=0.5)] | None = None
    keep_first: Annotated[int, Meta(ge=0, le=1000)] = 1
    clear_tool_results: bool = True
    step_share: Annotated[float, Meta(ge=0.05, le=0.5)] = 0.25
    recent_share: Annotated[float, Meta(ge=0, le=0.5)] = 0.25
    summarizer: Target | None = None
    summary_tokens: Annotated[int, Meta(ge=64, le=16384)] = 1024
    summaries_mb: Annotated[int, Meta(ge=1, le=65536)] = 16


class MarksSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Marks that let a provider keep the beginning of a prompt for the next call.

    Attributes:
        enabled: whether they are set where the caller sets none.
        ttl: for how long Anthropic is to keep beginnings; `auto` goes by the gaps between calls.
        order: whether tools, and the keys of their schemas, are sorted.
        sticky: whether long prompts that begin alike keep to one target.
    """

    enabled: bool = False
    ttl: Literal["auto", "5m", "1h"] = "auto"
    order: bool = False
    sticky: bool = True


class PromptSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a prompt between the cache and the provider."""

    compress: CompressSettings = CompressSettings()
    window: WindowSettings = WindowSettings()
    marks: MarksSettings = MarksSettings()
