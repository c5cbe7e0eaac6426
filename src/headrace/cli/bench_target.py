"""A target of one's own: a simulated provider and a gateway before it, as long as a run takes."""

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec
import typer

from headrace.cli.demo_children import Child, ChildEnded, started

_SETTINGS: Final = """\
data_dir: {folder}
listen: {{host: 127.0.0.1, port: 0}}
providers:
  openai: {{dialect: openai, base_url: "{sim}/v1", headers: {{x-sim-tokens: "{tokens}"}}}}
log: {{format: "off"}}
"""


class OwnTarget(msgspec.Struct, frozen=True):
    """A gateway that was started.

    Attributes:
        url: where it listens.
        pid: its process.
    """

    url: str
    pid: int


async def with_own_target(
    profile: str, tokens: int, use: Callable[[OwnTarget], Awaitable[int]]
) -> int:
    """Start a provider and a gateway, use them, and end them.

    Args:
        profile: of the simulated provider.
        tokens: length of its answers.
        use: what to do with the gateway; should that die, it goes on, and the death is told.

    Raises:
        ChildEnded: one of them does not listen.
        HeadraceError: what `use` raises.
        OSError: likewise.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
            return await _with_both(profile, tokens, use, folder)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _with_both(
    profile: str, tokens: int, use: Callable[[OwnTarget], Awaitable[int]], folder: str
) -> int:
    async with asyncio.TaskGroup() as group, AsyncExitStack() as children:
        fates: list[asyncio.Task[ChildEnded]] = []

        async def listening(name: str, *arguments: str) -> tuple[Child, str]:
            child = await children.enter_async_context(started(name, *arguments))
            fate = group.create_task(_fate(child))
            fates.append(fate)
            return child, await _url(child, fate, group)

        try:
            _, sim = await listening("simulator", "sim", "--port", "0", "--profile", profile)
            settings = Path(folder) / "headrace.yaml"
            settings.write_text(
                _SETTINGS.format(sim=sim, tokens=tokens, folder=json.dumps(folder)), "utf-8"
            )
            gateway, url = await listening("gateway", "serve", "--config", str(settings))
            status = await use(OwnTarget(url, gateway.pid))
            for fate in fates:
                if fate.done():
                    typer.echo(f"headrace: {fate.result().message}", err=True)
            return status
        finally:
            for fate in fates:
                fate.cancel()


async def _fate(child: Child) -> ChildEnded:
    """How it ended, once it has."""
    try:
        await child.watch()
    except ChildEnded as ended:
        return ended
    raise AssertionError("watching ends with the child")


async def _url(child: Child, fate: asyncio.Task[ChildEnded], group: asyncio.TaskGroup) -> str:
    """Where it listens, unless it ends before that."""
    url = group.create_task(child.url())
    await asyncio.wait((url, fate), return_when=asyncio.FIRST_COMPLETED)
    if fate.done():
        url.cancel()
        raise fate.result()
    return await url
