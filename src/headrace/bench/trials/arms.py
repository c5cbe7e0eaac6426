"""What is compared: an arm, and the gateway that stands for it as long as a trial takes."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from headrace.bench.children import Child, ChildEnded, started
from headrace.bench.load.plan import Plan
from headrace.bench.trials import nginx
from headrace.bench.trials.commits import Commit, exported
from headrace.bench.trials.faults import ArmInvalid
from headrace.bench.trials.settings import merged, settings_for

ARMS_MAX: Final = 32

Stand = Literal["gateway", "nginx", "nothing"]
"""What stands between a client and the provider."""


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One of the things that are compared.

    Attributes:
        name: what it is called.
        settings: of its gateway, merged over those that every gateway under trial has.
        commit: runs this version, and not the one that is running now.
        url: of a gateway that is there already; none is started then.
        pid: of that one's process, if it is on this machine and to be watched.
        stands: before the provider: a gateway; or, as a yardstick, nginx, which passes everything
            on, or nothing, so that the provider itself is asked.

    Raises:
        ArmInvalid: it has no name, or is there already and yet to be started in some way.
    """

    name: str
    settings: Mapping[str, Any] = {}
    commit: Commit | None = None
    url: str | None = None
    pid: int | None = None
    stands: Stand = "gateway"

    def __post_init__(self) -> None:
        if not self.name:
            raise ArmInvalid("an arm has a name.")
        if not self.is_started and (self.settings or self.commit):
            raise ArmInvalid(
                f"{self.name}: {self.url or self.stands} takes no settings and no commit."
            )
        if self.url is not None and self.stands != "gateway":
            raise ArmInvalid(f"{self.name}: {self.url} is a gateway that is there already.")
        if self.url is None and self.pid is not None:
            raise ArmInvalid(f"{self.name}: a process is named for a URL only.")

    @property
    def is_started(self) -> bool:
        """Whether a gateway is started for it."""
        return self.url is None and self.stands == "gateway"

    def over(self, settings: Mapping[str, Any]) -> "Arm":
        """This arm with its own settings over others, where it has any: gateways of its own do."""
        if not self.is_started:
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
async def simulated(plan: Plan, more: Sequence[str] = ()) -> AsyncIterator[Standing]:
    """A simulated provider in a process of its own, as long as the context is open.

    Args:
        plan: says how fast it answers, at what length, and what chance decides.
        more: options of `headrace sim`.

    Raises:
        ChildEnded: it does not listen.
    """
    told = {
        "--port": 0,
        "--profile": plan.sim_profile,
        "--seed": plan.seed,
        "--tokens": plan.sim_tokens,
    }
    options = (str(word) for option in told.items() for word in option)
    async with started("simulator", "sim", *options, *more) as child:
        yield Standing(await child.url(), child.pid, child)


@asynccontextmanager
async def standing(arm: Arm, provider: str | None, folder: Path) -> AsyncIterator[Standing]:
    """What is asked for an arm, as long as the context is open; it ends with this process too.

    Args:
        arm: what is wanted.
        provider: URL of the one it asks; a gateway that is there already needs none.
        folder: where it keeps its files, which go with it; versions taken out of a checkout stay
            there for the next trial.

    Raises:
        ArmInvalid: its commit cannot be had.
        ChildEnded: the gateway does not listen; the message holds what it said.
    """
    if arm.url is not None:
        yield Standing(arm.url, arm.pid)
        return
    assert provider is not None  # noqa: S101  # a fresh gateway has no other provider
    if arm.stands == "nothing":
        yield Standing(provider, None)
        return
    if arm.stands == "nginx":
        async with nginx.proxy(provider, folder) as (url, child):
            yield Standing(url, child.pid, child)
        return
    source = None
    if arm.commit is not None:
        source = await asyncio.to_thread(exported, arm.commit, folder)
    home = Path(tempfile.mkdtemp(prefix="gateway-", dir=folder))
    try:
        settings = home / "headrace.yaml"
        # JSON is YAML.
        settings.write_text(json.dumps(settings_for(arm.settings, provider, str(home))), "utf-8")
        serve = ("serve", "--config", str(settings))
        async with started("gateway", *serve, source=source) as child:
            yield Standing(await child.url(), child.pid, child)
    finally:
        shutil.rmtree(home, ignore_errors=True)
