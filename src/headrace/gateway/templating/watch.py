"""Templates whose files change while the gateway runs: the next set is read, checked and taken up.

What is wrong with it is told, and the set in force stays.
"""

import asyncio
from collections.abc import Callable

from headrace.errors import SettingsInvalid
from headrace.prompt.templates.files import stamp
from headrace.prompt.templates.registry import TemplateRegistry
from headrace.store.voice import Level, Say

LOADED = "templates_loaded"
REFUSED = "templates_refused"


async def watch_templates(
    registry: TemplateRegistry, poll_s: float, on_change: Callable[[], None], say: Say
) -> None:
    """Look at the files every `poll_s` seconds, until cancelled.

    Files are read in a thread, and only once they have stayed the same for a turn: one that is
    being written is no version yet.

    Args:
        registry: what is kept up to date.
        poll_s: seconds between two looks.
        on_change: told, on this loop, that another set is in force.
        say: told of it, and of what is wrong.
    """
    tried = seen = registry.stamp
    while True:
        await asyncio.sleep(poll_s)
        now = await asyncio.to_thread(stamp, registry.path)
        if now == seen and now != tried:
            tried = now
            level, event, detail = await asyncio.to_thread(_reload, registry)
            if event == LOADED:
                on_change()
            say(level, event, about=str(registry.path), detail=detail)
        seen = now


def _reload(registry: TemplateRegistry) -> tuple[Level, str, str]:
    """What came of reading the files again: how bad it is, the event, and what there is to know."""
    try:
        registry.reload()
    except SettingsInvalid as error:
        return "error", REFUSED, error.message
    return "info", LOADED, f"{len(registry.shelf.templates)} in force"
