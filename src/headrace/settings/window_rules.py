"""What settings of prompts demand of each other: what leaves no room for one is refused."""

from collections.abc import Iterator

from headrace.settings.files import folder_problem
from headrace.settings.prompt import CompressSettings, WindowLimits, WindowSettings
from headrace.settings.reader import Path, Reader
from headrace.settings.target_rules import check_target


def apply_window_rules(reader: Reader) -> None:
    """Report windows of nobody, those in which nothing fits, and models that do nothing."""
    for path, found in list(reader.found.items()):
        match path, found.value:
            case ("prompt", "window", "summarizer"), str(target):
                check_target(reader, path, target)
            case ("prompt", "window", "limits", str(target)), WindowLimits():
                check_target(reader, path, target)
            case ("prompt", "window"), WindowSettings() as window:
                _check_window(reader, path, window)
            case ("prompt", "compress"), CompressSettings() as compress:
                _check_shortener(reader, (*path, "shortener"), compress)
            case _:
                pass


def _check_window(reader: Reader, path: Path, window: WindowSettings) -> None:
    reserve = (*path, "output_reserve")
    if reserve in reader.places and reserve not in reader.found:
        return  # it was reported already
    rooms = {}
    for name, limits in window.limits.items():
        place = (*path, "limits", name)
        if limits.output is not None and limits.output > limits.context:
            message = f"expected at most context ({limits.context}), which the answer is part of"
            reader.complain((*place, "output"), message)
        elif (room := _room(window, limits)) < 1:
            reader.complain((*place, "context"), _without_room(window, limits))
        else:
            rooms[f"limits.{name}"] = room
    if window.tokens_max is not None:
        rooms["tokens_max"] = window.tokens_max
    for name, room in rooms.items():
        if window.summarizer is not None and window.summary_tokens >= room:
            message = f"expected less than the room for a prompt ({room}, by {name})"
            reader.complain((*path, "summary_tokens"), message)


def _check_shortener(reader: Reader, path: Path, compress: CompressSettings) -> None:
    if compress.shortener is None:
        return
    problem = folder_problem(compress.shortener.model)
    if problem is not None:
        reader.complain((*path, "model"), problem)
    if compress.level != "lossy":
        reader.complain(path, "it leaves words out, which only the level lossy does")


def idle_of_window(window: WindowSettings) -> Iterator[str]:
    """What is set of windows, and accepted, but has no effect."""
    if window.enabled:
        return
    for name in window.__struct_fields__:
        if getattr(window, name) != getattr(WindowSettings(), name):
            yield f"prompt.window.{name}, without prompt.window.enabled,"


def window_notices(window: WindowSettings) -> Iterator[str]:
    """What works, but hardly as it is meant; a sentence each."""
    if window.summarizer is None or not window.enabled:
        return
    rooms = {f"limits.{name}": _room(window, each) for name, each in window.limits.items()}
    if window.tokens_max is not None:
        rooms["tokens_max"] = window.tokens_max
    for name, room in rooms.items():
        if window.summary_tokens * 2 > room:
            yield (
                f"prompt.window.summary_tokens ({window.summary_tokens}) is more than half of the "
                f"room for a prompt ({room}, by {name}): little is left for what was said last."
            )


def _room(window: WindowSettings, limits: WindowLimits) -> int:
    """What a request leaves for its prompt that does not say how long its answer may be."""
    return limits.context - min(window.output_reserve, limits.output or window.output_reserve)


def _without_room(window: WindowSettings, limits: WindowLimits) -> str:
    kept = min(window.output_reserve, limits.output or window.output_reserve)
    what = "output" if kept == limits.output else "output_reserve"
    return (
        f"expected more than is kept free for an answer ({kept}, by {what}); lower "
        "output_reserve, or say the longest answer by output"
    )
