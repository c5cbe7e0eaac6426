"""The templates of a gateway: read at start, watched, and read again with the settings."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from headrace.gateway.tasks import Spawn
from headrace.gateway.templating.expansion import Templating
from headrace.gateway.templating.uses import check_uses
from headrace.gateway.templating.watch import watch_templates
from headrace.observe.metrics import Metrics
from headrace.prompt.templates.registry import Found, TemplateRegistry
from headrace.settings import Settings
from headrace.store.voice import Say


class Fresh(msgspec.Struct, frozen=True):
    """Templates that were read and checked, and are not in force yet.

    Attributes:
        registry: whose they are; `None` where settings name none.
        found: what there is to be taken up in it; `None` where it is as it should be.
    """

    registry: TemplateRegistry | None = None
    found: Found | None = None


class Templates:
    """Owns the templates in force. Belongs to one event loop.

    Args:
        settings: where they are, and which of them they use themselves.
        metrics: counts.
        spawn: starts the watching of files.
        say: told what becomes of files that change.

    Attributes:
        templating: expands requests; `None` where there are no templates.

    Raises:
        SettingsInvalid: a file cannot be used, or is not what the settings use it as.
    """

    def __init__(self, settings: Settings, metrics: Metrics, spawn: Spawn, say: Say) -> None:
        self._settings = settings
        self._metrics = metrics
        self._spawn = spawn
        self._say = say
        self._on_change: Callable[[], None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self.templating = self._of(self.read(settings).registry)

    def read(self, settings: Settings) -> Fresh:
        """The templates that settings name, as their files are now, for `adopt`.

        Raises:
            SettingsInvalid: a file cannot be used, or is not what the settings use it as; what is
                in force stays so.
        """
        path, found = settings.templates.path, None
        if path is None:
            return Fresh()
        if path != self._settings.templates.path or self._on_change is None:
            registry = TemplateRegistry(path)
        else:
            assert self.templating is not None  # noqa: S101  # it is there since there is a path
            registry = self.templating.registry
            found = registry.look()
        check_uses(settings, registry.shelf if found is None else found.shelf)
        return Fresh(registry, found)

    def adopt(self, settings: Settings, fresh: Fresh) -> Templating | None:
        """Go by what `read` gave from the next request on."""
        self._settings = settings
        registry = fresh.registry
        if registry is not None:
            registry.take(fresh.found)
        if self.templating is None or self.templating.registry is not registry:
            self.templating = self._of(registry)
        if self._on_change is not None:
            self.start(self._on_change)
        return self.templating

    def start(self, on_change: Callable[[], None]) -> None:
        """Begin to watch the files.

        Args:
            on_change: told that another set is in force.
        """
        self._on_change = on_change
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        poll_s, check = self._settings.templates.poll_s, partial(check_uses, self._settings)
        if self.templating is not None and poll_s:
            self._watching = self._spawn(
                watch_templates(self.templating.registry, poll_s, check, on_change, self._say)
            )

    def told(self) -> dict[str, Any]:
        """How many there are, and how often each was rendered since the start or a new path."""
        if self.templating is None:
            return {}
        return {
            "versions": len(self.templating.registry.shelf.templates),
            "rendered": dict(sorted(self.templating.rendered.items())),
        }

    def _of(self, registry: TemplateRegistry | None) -> Templating | None:
        return None if registry is None else Templating(registry, self._metrics)
