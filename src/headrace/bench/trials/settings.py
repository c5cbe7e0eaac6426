"""The settings file of a gateway under trial: its arm's own, and what the bench must have."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from headrace.bench.load.crew import is_loopback

_TOKENS_HEADER: Final = "x-sim-tokens"
_PATHS: Final[Mapping[str, str]] = {"openai": "/v1"}


class Simulator(msgspec.Struct, frozen=True):
    """A provider that stands for all.

    Attributes:
        url: where it listens.
        tokens: length of its answers.
    """

    url: str
    tokens: int = 16


def settings_for(arm: Mapping[str, Any], simulator: Simulator, data_dir: str) -> dict[str, Any]:
    """The settings a gateway is started with.

    Args:
        arm: what the arm wants, merged over what every gateway under trial has: mappings are
            merged, everything else is put in place of what was there.
        simulator: asked in the place of every provider that is not on this machine.
        data_dir: where the gateway keeps its files.
    """
    base: dict[str, Any] = {
        "providers": {"openai": {"dialect": "openai", "base_url": f"{simulator.url}/v1"}},
        "log": {"format": "off"},
    }
    whole = merged(base, arm)
    listen = whole.get("listen")
    workers = listen.get("workers", 1) if isinstance(listen, Mapping) else 1
    providers = whole["providers"]
    if isinstance(providers, Mapping):
        whole["providers"] = {
            name: _simulated(provider, simulator) if isinstance(provider, Mapping) else provider
            for name, provider in providers.items()
        }
    return whole | {
        "data_dir": data_dir,
        "listen": {"host": "127.0.0.1", "port": 0, "workers": workers},
    }


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two documents as one: mappings are merged, of everything else the second counts."""
    whole = dict(base)
    for name, value in over.items():
        below = whole.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            whole[name] = merged(below, value)
        else:
            whole[name] = value
    return whole


def _simulated(provider: Mapping[str, Any], simulator: Simulator) -> dict[str, Any]:
    whole = dict(provider)
    if not _is_here(whole.get("base_url")):
        whole["base_url"] = simulator.url + _PATHS.get(str(whole.get("dialect")), "")
    tokens = {_TOKENS_HEADER: str(simulator.tokens)}
    headers = whole.get("headers")
    whole["headers"] = merged(tokens, headers) if isinstance(headers, Mapping) else tokens
    return whole


def _is_here(url: object) -> bool:
    """Whether a URL leads to this machine."""
    try:
        host = urlsplit(url).hostname if isinstance(url, str) else None
    except ValueError:
        return False  # the gateway refuses it in its own words
    return host is not None and is_loopback(host)
