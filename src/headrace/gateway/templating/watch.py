"""Templates whose files change while the gateway runs: the next set is read, checked and taken up.

What is wrong with it is told, and the set in force stays.
"""

import asyncio
from collections.abc import Callable

from headrace.errors import SettingsInvalid
from headrace.prompt.templates.files import stamp
from headrace.prompt.templates.registry import TemplateRegistry
from headrace.prompt.templates.shelf import Shelf
from headrace.store.voice import Level, Say

LOADED = "templates_loaded"
REFUSED = "templates_refused"


async def watch_templates(
    registry: TemplateRegistry,
    poll_s: float,
    check: Callable[[Shelf], None],
    on_change: Callable[[], None],
    say: Say,
) -> None:
    """Look at the files every `poll_s` seconds, until cancelled.

    Files are read in a thread, and only once they have stayed the same for a turn: one that is
    being written is no version yet.

    Args:
        registry: what is kept up to date.
        poll_s: seconds between two looks.
        check: raises `SettingsInvalid` where a set is not what the settings want of it.
        on_change: told, on this loop, that another set is in force.
        say: told of it, and of what is wrong.
    """
    tried = seen = registry.stamp
    while True:
        await asyncio.sleep(poll_s)
        now = await asyncio.to_thread(stamp, registry.path)
        if now == seen and now != tried:
            tried = now
            level, event, detail = await asyncio.to_thread(_reload, registry, check)
            if event == LOADED:
                on_change()
            say(level, event, about=str(registry.path), detail=detail)
        seen = now


def _reload(registry: TemplateRegistry, check: Callable[[Shelf], None]) -> tuple[Level, str, str]:
    """What came of reading the files again: how bad it is, the event, and what there is to know."""
    try:
        found = registry.look()
        if found is not None:
            check(found.shelf)
        registry.take(found)
    except SettingsInvalid as error:
        return "error", REFUSED, error.message
    return "info", LOADED, f"{len(registry.shelf.templates)} in force"
