"""What is compared: an arm, and the gateway that stands for it as long as a trial takes."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.bench.children import Child, ChildEnded, started
from headrace.bench.trials import nginx
from headrace.bench.trials.commits import Commit, exported
from headrace.bench.trials.faults import ArmInvalid
from headrace.bench.trials.settings import Simulator, merged, settings_for

ARMS_MAX: Final = 32


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One of the things that are compared.

    Attributes:
        name: what it is called.
        settings: of its gateway, merged over those that every gateway under trial has.
        commit: runs this version, and not the one that is running now.
        url: of a gateway that is there already; none is started then.
        pid: of that one's process, if it is on this machine and to be watched.
        is_nginx: stands nginx in the gateway's place, which passes everything on: a yardstick.

    Raises:
        ArmInvalid: it has no name, or is there already and yet to be started in some way.
    """

    name: str
    settings: Mapping[str, Any] = {}
    commit: Commit | None = None
    url: str | None = None
    pid: int | None = None
    is_nginx: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise ArmInvalid("an arm has a name.")
        if (self.url is not None or self.is_nginx) and (self.settings or self.commit):
            raise ArmInvalid(f"{self.name}: {self.url or 'nginx'} takes no settings and no commit.")
        if self.url is None and self.pid is not None:
            raise ArmInvalid(f"{self.name}: a process is named for a URL only.")

    def over(self, settings: Mapping[str, Any]) -> "Arm":
        """This arm with its own settings over others, where it has any: gateways of its own do."""
        if self.url is not None or self.is_nginx:
            return self
        return msgspec.structs.replace(self, settings=merged(settings, self.settings))


class Standing(msgspec.Struct, frozen=True):
    """A process that can be asked.

    Attributes:
        url: where.
        pid: its process; `None` where it is not known.
        child: what was started for it; `None` where it was there already.
    """

    url: str
    pid: int | None
    child: Child | None = None

    @property
    def ended(self) -> ChildEnded | None:
        """How it ended, if it is no more."""
        return None if self.child is None else self.child.ended


@asynccontextmanager
async def simulated(profile: str, seed: int, more: Sequence[str] = ()) -> AsyncIterator[Standing]:
    """A simulated provider in a process of its own, as long as the context is open.

    Args:
        profile: how fast it answers.
        seed: of its texts and of how long each call takes.
        more: options of `headrace sim`.

    Raises:
        ChildEnded: it does not listen.
    """
    options = ("--port", "0", "--profile", profile, "--seed", str(seed), *more)
    async with started("simulator", "sim", *options) as child:
        yield Standing(await child.url(), child.pid, child)


@asynccontextmanager
async def standing(arm: Arm, simulator: Simulator | None, folder: Path) -> AsyncIterator[Standing]:
    """A fresh gateway for an arm, as long as the context is open; it ends with this process too.

    Args:
        arm: what is wanted.
        simulator: the provider it asks; a gateway that is there already needs none.
        folder: where it keeps its files, which go with it; versions taken out of a checkout stay
            there for the next trial.

    Raises:
        ArmInvalid: its commit cannot be had.
        ChildEnded: the gateway does not listen; the message holds what it said.
    """
    if arm.url is not None:
        yield Standing(arm.url, arm.pid)
        return
    assert simulator is not None  # noqa: S101  # a fresh gateway has no other provider
    if arm.is_nginx:
        async with nginx.proxy(simulator.url, folder) as (url, child):
            yield Standing(url, child.pid, child)
        return
    source = None
    if arm.commit is not None:
        source = await asyncio.to_thread(exported, arm.commit, folder)
    home = Path(tempfile.mkdtemp(prefix="gateway-", dir=folder))
    try:
        settings = home / "headrace.yaml"
        # JSON is YAML.
        settings.write_text(json.dumps(settings_for(arm.settings, simulator, str(home))), "utf-8")
        serve = ("serve", "--config", str(settings))
        async with started("gateway", *serve, source=source) as child:
            yield Standing(await child.url(), child.pid, child)
    finally:
        shutil.rmtree(home, ignore_errors=True)
