"""The settings file of a gateway under trial: its arm's own, and what the bench must have."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from headrace.bench.load.crew import is_loopback

_PATHS: Final[Mapping[str, str]] = {"openai": "/v1"}


def settings_for(arm: Mapping[str, Any], provider: str, data_dir: str) -> dict[str, Any]:
    """The settings a gateway is started with.

    Args:
        arm: what the arm wants, merged over what every gateway under trial has: mappings are
            merged, everything else is put in place of what was there.
        provider: URL of the simulated one, asked in the place of all that are not on this machine.
        data_dir: where the gateway keeps its files.
    """
    base: dict[str, Any] = {
        "providers": {"openai": {"dialect": "openai", "base_url": f"{provider}/v1"}},
        "log": {"format": "off"},
    }
    whole = merged(base, arm)
    listen = whole.get("listen")
    workers = listen.get("workers", 1) if isinstance(listen, Mapping) else 1
    providers = whole["providers"]
    if isinstance(providers, Mapping):
        whole["providers"] = {
            name: _simulated(given, provider) if isinstance(given, Mapping) else given
            for name, given in providers.items()
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


def _simulated(given: Mapping[str, Any], provider: str) -> dict[str, Any]:
    if _is_here(given.get("base_url")):
        return dict(given)
    return {**given, "base_url": provider + _PATHS.get(str(given.get("dialect")), "")}


def _is_here(url: object) -> bool:
    """Whether a URL leads to this machine."""
    try:
        host = urlsplit(url).hostname if isinstance(url, str) else None
    except ValueError:
        return False  # the gateway refuses it in its own words
    return host is not None and is_loopback(host)
