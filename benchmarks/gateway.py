"""Headrace as its users start it: a settings file and `headrace serve`."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from benchmarks import processes, workload

KEY = "hr-bench-6d1f0c7a52e94b3f8e"
PROGRAM = ("headrace.cli.main",)
ROOT = Path(__file__).resolve().parent.parent


class Wants(msgspec.Struct, frozen=True):
    """What a gateway is told beyond what all are told.

    Attributes:
        cache: settings of the cache.
        providers: providers beside the mock.
        data_dir: where it keeps its files; by default a folder of its own.
        mock: settings of the mock as a provider.
        more: other sections of the settings.
    """

    cache: Mapping[str, object] = {}
    providers: Mapping[str, object] = {}
    data_dir: Path | None = None
    mock: Mapping[str, object] = {}
    more: Mapping[str, object] = {}


NOTHING_MORE = Wants()


class Gateway(msgspec.Struct, frozen=True):
    """A running gateway: its process, port and log file."""

    child: processes.Child
    port: int
    log: Path

    @property
    def call(self) -> workload.Call:
        """How it wants to be called."""
        return workload.Call(self.port, headers=(("authorization", f"Bearer {KEY}"),))


@contextlib.contextmanager
def serving(
    name: str,
    directory: Path,
    upstream_port: int,
    *,
    cache_mb: int = 64,
    warm_connections: int = 1,
    program: Sequence[str] = PROGRAM,
    wants: Wants = NOTHING_MORE,
) -> Iterator[Gateway]:
    """A gateway with everything on: keys, cache, single-flight, metrics, a JSON log on disk.

    Args:
        name: names its files.
        directory: where they go.
        upstream_port: the provider's loopback port.
        cache_mb: the size of its cache.
        warm_connections: connections to the provider opened at its start.
        program: module and arguments before the command, in place of Headrace's own.
        wants: what it is told beyond.
    """
    port = processes.free_port()
    log = directory / f"{name}.log"
    settings = directory / f"{name}.yaml"
    # JSON is YAML: no writer of our own is needed.
    place = wants.data_dir or directory / f"{name}.data"
    values = _settings(port, upstream_port, log, cache_mb, warm_connections, wants, place)
    settings.write_text(json.dumps(values, indent=2))
    arguments = [sys.executable, "-m", *program, "serve", "--config", str(settings)]
    with processes.running(
        name, arguments, directory, environment=environment(), working_directory=ROOT
    ) as child:
        child.wait_ready(port, "/readyz")
        yield Gateway(child, port, log)


def environment() -> dict[str, str]:
    """Variables under which this checkout's package is found, installed or not."""
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _settings(
    port: int,
    upstream_port: int,
    log: Path,
    cache_mb: int,
    warm_connections: int,
    wants: Wants,
    place: Path,
) -> dict[str, object]:
    return {
        "data_dir": str(place),
        "listen": {"host": "127.0.0.1", "port": port, "workers": 1},
        "providers": {
            "mock": {
                "dialect": "openai",
                "base_url": f"http://127.0.0.1:{upstream_port}/v1",
                "warm_connections": warm_connections,
                **wants.mock,
            },
            **wants.providers,
        },
        "models": {workload.MODEL: {"targets": [f"mock/{workload.MODEL}"]}},
        "cache": {"memory_mb": cache_mb, **wants.cache},
        "keys": [{"key": KEY, "tenant": "bench"}],
        "log": {"format": "json", "file": str(log)},
        **wants.more,
    }
