"""How each peer is installed and started: exact versions, settings for speed, loopback only."""

import json
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from benchmarks import processes
from benchmarks.workload import MODEL, Call

LITELLM_VERSION = "1.106.2"
TENSORZERO_VERSION = "2026.6.0"
VLLM_ROUTER_VERSION = "0.1.17"
PORTKEY_VERSION = "1.15.2"
# The newest ones it still starts with.
PORTKEY_OVERRIDES = {"@hono/node-server": "1.13.8", "hono": "4.9.7"}
INSTALL_S_MAX = 900.0
DONE = "installed"
PORTKEY_ON_LOOPBACK = """
// Portkey has no option for the address: without one it listens on every interface.
const net = require("node:net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, host, ...rest) {
  return listen.call(this, port, host ?? "127.0.0.1", ...rest);
};
"""
TENSORZERO_START = """
import sys, threading
from tensorzero import _start_http_gateway
gateway = _start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None,
    async_setup=False,
)
print(gateway.base_url, flush=True)
threading.Event().wait()
"""


class Started(msgspec.Struct, frozen=True):
    """What to run for a peer, and how to call it.

    Attributes:
        arguments: program and arguments.
        call: how it wants to be called.
        ready_path: answers 200 once it serves; `None` where saying its port is the sign.
        environment: variables it is given.
        announces_port: it chooses its port, and prints its base URL once it serves.
    """

    arguments: list[str]
    call: Call
    ready_path: str | None
    environment: Mapping[str, str] = {}
    announces_port: bool = False


class Recipe(msgspec.Struct, frozen=True):
    """A peer.

    Attributes:
        name: name and version, as the row has it.
        slug: its folder's name.
        install: puts it into a folder.
        start: for its folder, a folder for settings and the upstream's port.
        connections: as many as it is loaded with.
        streams: as many as it is given at once.
    """

    name: str
    slug: str
    install: Callable[[Path], None]
    start: Callable[[Path, Path, int], Started]
    connections: int = 32
    streams: int = 200


def installed(recipe: Recipe, cache: Path) -> Path:
    """The peer's folder, installed there if it is not yet.

    Raises:
        ChildFailed: the installation failed; the message says how.
    """
    home = cache / recipe.slug
    if not (home / DONE).exists():
        home.mkdir(parents=True, exist_ok=True)
        recipe.install(home)
        (home / DONE).touch()
    return home


def _pip(requirement: str) -> Callable[[Path], None]:
    def install(home: Path) -> None:
        environment = home / "venv"
        processes.run_to_end([sys.executable, "-m", "venv", str(environment)], seconds_max=120)
        python = str(environment / "bin" / "python")
        processes.run_to_end(
            [python, "-m", "pip", "install", "--quiet", requirement], seconds_max=INSTALL_S_MAX
        )

    return install


def _install_portkey(home: Path) -> None:
    package = {
        "private": True,
        "dependencies": {"@portkey-ai/gateway": PORTKEY_VERSION},
        "overrides": PORTKEY_OVERRIDES,
    }
    (home / "package.json").write_text(json.dumps(package))
    (home / "loopback.cjs").write_text(PORTKEY_ON_LOOPBACK)
    processes.run_to_end(
        ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"],
        seconds_max=INSTALL_S_MAX,
        cwd=home,
    )


def _start_litellm(home: Path, directory: Path, upstream_port: int) -> Started:
    key = f"sk-{secrets.token_hex(24)}"
    port = processes.free_port()
    settings = directory / "litellm.yaml"
    upstream = {
        "model": f"openai/{MODEL}",
        "api_base": f"http://127.0.0.1:{upstream_port}/v1",
        "api_key": "none",
    }
    document = {
        "model_list": [{"model_name": MODEL, "litellm_params": upstream}],
        "litellm_settings": {"callbacks": []},
        "general_settings": {"master_key": key},
    }
    settings.write_text(json.dumps(document))
    program = str(home / "venv" / "bin" / "litellm")
    return Started(
        arguments=[
            *(program, "--config", str(settings), "--num_workers", "1"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        call=Call(port, headers=(("authorization", f"Bearer {key}"),)),
        ready_path="/health/liveliness",
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"},
    )


def _start_tensorzero(home: Path, directory: Path, upstream_port: int) -> Started:
    settings = directory / "tensorzero.toml"
    settings.write_text(f"""
[gateway]
observability.enabled = false
[models.{MODEL}]
routing = ["mock"]
[models.{MODEL}.providers.mock]
type = "openai"
model_name = "{MODEL}"
api_base = "http://127.0.0.1:{upstream_port}/v1/"
api_key_location = "none"
""")
    return Started(
        arguments=[str(home / "venv" / "bin" / "python"), "-c", TENSORZERO_START, str(settings)],
        call=Call(
            0,
            path="/openai/v1/chat/completions",
            model=f"tensorzero::model_name::{MODEL}",
        ),
        ready_path=None,
        environment={"TENSORZERO_DISABLE_PSEUDONYMOUS_USAGE_ANALYTICS": "1"},
        announces_port=True,
    )


def _start_vllm_router(home: Path, _directory: Path, upstream_port: int) -> Started:
    port = processes.free_port()
    return Started(
        arguments=[
            *(str(home / "venv" / "bin" / "vllm-router"), "--policy", "round_robin"),
            *("--worker-urls", f"http://127.0.0.1:{upstream_port}"),
            *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"),
            *("--prometheus-host", "127.0.0.1"),
            *("--prometheus-port", str(processes.free_port())),
        ],
        call=Call(port),
        ready_path="/health",
    )


def _start_portkey(home: Path, _directory: Path, upstream_port: int) -> Started:
    port = processes.free_port()
    script = home / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    headers = (
        ("authorization", "Bearer none"),
        ("x-portkey-provider", "openai"),
        ("x-portkey-custom-host", f"http://127.0.0.1:{upstream_port}/v1"),
    )
    return Started(
        arguments=[
            *("node", "--require", str(home / "loopback.cjs"), str(script)),
            *(f"--port={port}", "--headless"),
        ],
        call=Call(port, headers=headers),
        ready_path="/",
        environment={"NODE_ENV": "production"},
    )


RECIPES = (
    Recipe(
        f"vllm-router {VLLM_ROUTER_VERSION}",
        f"vllm-router-{VLLM_ROUTER_VERSION}",
        _pip(f"vllm-router=={VLLM_ROUTER_VERSION}"),
        _start_vllm_router,
    ),
    Recipe(
        f"TensorZero {TENSORZERO_VERSION}",
        f"tensorzero-{TENSORZERO_VERSION}",
        _pip(f"tensorzero=={TENSORZERO_VERSION}"),
        _start_tensorzero,
    ),
    Recipe(
        f"Portkey {PORTKEY_VERSION}",
        f"portkey-{PORTKEY_VERSION}",
        _install_portkey,
        _start_portkey,
    ),
    Recipe(
        f"LiteLLM {LITELLM_VERSION}",
        f"litellm-{LITELLM_VERSION}",
        _pip(f"litellm[proxy]=={LITELLM_VERSION}"),
        _start_litellm,
        # As many as it keeps up with on one core.
        streams=5,
    ),
)
