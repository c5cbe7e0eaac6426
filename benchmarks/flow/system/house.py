"""Gateways and simulated providers, each a process of its own."""

import contextlib
import http.client
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import processes
from benchmarks.gateway import PROGRAM, ROOT, environment

ADMIN_KEY = "hr-system-admin-0d94c1a7f5e3"


class Sim(msgspec.Struct, frozen=True):
    """A simulated provider; its controls can be used from any thread."""

    port: int

    def stats(self) -> Mapping[str, Any]:
        """What it has seen so far."""
        told: Mapping[str, Any] = ask(self.port, "GET", "/_sim/stats")
        return told

    def limit(self, **limits: int | None) -> None:
        """Change `capacity`, `inflight_max` or both."""
        ask(self.port, "POST", "/_sim/limits", limits)

    def script(self, *faults: Mapping[str, Any]) -> None:
        """Replace the faults to come."""
        ask(self.port, "POST", "/_sim/script", {"faults": faults})

    def reset(self) -> None:
        """Forget script, counts and changed limits, and draw afresh."""
        ask(self.port, "POST", "/_sim/reset", {})


class Gateway(msgspec.Struct, frozen=True):
    """A running gateway."""

    port: int


class Provider(msgspec.Struct, frozen=True):
    """A provider as the gateway is told of it.

    Attributes:
        port: where it listens.
        pace: first token and every further one after so many milliseconds.
        input_ms: what each input of an embeddings call takes besides.
        settings: how it is asked; nothing is the default.
    """

    port: int
    pace: tuple[float, float] = (0.0, 0.0)
    input_ms: float = 0.0
    settings: Mapping[str, Any] = {}

    def told(self) -> Mapping[str, Any]:
        """Its settings."""
        first_ms, token_ms = self.pace
        headers = {"x-sim-ttft-ms": f"{first_ms:g}", "x-sim-token-ms": f"{token_ms:g}"}
        if self.input_ms:
            headers["x-sim-input-ms"] = f"{self.input_ms:g}"
        return {
            "dialect": "openai",
            "base_url": f"http://127.0.0.1:{self.port}/v1",
            "headers": headers,
            **self.settings,
        }


@contextlib.contextmanager
def sim(
    name: str, directory: Path, seed: int, *, port: int | None = None, **options: int
) -> Iterator[Sim]:
    """A simulated provider without delays of its own.

    Args:
        name: names its output file.
        directory: where that goes.
        seed: decides its texts and lots.
        port: where it listens; a free one where left out.
        options: of `headrace sim`, such as `capacity`.

    Raises:
        ChildFailed: it does not start.
    """
    port = port or processes.free_port()
    command = [sys.executable, "-m", *PROGRAM, "sim", "--port", str(port), "--profile", "instant"]
    command += ["--seed", str(seed)]
    for option, value in options.items():
        command += [f"--{option.replace('_', '-')}", str(value)]
    with processes.running(name, command, directory, environment=environment()) as child:
        child.wait_ready(port, "/healthz")
        yield Sim(port)


@contextlib.contextmanager
def gateway(
    name: str,
    directory: Path,
    providers: Mapping[str, Provider],
    models: Mapping[str, Sequence[str]],
    tenants: Sequence[str] = (),
    **settings: Any,
) -> Iterator[Gateway]:
    """A gateway with its defaults: cache, single-flight, metrics, and a JSON log on disk.

    Calls are to ask something else each time, so that nothing is answered from memory.

    Args:
        name: names its files.
        directory: where they go.
        providers: by their names.
        models: the targets of each model.
        tenants: who calls; each has its own name as its key, see `key_of`.
        settings: further sections of its settings.

    Raises:
        ChildFailed: it does not start.
    """
    port = processes.free_port()
    log, file = directory / f"{name}.log", directory / f"{name}.yaml"
    keys = [{"key": key_of(tenant), "tenant": tenant} for tenant in (*tenants, "default")]
    values = {
        "data_dir": str(directory / f"{name}.data"),
        "listen": {"host": "127.0.0.1", "port": port, "workers": 1},
        "providers": {each: provider.told() for each, provider in providers.items()},
        "models": {model: {"targets": list(targets)} for model, targets in models.items()},
        "keys": [*keys, {"key": ADMIN_KEY, "tenant": "operators", "admin": True}],
        "log": {"format": "json", "file": str(log)},
        **settings,
    }
    file.write_text(json.dumps(values, indent=2))
    command = [sys.executable, "-m", *PROGRAM, "serve", "--config", str(file)]
    with processes.running(
        name, command, directory, environment=environment(), working_directory=ROOT
    ) as child:
        child.wait_ready(port, "/readyz")
        yield Gateway(port)


def key_of(tenant: str) -> str:
    """The key of a tenant."""
    return f"hr-system-key-of-{tenant}"


def ask(port: int, method: str, path: str, document: object = None, *, key: str = "") -> Any:
    """Ask for JSON, on a connection of its own.

    Raises:
        ChildFailed: the answer is none of 200.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10.0)
    body = None if document is None else json.dumps(document)
    try:
        connection.request(method, path, body, {"authorization": f"Bearer {key}"} if key else {})
        answer = connection.getresponse()
        told = answer.read()
    except OSError as error:
        raise processes.ChildFailed(f"{path} was not answered: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise processes.ChildFailed(f"{path} was answered with {answer.status}: {told[:200]!r}")
    return json.loads(told)
